"""The dice: a hash that looks like chance and depends on its counters alone."""

import numpy as np
from scipy.stats import kstest

from konvolut.images.dice import dice


def test_every_number_is_its_own():
    together = dice(3, 5, np.arange(10), 2)
    alone = [float(dice(3, 5, i, 2)) for i in range(10)]
    assert together.tolist() == alone


def test_each_counter_matters():
    base = float(dice(1, 1, 1, 1))
    assert (
        len({base, float(dice(2, 1, 1, 1)), float(dice(1, 2, 1, 1)), float(dice(1, 1, 2, 1)), float(dice(1, 1, 1, 2))})
        == 5
    )


def test_they_are_uniform_and_streams_are_unrelated():
    index = np.arange(20_000)
    one, two = dice(0, 0, index, 1), dice(0, 0, index, 2)
    assert kstest(one, "uniform").pvalue > 0.01
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.03
    assert abs(np.corrcoef(one[:-1], one[1:])[0, 1]) < 0.03
