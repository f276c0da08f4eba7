"""R12: nested classes do not move away from the truth (S43)."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from konvolut.lab.study import Check, Claim, Exact
from konvolut.language import later

CLAIM = Claim(
    id="R12",
    sentence="S43",
    text=later(
        "A larger function class is no further from the best function if it contains the smaller one; else it may be."
    ),
    expected="exact",
    why=later("The least distance over a larger set is no larger; over another set it can be anything."),
)

X = np.linspace(-1, 1, 201)
TRUTH = np.cos(2 * np.pi * X)


def distance(basis: Float[ndarray, "n k"]) -> float:
    """From TRUTH to the nearest combination of the columns: root mean square."""
    best, *_ = np.linalg.lstsq(basis, TRUTH, rcond=None)
    return float(np.sqrt(np.mean((basis @ best - TRUTH) ** 2)))


def checks() -> Iterator[Check]:
    nested = [
        distance(np.vander(X, degree + 1)) for degree in range(1, 7)
    ]  # polynomials: each degree holds the ones below
    other = [distance(np.cos(k * np.pi * X)[:, None]) for k in range(1, 7)]  # one cosine each: none holds another
    steps = list(pairwise(nested))
    yield Check("of five steps up the nested classes, those that move away", 0, sum(b > a + 1e-9 for a, b in steps))
    yield Check("distance of the second of the other classes", 0, other[1], 1e-12)
    yield Check("the third is further away again (1 yes, 0 no)", 1, float(other[2] > other[1] + 0.5))


STUDY = Exact(claim=CLAIM, checks=checks)
