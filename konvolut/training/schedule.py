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


SCHEDULES: dict[str, Callable[[float, float], float]] = {
    "flat": flat,
    "triangle": triangle,
    "cosine": cosine,
    "steps": steps,
}
