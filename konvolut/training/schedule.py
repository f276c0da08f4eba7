"""Learning-rate shapes: pure functions from progress in [0, 1] to a factor in [0, 1]."""

from collections.abc import Callable
from math import cos, pi


def climb(progress: float, warmup: float) -> float:
    """From 0 to 1 over the first `warmup` share of the steps, then 1."""
    return progress / warmup if progress < warmup else 1.0


def flat(progress: float, warmup: float) -> float:
    """Climb, then stay.

    >>> [flat(p, 0.25) for p in (0.0, 0.125, 0.25, 1.0)]
    [0.0, 0.5, 1.0, 1.0]
    """
    return climb(progress, warmup)


def triangle(progress: float, warmup: float) -> float:
    """Climb, then fall to 0 in a straight line.

    >>> [triangle(p, 0.25) for p in (0.0, 0.125, 0.25, 0.625, 1.0)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    return climb(progress, warmup) if progress < warmup else (1 - progress) / (1 - warmup)


def cosine(progress: float, warmup: float) -> float:
    """Climb, then fall to 0 along half a cosine (Loshchilov, Hutter 2017, eq. 5, one period).

    >>> [round(cosine(p, 0.2), 12) for p in (0.1, 0.2, 0.6, 1.0)]
    [0.5, 1.0, 0.5, 0.0]
    """
    return climb(progress, warmup) if progress < warmup else (1 + cos(pi * (progress - warmup) / (1 - warmup))) / 2


def steps(progress: float, warmup: float) -> float:
    """Climb, then divide by 10 at one half and at three quarters (He et al. 2015, section 4.2, at 32k and 48k of 64k).

    >>> [round(steps(p, 0.0), 12) for p in (0.0, 0.49, 0.5, 0.75, 1.0)]
    [1.0, 1.0, 0.1, 0.01, 0.01]
    """
    return climb(progress, warmup) * 0.1 ** ((progress >= 0.5) + (progress >= 0.75))


def thrice(progress: float, warmup: float) -> float:
    """Climb, then divide by 10 at each quarter: three times in all, as Krizhevsky et al. 2012 (section 5) and Simonyan,
    Zisserman 2014 (section 3.1) did, who waited for the validation error to stand still.

    >>> [round(thrice(p, 0.0), 12) for p in (0.0, 0.24, 0.25, 0.5, 0.75, 1.0)]
    [1.0, 1.0, 0.1, 0.01, 0.001, 0.001]
    """
    return climb(progress, warmup) * 0.1 ** min(int(4 * progress), 3)


SCHEDULES: dict[str, Callable[[float, float], float]] = {
    "flat": flat,
    "triangle": triangle,
    "cosine": cosine,
    "steps": steps,
    "thrice": thrice,
}


def side_at(progress: float, side: int, grow: float) -> int:
    """The side, in px, that pictures are trained at: `grow` of the whole in the first half of the training, the whole in
    its last fifth, a straight line between them, in multiples of 4. Progressive resizing, at the places of MosaicML's
    Composer (its defaults); a side that is no multiple of 4 is reached at the end all the same.

    >>> [side_at(p, 224, 0.5) for p in (0.0, 0.5, 0.65, 0.8, 1.0)], side_at(0.0, 30, 1.0), side_at(0.9, 30, 0.5)
    ([112, 112, 168, 224, 224], 30, 30)
    """
    share = grow + (1 - grow) * min(max((progress - 0.5) / 0.3, 0.0), 1.0)
    return side if share == 1 else min(side, max(4, 4 * round(share * side / 4)))
