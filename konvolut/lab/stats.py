"""The few statistics the verdicts need; the distributions are SciPy's."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import sqrt
from statistics import fmean, stdev

from scipy.stats import t as student

LEVEL = 0.95
POWER = 0.8
MOST = 1000  # seeds; what more could decide is not worth saying


@dataclass(frozen=True, slots=True)
class Difference:
    """A mean of paired differences, with its 95 % interval."""

    mean: float
    low: float
    high: float
    n: int
    detectable: float  # the smallest true difference that n pairs of this spread would show 8 times in 10

    @property
    def spread(self) -> float:
        """Standard deviation of the single differences."""
        return (self.high - self.mean) * sqrt(self.n) / reach(self.n)


@cache
def reach(n: int) -> float:
    """Half of a 95 % interval of n values, in standard errors."""
    return float(student.ppf((1 + LEVEL) / 2, n - 1))


@cache
def power(n: int) -> float:
    """What must be added to it, in standard errors, for an effect to be seen 8 times in 10."""
    return float(student.ppf(POWER, n - 1))


def paired(more: Sequence[float], less: Sequence[float]) -> Difference:
    """Student's interval of more - less, pair by pair; at least 3 pairs."""
    return around([a - b for a, b in zip(more, less, strict=True)])


def around(differences: Sequence[float]) -> Difference:
    n = len(differences)
    assert n >= 3, "fewer than 3 seeds cannot show a spread"
    mean, error = fmean(differences), stdev(differences) / sqrt(n)
    detectable = (reach(n) + power(n)) * error
    return Difference(mean, mean - reach(n) * error, mean + reach(n) * error, n, detectable)


def needed(found: Difference, least: float) -> int | None:
    """Seeds with which the interval would lie on one side, if mean and spread stayed; None for more than MOST.

    A mean of `least` or more must clear 0, a smaller one must clear `least`.
    """
    margin = found.mean if found.mean >= least else least - found.mean
    counts, spread = range(found.n, MOST + 1), found.spread
    enough = bisect_left(counts, True, key=lambda n: reach(n) * spread / sqrt(n) < margin)  # an interval only shrinks
    return counts[enough] if enough < len(counts) else None
