"""Counter-based randomness: a number drawn is a hash of where it is used, so nothing else can change it.

Workers, ranks, batch sizes and resumed runs all draw the same numbers, because there is no generator whose state they
would have to share. The hash is the finalizer of splitmix64 (Steele, Lea, Flood 2014), once for each counter.
"""

from enum import IntEnum

import numpy as np
from jaxtyping import Float64, UInt64
from numpy import ndarray
from numpy.typing import ArrayLike


class Stream(IntEnum):
    """What a number is drawn for: two uses never share one."""

    ORDER = 0
    FLIP = 1
    SHIFT_X = 2
    SHIFT_Y = 3
    ROTATE = 4
    SCALE = 5
    SHEAR = 6
    BRIGHTNESS = 7
    CONTRAST = 8
    SATURATION = 9
    HUE = 10
    LIGHTING = 11  # and 12, 13: one for each principal colour
    ERASE = 14  # its row; 15: its column
    AREA = 16  # of a random crop; its proportions and its place
    ASPECT = 17
    LEFT = 18
    TOP = 19
    PARTNER = 20  # of a blended picture; which kind of blend; how much is kept; where the box is
    KIND = 21
    SHARE = 22
    BOX = 23  # its row; 24: its column
    PICK = 25  # of a class's pictures, where classes are drawn alike; which classes have one more
    SPARE = 26
    DRAWN = 32  # and on: the made world's own


def dice(seed: int, epoch: int, index: ArrayLike, stream: ArrayLike) -> Float64[ndarray, "..."]:
    """Uniform numbers in [0, 1), one for each (index, stream) after broadcasting.

    >>> dice(0, 0, [3, 4], Stream.FLIP)[0] == dice(0, 0, 3, Stream.FLIP)
    True
    """
    with np.errstate(over="ignore"):  # the hash wraps modulo 2**64 on purpose
        state = _mix(np.asarray(seed, dtype=np.uint64))
        for counter in (epoch, index, stream):
            state = _mix(np.asarray(state + np.asarray(counter, dtype=np.uint64)))
    return np.asarray((state >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def _mix(state: UInt64[ndarray, "..."]) -> UInt64[ndarray, "..."]:
    z = state + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)))
