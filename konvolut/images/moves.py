"""Whole pixels move as bytes: `augment`'s shift and flip, to the bit, before anything need be a float."""

import numpy as np
import torch
from jaxtyping import Bool, Int64, UInt8
from numpy import ndarray
from numpy.lib.stride_tricks import as_strided

from konvolut.images.augment import Augment, Dice, steps
from konvolut.images.dice import Stream
from konvolut.types import Pictures

SPREAD = 1 << 29  # bytes that a set laid out for moves may take
BLOCK = 4096  # pictures mirrored at a time


class Moves:
    """Pictures laid out so that each row of one that is shifted or mirrored is one run of bytes.

    Every row has its ends repeated as far as a shift goes, and lies there mirrored too: more than twice the memory, and
    a tenth of the time.
    """

    def __init__(self, pictures: Pictures, how: Augment) -> None:
        self.how, (n, h, w, c) = how, pictures.shape
        self.shape, self.most = (n, h, w, c), min(int(np.ceil(how.shift * w)) + 1, w - 1) if how.shift else 0
        ways = 1 + how.flip
        self._rows = np.empty((ways, n, h, w + 2 * self.most, c), np.uint8)
        for way in range(ways):
            rows = self._rows[way]
            for start in range(0, n, BLOCK):
                some = pictures[start : start + BLOCK]
                rows[start : start + BLOCK, :, self.most : self.most + w] = mirrored(some) if way else some
            rows[:, :, : self.most] = rows[:, :, self.most, None]
            rows[:, :, self.most + w :] = rows[:, :, self.most + w - 1, None]

    def take(self, index: Int64[ndarray, "k"], dice: Dice) -> UInt8[ndarray, "k h w c"]:
        """The pictures at `index`, moved by the luck of `dice`."""
        n, h, w, c = self.shape
        rows = np.arange(h)[None, :].repeat(len(index), 0)
        dx = np.zeros(len(index), np.int64)
        if self.how.shift:
            dy, dx = steps(h, w, self.how.shift, dice)
            rows = np.clip(rows - dy[:, None], 0, h - 1)
            dx = dx.clip(-self.most, self.most)
        turned = flipped(dice) if self.how.flip else np.zeros(len(index), bool)
        # To mirror what was shifted is to shift the other way what was mirrored.
        at = (turned * n + index)[:, None] * h + rows
        wide = w + 2 * self.most
        starts = (at * wide + (self.most - np.where(turned, -dx, dx))[:, None]).ravel()
        spans = as_strided(
            np.ndarray((1,), f"V{w * c}", self._rows.data), (self._rows.size // c - w + 1,), (c,), writeable=False
        )
        found: UInt8[ndarray, "k h w c"] = spans[starts].view(np.uint8).reshape(len(index), h, w, c)
        return found


def fits(pictures: Pictures, how: Augment) -> bool:
    """Are these few and small enough to be laid out?"""
    return not isinstance(pictures, np.memmap) and pictures.nbytes * (1 + how.flip) * (1 + 2 * how.shift) < SPREAD


def moved(pictures: Pictures, how: Augment, dice: Dice) -> Pictures:
    """The same of pictures that came just now, one to a number of `dice`; they are changed in place where they can be."""
    if how.shift:
        _, height, width, _ = pictures.shape
        pictures = _shifted(pictures, *steps(height, width, how.shift, dice))
    if how.flip:
        which = np.flatnonzero(flipped(dice))
        pictures[which] = mirrored(pictures[which])
    return pictures


def mirrored(pictures: Pictures) -> Pictures:
    """Left to right; torch does it four times as fast as numpy."""
    found: Pictures = torch.from_numpy(pictures).permute(0, 3, 1, 2).flip(3).permute(0, 2, 3, 1).numpy()
    return found


def flipped(dice: Dice) -> Bool[ndarray, "n"]:
    found: Bool[ndarray, n] = (dice.unit(Stream.FLIP) < 0.5).numpy()
    return found


def _shifted(
    pictures: UInt8[ndarray, "n h w c"], dy: Int64[ndarray, "n"], dx: Int64[ndarray, "n"]
) -> UInt8[ndarray, "n h w c"]:
    """Every row of a shifted picture is as many bytes on end as a row is long, so numpy gathers it by one copy."""
    n, h, w, c = pictures.shape
    dx = dx.clip(1 - w, w - 1)
    most = int(np.abs(dx).max())
    pool = np.empty((n * h * w + 2 * most, c), np.uint8)
    pool[most : most + n * h * w] = pictures.reshape(-1, c)
    rows = np.clip(np.arange(h) - dy[:, None], 0, h - 1) + h * np.arange(n)[:, None]  # (n, h)
    starts = (rows * w + most - dx[:, None]).ravel()
    spans = as_strided(np.ndarray((1,), f"V{w * c}", pool.data), (len(pool) - w + 1,), (c,), writeable=False)
    found: UInt8[ndarray, "n h w c"] = spans[starts].view(np.uint8).reshape(n, h, w, c)
    for step in np.unique(dx[dx != 0]):  # what came from a neighbouring row gives way to the repeated edge
        which = np.flatnonzero(dx == step)
        if step > 0:
            found[which, :, :step] = found[which, :, step : step + 1]
        else:
            found[which, :, step:] = found[which, :, step - 1 : step]
    return found
