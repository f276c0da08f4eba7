"""Pictures blended in pairs: mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019), drawn by counter-based dice.

Which picture a picture is blended with, and how much of it stays, is a matter of the step's whole batch on all ranks and
of nothing else: pictures change partners when the batch's size changes, and keep them when it is divided otherwise.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from numpy import ndarray
from torch import Tensor

from konvolut.images.dice import Stream, dice

GRID = 4097  # points of the table that Beta's quantiles are read from: errors below 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Who is blended with whom: picture i keeps `share[i]` of itself, the rest is of the one at place `partner[i]`."""

    partner: Int64[ndarray, "n"]  # a place in the whole batch, never one's own where there are two
    share: Float64[ndarray, "n"]  # of picture i, in the label too
    box: Int64[ndarray, "n 4"]  # px: top, bottom, left and right of what is the partner's; zeros: blended all over
    whole: Float64[ndarray, "n"]  # what every pixel keeps of picture i outside the box

    def part(self, rows: slice | Int64[ndarray, "k"]) -> "Pairs":
        """Those of some rows, a rank's; partners stay places in the whole batch."""
        return Pairs(self.partner[rows], self.share[rows], self.box[rows], self.whole[rows])


def pairs(
    index: Int64[ndarray, "n"], seed: int, epoch: int, mixup: float, cutmix: float, side: tuple[int, int]
) -> Pairs:
    """The blends of a whole batch, whose pictures have these indices in their split and are `side` (h, w) px large.

    Of a batch in the order of its dice, each picture is blended with the next one, so each is somebody's partner once.
    `mixup` and `cutmix` are the alphas of the Beta(alpha, alpha) that the kept share is drawn from, a picture at a time
    (the papers: once a batch); with both, each picture is blended one way or the other with probability one half.
    """
    assert mixup or cutmix, "nothing to blend: ask for pairs only where mixup or cutmix is above 0"
    circle = np.argsort(dice(seed, epoch, index, Stream.PARTNER), kind="stable")
    partner = np.empty_like(circle)
    partner[circle] = np.roll(circle, -1)
    boxed = dice(seed, epoch, index, Stream.KIND) < (0.5 if mixup and cutmix else float(cutmix > 0))
    drawn = dice(seed, epoch, index, Stream.SHARE)
    kept = np.where(boxed, beta(drawn, cutmix or mixup), beta(drawn, mixup or cutmix))
    box = np.where(boxed[:, None], boxes(kept, index, seed, epoch, side), 0)
    covered = (box[:, 1] - box[:, 0]) * (box[:, 3] - box[:, 2]) / (side[0] * side[1])
    return Pairs(partner, np.where(boxed, 1 - covered, kept), box, np.where(boxed, 1.0, kept))


def boxes(
    kept: Float64[ndarray, "n"], index: Int64[ndarray, "n"], seed: int, epoch: int, side: tuple[int, int]
) -> Int64[ndarray, "n 4"]:
    """CutMix's boxes (Yun et al. 2019, eq. 2), in whole pixels: sides of sqrt(1 - kept), centres anywhere.

    What lies outside the picture is cut off, as in the authors' program.
    """
    ends = []
    for axis, length in enumerate(side):
        middle = length * dice(seed, epoch, index, Stream.BOX + axis)
        half = length * np.sqrt(1 - kept) / 2
        ends += [np.clip(np.rint(middle + sign * half), 0, length).astype(np.int64) for sign in (-1, 1)]
    return np.stack(ends, axis=1)


def blended(
    images: Float[Tensor, "n c h w"], others: Float[Tensor, "n c h w"], pairs: Pairs
) -> Float[Tensor, "n c h w"]:
    """Each picture with its partner's in it; `others[i]` is the picture at place `pairs.partner[i]` of the whole batch.

    On one process: `blended(images, images[pairs.partner], pairs)`.
    """
    top, bottom, left, right = torch.from_numpy(pairs.box).T[:, :, None]  # (n, 1) each
    y, x = torch.arange(images.shape[2]), torch.arange(images.shape[3])
    inside = ((y >= top) & (y < bottom))[:, None, :, None] & ((x >= left) & (x < right))[:, None, None, :]
    keeps = torch.from_numpy(pairs.whole).float().view(-1, 1, 1, 1).masked_fill(inside, 0.0)  # (n, 1, h, w)
    return torch.lerp(others, images, keeps.to(images.device))


def beta(unit: Float64[ndarray, "n"], alpha: float) -> Float64[ndarray, "n"]:
    """Quantiles of Beta(alpha, alpha): what one uniform number each, and no rejection, draws from it."""
    below, at = half_beta(alpha)
    low = np.interp(np.minimum(unit, 1 - unit), below, at) ** (1 / min(alpha, 1.0))
    return np.asarray(np.where(unit < 0.5, low, 1 - low))


@lru_cache(maxsize=8)
def half_beta(alpha: float) -> tuple[Float64[ndarray, "grid"], Float64[ndarray, "grid"]]:
    """Beta(alpha, alpha)'s distribution on [0, 1/2], as probabilities below t = x ** min(alpha, 1), and t.

    In t the density is smooth where in x it grows without bound at 0, for an alpha below 1.
    """
    power = min(alpha, 1.0)
    at = np.linspace(0.0, 0.5**power, GRID)
    density = at ** (alpha / power - 1) * (1 - at ** (1 / power)) ** (alpha - 1)
    below = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    return below * (0.5 / below[-1]), at
