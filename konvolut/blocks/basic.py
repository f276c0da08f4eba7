"""Convolution, pooling, dropout and dense rows: the vocabulary that every table of 2012-2016 shares."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn, tanh

from konvolut.blocks.norm import dense_norm, map_norm
from konvolut.blocks.spec import chosen, in_turn
from konvolut.errors import ArchError
from konvolut.types import Shape


class ScaledTanh(nn.Module):
    """1.7159 tanh(2x/3), which takes 1 to 1 and -1 to -1. LeCun et al. 1998, eq. 6 and appendix A."""

    def forward(self, batch: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        return 1.7159 * tanh(batch * (2 / 3))


# Never in place: a hook on a convolution must see what the convolution gave.
ACTS: dict[str, Callable[[], nn.Module | None]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "scaled tanh": ScaledTanh,
    "none": lambda: None,
}


def activation(name: str) -> nn.Module | None:
    """The activation called `name`, None for "none"."""
    return chosen("act", name, ACTS)()


@dataclass(frozen=True, slots=True)
class Conv:
    """A convolution, then its norm, then its activation; LRN comes after the activation, as in AlexNet (section 3.3).

    (c, h, w) -> (out, floor((h + 2p - k) / s) + 1, the same of w). Submodules: conv, norm, act.
    """

    WIDTHS: ClassVar = ("out",)

    out: int
    k: int  # px, the side of the square kernel
    s: int = 1  # px between windows
    p: int = 0  # px of zeros on every side
    groups: int = 1
    act: str = "relu"
    norm: str = "none"
    bias: bool = True

    def make(self, shape: Shape) -> nn.Module:
        width = shape[0]
        if width % self.groups or self.out % self.groups:
            raise ArchError(f"{width} maps in and {self.out} out do not both split into {self.groups} groups")
        conv = nn.Conv2d(width, self.out, self.k, self.s, self.p, groups=self.groups, bias=self.bias)
        norm, act = map_norm(self.norm, self.out), activation(self.act)
        if self.norm == "lrn":
            return in_turn(conv=conv, act=act, norm=norm)
        return in_turn(conv=conv, norm=norm, act=act)


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
    bias: bool = True

    def make(self, shape: Shape) -> nn.Module:
        return in_turn(
            flatten=nn.Flatten() if len(shape) > 1 else None,
            drop=nn.Dropout(self.drop) if self.drop else None,
            dense=nn.Linear(prod(shape), self.out, bias=self.bias),
            norm=dense_norm(self.norm, self.out),
            act=activation(self.act),
        )
