"""Figures by hand, and the intervals against SciPy's."""

import doctest

import numpy as np
import pytest
from scipy.stats import binomtest

from konvolut.training import metrics
from konvolut.training.metrics import Evaluation, Tally, calibration, per_class, wilson


def answers(*rows: tuple[int, list[float]]) -> Evaluation:
    """(true class, probabilities of two classes) -> an Evaluation whose logits are their logarithms."""
    labels = np.array([label for label, _ in rows])
    logits = np.log(np.array([p for _, p in rows], dtype=np.float32))
    return Evaluation("test", ("a", "b"), tuple(map(str, range(len(rows)))), labels, logits)


FOUR = answers((0, [0.9, 0.1]), (0, [0.4, 0.6]), (1, [0.2, 0.8]), (1, [0.25, 0.75]))


def test_accuracy_loss_and_confusion_by_hand():
    assert FOUR.accuracy == 0.75
    assert FOUR.tally.loss == pytest.approx(-np.log([0.9, 0.4, 0.8, 0.75]).mean(), rel=1e-6)
    assert FOUR.confusion.tolist() == [[1, 1], [0, 2]]
    assert per_class(FOUR)[1] == pytest.approx([2 / 3, 1, 0.8])


def test_a_class_never_answered_has_no_precision():
    found = per_class(answers((0, [0.9, 0.1]), (1, [0.8, 0.2])))
    assert np.isnan(found[1, 0])
    assert found[1, 1] == 0


def test_tallies_add_up():
    both = Tally(2.0, 1, 2) + Tally(1.0, 3, 4)
    assert (both.loss, both.accuracy) == (0.5, 4 / 6)


def test_calibration_by_hand():
    bins, error = calibration(FOUR)
    # 0.6 wrong, 0.75 right, 0.8 right, 0.9 right; 0.75 is alone in [0.7, 0.8)
    assert [b.count for b in bins] == [1, 1, 1, 1]
    assert error == pytest.approx((0.6 + 0.25 + 0.2 + 0.1) / 4, abs=1e-6)


@pytest.mark.parametrize(("right", "seen"), [(0, 5), (5, 5), (986, 1000), (1, 3)])
def test_the_interval_is_wilsons(right, seen):
    other = binomtest(right, seen).proportion_ci(method="wilson")
    assert wilson(right, seen) == pytest.approx((other.low, other.high), abs=1e-9)


def test_the_example_by_hand_holds():
    assert doctest.testmod(metrics) == (0, 1)
