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
    waves = [np.cos(k * np.pi * X) for k in range(1, 7)]
    nested = {  # each class holds the ones below
        "polynomials": [distance(np.vander(X, degree + 1)) for degree in range(1, 7)],
        "sums of cosines": [distance(np.stack(waves[:k], 1)) for k in range(1, 7)],
    }
    for what, distances in nested.items():
        away = sum(after > before + 1e-9 for before, after in pairwise(distances))
        yield Check(f"{what}: of five steps up, those that move away", 0, away)
    other = [distance(wave[:, None]) for wave in waves]  # one cosine each: none holds another
    yield Check("single cosines: distance of the second, the truth itself", 0, other[1], 1e-12)
    yield Check("single cosines: distance of the third", 0.5**0.5, other[2], 0.01)  # root mean square of a cosine
    yield Check(
        "single cosines: the third is further away than the second (1 yes, 0 no)", 1, float(other[2] > other[1])
    )


STUDY = Exact(claim=CLAIM, checks=checks)
