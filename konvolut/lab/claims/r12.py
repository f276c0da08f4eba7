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


def distances() -> dict[str, list[float]]:
    """How far six classes of growing order lie from TRUTH, for two kinds that are nested and one that is not."""
    waves = [np.cos(k * np.pi * X) for k in range(1, 7)]
    return {
        "polynomials": [distance(np.vander(X, degree + 1)) for degree in range(1, 7)],
        "sums of cosines": [distance(np.stack(waves[:k], 1)) for k in range(1, 7)],
        "single cosines": [distance(wave[:, None]) for wave in waves],  # one each: none holds another
    }


def checks() -> Iterator[Check]:
    found = distances()
    for what in ("polynomials", "sums of cosines"):  # each class holds the ones below
        away = sum(after > before + 1e-9 for before, after in pairwise(found[what]))
        yield Check(f"{what}: of five steps up, those that move away", 0, away)
    other = found["single cosines"]
    yield Check("single cosines: distance of the second, the truth itself", 0, other[1], 1e-12)
    yield Check("single cosines: distance of the third", 0.5**0.5, other[2], 0.01)  # root mean square of a cosine
    yield Check(
        "single cosines: the third is further away than the second (1 yes, 0 no)", 1, float(other[2] > other[1])
    )


STUDY = Exact(claim=CLAIM, checks=checks)
