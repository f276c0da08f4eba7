"""The few statistics the verdicts need; the distributions are SciPy's."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev

from scipy.stats import t as student

LEVEL = 0.95
POWER = 0.8


@dataclass(frozen=True, slots=True)
class Difference:
    """A mean of paired differences, with its 95 % interval."""

    mean: float
    low: float
    high: float
    n: int
    detectable: float  # the smallest true difference that n pairs of this spread would show 8 times in 10


def paired(more: Sequence[float], less: Sequence[float]) -> Difference:
    """Student's interval of more - less, pair by pair; at least 3 pairs."""
    differences = [a - b for a, b in zip(more, less, strict=True)]
    n = len(differences)
    assert n >= 3, "fewer than 3 seeds cannot show a spread"
    mean, error = fmean(differences), stdev(differences) / sqrt(n)
    reach = float(student.ppf((1 + LEVEL) / 2, n - 1)) * error
    detectable = reach + float(student.ppf(POWER, n - 1)) * error
    return Difference(mean, mean - reach, mean + reach, n, detectable)
