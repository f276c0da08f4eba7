"""Residual blocks: He et al. 2015, figures 2, 3 and 5; and pre-activation, He et al. 2016, figure 1b."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad

from konvolut.blocks.act import activation
from konvolut.blocks.basic import Conv
from konvolut.blocks.norm import Norm
from konvolut.blocks.spec import chain, chosen
from konvolut.errors import ArchError
from konvolut.types import Shape

SHORTCUTS = {
    "A": "the map itself, every s-th pixel of it, new maps of zeros",
    "B": "a 1x1 projection where the shape changes, the map itself elsewhere",
    "B bare": "B, its projections without a norm",
    "C": "a 1x1 projection everywhere",
    "none": "no shortcut: the plain net of section 4.1",
}


class Residual(nn.Module):
    """act(body + shortcut), eq. 1 and 2; the shapes of the two must be equal, nothing is broadcast.

    With `survive` < 1 the body is left out of a training step with probability 1 - survive, for the whole batch, and
    weighs `survive` in evaluation. Huang et al. 2016, eq. 2 and 5.
    """

    def __init__(self, body: nn.Module, shortcut: nn.Module, act: nn.Module) -> None:
        super().__init__()
        self.body, self.shortcut, self.act = body, shortcut, act
        self.survive = 1.0

    def forward(self, batch: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c2 h2 w2"]:
        after: Tensor = self.act(self.joined(batch, self.shortcut(batch)))
        return after

    def joined(self, batch: Float[Tensor, "n c h w"], kept: Float[Tensor, "n c2 h2 w2"]) -> Float[Tensor, "n c2 h2 w2"]:
        if self.survive < 1 and self.training and torch.rand(()) >= self.survive:
            return kept
        added: Tensor = self.body(batch)
        assert added.shape[1:] == kept.shape[1:], (added.shape, kept.shape)
        return kept + (added if self.training or self.survive == 1 else added * self.survive)

    def extra_repr(self) -> str:
        return "" if self.survive == 1 else f"survive={self.survive:g}"


class PreResidual(Residual):
    """shortcut + body(pre): the activation stands before the weights, and nothing on the way of the sum.

    Where the shape changes, the projection takes the activated map too, as in the authors' model.
    """

    def __init__(self, pre: nn.Module, body: nn.Module, shortcut: nn.Module) -> None:
        super().__init__(body, shortcut, nn.Identity())
        self.pre = pre

    def forward(self, batch: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c2 h2 w2"]:
        active = self.pre(batch)
        projects = isinstance(self.shortcut, nn.Sequential)
        return self.joined(active, self.shortcut(active if projects else batch))


class ZeroPad(nn.Module):
    """Option A: every s-th pixel, and `extra` maps of zeros after the ones there are. It learns nothing."""

    def __init__(self, extra: int, s: int) -> None:
        super().__init__()
        self.extra, self.s = extra, s

    def forward(self, batch: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c2 h2 w2"]:
        return pad(batch[:, :, :: self.s, :: self.s], (0, 0, 0, 0, 0, self.extra))

    def extra_repr(self) -> str:
        return f"extra={self.extra}, s={self.s}"


@dataclass(frozen=True, slots=True)
class Basic:
    """Two 3x3 convolutions (figure 5, left); the first one strides. `pre` puts norm and activation before each."""

    WIDTHS: ClassVar = ("out",)

    out: int
    s: int = 1
    shortcut: str = "B"
    act: str = "relu"
    norm: str = "bn"
    at: str = "output"
    bias: bool = False
    pre: bool = False

    def make(self, shape: Shape) -> nn.Module:
        conv = partial(Conv, act=self.act, norm=self.norm, at=self.at, bias=self.bias)
        return joined(self, (conv(self.out, 3, self.s, 1), conv(self.out, 3, 1, 1)), shape[0])


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """1x1 down to a quarter of the width, 3x3, 1x1 up (figure 5, right); the first 1x1 strides, as in the paper."""

    WIDTHS: ClassVar = ("out",)

    out: int
    s: int = 1
    shortcut: str = "B"
    act: str = "relu"
    norm: str = "bn"
    at: str = "output"
    bias: bool = False
    pre: bool = False
    strider: int = 1  # which convolution strides: 1, or 2 in what is called v1.5

    def make(self, shape: Shape) -> nn.Module:
        if self.out % 4:
            raise ArchError(f"a bottleneck {self.out} maps wide has no quarter; a multiple of 4 would work")
        conv = partial(Conv, act=self.act, norm=self.norm, at=self.at, bias=self.bias)
        body = (
            conv(self.out // 4, 1, self.s if self.strider == 1 else 1),
            conv(self.out // 4, 3, self.s if self.strider == 2 else 1, 1),
            conv(self.out, 1),
        )
        return joined(self, body, shape[0])


@dataclass(frozen=True, slots=True)
class Stage:
    """`repeat` blocks alike; only the first one strides: (c, h, w) -> (out, ceil(h / s), ceil(w / s))."""

    repeat: int
    block: Basic | Bottleneck
    s: int = 1
    survive: tuple[float, ...] = ()  # of each block, the chance that its body takes part in a training step

    @property
    def out(self) -> int:
        return self.block.out

    def make(self, shape: Shape) -> nn.Module:
        strides = [self.s] + [1] * (self.repeat - 1)
        made = chain([replace(self.block, s=s) for s in strides], shape[0])
        for block, survive in zip(made, self.survive or (1.0,) * self.repeat, strict=True):
            if isinstance(block, Residual):
                block.survive = survive
        return made


def joined(block: Basic | Bottleneck, body: Sequence[Conv], width: int) -> nn.Module:
    """The body and its shortcut from `width` maps to the block's, by the options of section 4.1."""
    chosen("shortcut", block.shortcut, SHORTCUTS)
    if block.pre:
        return joined_before(block, body, width)
    if block.shortcut == "none":
        return chain(body, width)
    ends = replace(body[-1], act="none") if block.at != "after" else body[-1]
    act = activation(block.act) or nn.Identity()
    return Residual(chain((*body[:-1], ends), width), way(block, width), act)


def joined_before(block: Basic | Bottleneck, body: Sequence[Conv], width: int) -> nn.Module:
    """The same with each norm and activation before its convolution; the first pair stands apart, for both ways."""
    first, *others = body
    bare = replace(first, norm="none", act="none")
    convs = chain((bare, *(replace(conv, at="pre") for conv in others)), width)
    pre = Norm(block.norm, block.act).make((width, 0, 0))
    if block.shortcut == "none":
        return nn.Sequential(pre, convs)
    return PreResidual(pre, convs, way(replace(block, norm="none"), width))


def way(block: Basic | Bottleneck, width: int) -> nn.Module:
    """The shortcut of `block` where `width` maps come in."""
    if width == block.out and block.s == 1 and block.shortcut != "C":
        return nn.Identity()
    if block.shortcut == "A":
        if width > block.out:
            raise ArchError(f"shortcut A adds maps, it cannot turn {width} into {block.out}; B or C would work")
        return ZeroPad(block.out - width, block.s)
    norm = "none" if block.shortcut == "B bare" else block.norm
    return Conv(block.out, 1, block.s, act="none", norm=norm, bias=block.bias).make((width, 0, 0))
