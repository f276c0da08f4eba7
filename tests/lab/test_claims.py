"""The studies themselves, on their smallest scale."""

from dataclasses import replace
from math import log2

import numpy as np
import pytest

from konvolut.lab.claims import a9, a15, n1
from konvolut.lab.study import Ask, Measurement
from konvolut.lab.verdict import settled
from konvolut.nets.arch import facts


def test_n1_counts_what_the_lectures_say():
    found = {check.what: check for check in n1.checks()}
    assert all(check.said == check.found for check in found.values())
    assert 16 * 5 * 5 * 120 in {check.said for check in found.values()}
    assert len(found) > 15  # the formula is held on every convolution of two nets


@pytest.mark.parametrize("arm", a9.DOWN)
def test_the_arms_of_a9_end_in_maps_of_one_size(arm):
    maps = [fact.takes for fact in facts(a9.net(arm)) if fact.name == "fc"]
    assert maps == [(32, 7, 7)]


def test_a_shift_moves_every_pixel_and_fills_with_black():
    row = np.arange(1, 6, dtype=np.uint8).reshape(1, 1, 5, 1)
    assert a9.shifted(row, 2).flatten().tolist() == [0, 0, 1, 2, 3]
    assert a9.shifted(row, -1).flatten().tolist() == [2, 3, 4, 5, 0]


def test_a15_keeps_the_quickest_rate_of_each_arm():
    found = [
        Measurement("relu deep", seed, {"doublings": steps + seed}, rate)
        for rate, steps in ((0.01, 5.0), (0.1, 3.0))
        for seed in range(3)
    ]
    assert [(m.rate, m.values["doublings"]) for m in settled(a15.STUDY, found)] == [(0.1, 3.0 + s) for s in range(3)]


def test_a15_measures_steps_and_stops_at_the_last(monkeypatch):
    monkeypatch.setattr(a15, "RECIPE", replace(a15.RECIPE, epochs=1))
    hopeless = a15.measure(Ask("sigmoid deep", 0, 0.03))["doublings"]
    assert hopeless == pytest.approx(log2(-(-2000 // 64)))  # every step of one epoch of 2,000 in batches of 64
    assert a15.measure(Ask("relu shallow", 0, 0.01))["doublings"] <= hopeless
