"""Convolution, pooling, dropout and dense rows: the vocabulary that every table of 2012-2016 shares."""

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import conv2d

from konvolut.blocks.act import activation
from konvolut.blocks.norm import dense_norm, map_norm, placed
from konvolut.blocks.spec import in_turn
from konvolut.errors import ArchError
from konvolut.types import Shape

Side = int | tuple[int, int]  # px: of a square, or its height and width
NARROW = 8  # maps that oneDNN's kernels for AVX2 take at a time


@dataclass(frozen=True, slots=True)
class Conv:
    """A convolution with its norm and its activation, in the order that `at` says (see `blocks.norm.PLACES`).

    (c, h, w) -> (out, floor((h + 2p - k) / s) + 1, the same of w). Submodules: conv, norm, act.
    """

    WIDTHS: ClassVar = ("out",)

    out: int
    k: Side  # px, the kernel
    s: int = 1  # px between windows
    p: Side = 0  # px of zeros on every side
    groups: int = 1
    act: str = "relu"
    norm: str = "none"
    at: str = "output"
    bias: bool = True

    def make(self, shape: Shape) -> nn.Module:
        width = shape[0]
        if width % self.groups or self.out % self.groups:
            raise ArchError(f"{width} maps in and {self.out} out do not both split into {self.groups} groups")
        plain = (self.k, self.p, self.groups) == (1, 0, 1)
        layer = Skipping if plain and self.s != 1 and width < NARROW else nn.Conv2d
        conv = layer(width, self.out, self.k, self.s, self.p, groups=self.groups, bias=self.bias)
        norm = map_norm(self.norm, width if self.at in ("input", "pre") else self.out)
        return placed("conv", conv, norm, activation(self.act), self.at)


class Skipping(nn.Conv2d):
    """A 1x1 convolution with a stride that leaves out the pixels it does not look at, and then has none.

    The same sums. With fewer than 8 maps, channels_last, oneDNN's backward kernel for AVX2 (torch 2.13) writes beyond its
    memory: wrong numbers, or the end of the process.
    """

    def forward(self, input: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c2 h2 w2"]:
        down, across = self.stride
        return conv2d(input[..., ::down, ::across], self.weight, self.bias)


@dataclass(frozen=True, slots=True)
class MaxPool:
    """The largest of each k x k window; `ceil` keeps the last, incomplete window, as Caffe does."""

    k: int  # px
    s: int  # px between windows
    p: int = 0  # px of minus infinity on every side
    ceil: bool = False

    def make(self, shape: Shape) -> nn.Module:
        return nn.MaxPool2d(self.k, self.s, self.p, ceil_mode=self.ceil)


@dataclass(frozen=True, slots=True)
class AvgPool:
    """The mean of each k x k window; padding counts as zeros, an incomplete window divides by what it holds."""

    k: int  # px
    s: int  # px between windows
    p: int = 0  # px of zeros on every side
    ceil: bool = False

    def make(self, shape: Shape) -> nn.Module:
        return nn.AvgPool2d(self.k, self.s, self.p, ceil_mode=self.ceil)


@dataclass(frozen=True, slots=True)
class AdaptivePool:
    """The means of side x side windows that share out the map between them: (c, h, w) -> (c, side, side)."""

    side: int  # px

    def make(self, shape: Shape) -> nn.Module:
        return nn.AdaptiveAvgPool2d(self.side)


@dataclass(frozen=True, slots=True)
class GlobalAvgPool:
    """The mean of each map: (c, h, w) -> (c,). Lin et al. 2013, section 3.2."""

    def make(self, shape: Shape) -> nn.Module:
        return in_turn(pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten())


@dataclass(frozen=True, slots=True)
class Dropout:
    """Sets a share of its input to zero while training, and scales the rest up to keep the mean."""

    share: float

    def make(self, shape: Shape) -> nn.Module:
        return nn.Dropout(self.share)


@dataclass(frozen=True, slots=True)
class Dense:
    """Every output sees every input; a map is read row by row. Submodules: flatten, drop, dense, norm, act."""

    out: int
    act: str = "relu"
    drop: float = 0.0  # share of the *inputs* set to zero while training
    norm: str = "none"
    at: str = "output"
    bias: bool = True

    def make(self, shape: Shape) -> nn.Module:
        dense = nn.Linear(prod(shape), self.out, bias=self.bias)
        norm = dense_norm(self.norm, prod(shape) if self.at in ("input", "pre") else self.out)
        layer = placed("dense", dense, norm, activation(self.act), self.at)
        before = {
            "flatten": nn.Flatten() if len(shape) > 1 else None,
            "drop": nn.Dropout(self.drop) if self.drop else None,
        }
        return in_turn(**before, **dict(layer.named_children()))
