"""Residual blocks (He et al. 2015, figures 2, 3 and 5)."""

from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad

from konvolut.blocks.basic import Conv, activation
from konvolut.blocks.spec import chain, chosen
from konvolut.errors import ArchError
from konvolut.types import Shape

SHORTCUTS = {
    "A": "the map itself, every s-th pixel of it, new maps of zeros",
    "B": "a 1x1 projection where the shape changes, the map itself elsewhere",
    "C": "a 1x1 projection everywhere",
    "none": "no shortcut: the plain net of section 4.1",
}


class Residual(nn.Module):
    """act(body + shortcut), eq. 1 and 2; the shapes of the two must be equal, nothing is broadcast."""

    def __init__(self, body: nn.Module, shortcut: nn.Module, act: nn.Module) -> None:
        super().__init__()
        self.body, self.shortcut, self.act = body, shortcut, act

    def forward(self, batch: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c2 h2 w2"]:
        added, kept = self.body(batch), self.shortcut(batch)
        assert added.shape[1:] == kept.shape[1:], (added.shape, kept.shape)
        after: Tensor = self.act(added + kept)
        return after


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
    """Two 3x3 convolutions (figure 5, left); the first one strides."""

    out: int
    s: int = 1
    shortcut: str = "B"
    act: str = "relu"
    norm: str = "bn"
    bias: bool = False

    def make(self, shape: Shape) -> nn.Module:
        conv = partial(Conv, norm=self.norm, bias=self.bias)
        body = (conv(self.out, 3, self.s, 1, act=self.act), conv(self.out, 3, 1, 1, act="none"))
        return joined(self, body, shape[0])


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """1x1 down to a quarter of the width, 3x3, 1x1 up (figure 5, right); the first 1x1 strides, as in the paper."""

    out: int
    s: int = 1
    shortcut: str = "B"
    act: str = "relu"
    norm: str = "bn"
    bias: bool = False

    def make(self, shape: Shape) -> nn.Module:
        if self.out % 4:
            raise ArchError(f"a bottleneck {self.out} maps wide has no quarter; a multiple of 4 would work")
        conv = partial(Conv, norm=self.norm, bias=self.bias)
        body = (
            conv(self.out // 4, 1, self.s, act=self.act),
            conv(self.out // 4, 3, 1, 1, act=self.act),
            conv(self.out, 1, act="none"),
        )
        return joined(self, body, shape[0])


@dataclass(frozen=True, slots=True)
class Stage:
    """`repeat` blocks of one width; only the first one strides: (c, h, w) -> (out, ceil(h / s), ceil(w / s))."""

    WIDTHS: ClassVar = ("out",)

    block: type[Basic] | type[Bottleneck]
    repeat: int
    out: int
    s: int = 1
    shortcut: str = "B"
    act: str = "relu"
    norm: str = "bn"
    bias: bool = False

    def make(self, shape: Shape) -> nn.Module:
        strides = [self.s] + [1] * (self.repeat - 1)
        blocks = [self.block(self.out, s, self.shortcut, self.act, self.norm, self.bias) for s in strides]
        return chain(blocks, shape[0])


def joined(block: Basic | Bottleneck, body: tuple[Conv, ...], width: int) -> nn.Module:
    """The body and its shortcut from `width` maps to the block's, by the options of section 4.1."""
    chosen("shortcut", block.shortcut, SHORTCUTS)
    act = activation(block.act) or nn.Identity()
    if block.shortcut == "none":
        return chain((*body[:-1], replace(body[-1], act=block.act)), width)
    same = width == block.out and block.s == 1
    if block.shortcut == "A":
        if width > block.out:
            raise ArchError(f"shortcut A adds maps, it cannot turn {width} into {block.out}; B or C would work")
        way: nn.Module = nn.Identity() if same else ZeroPad(block.out - width, block.s)
    elif block.shortcut == "B" and same:
        way = nn.Identity()
    else:
        way = Conv(block.out, 1, block.s, act="none", norm=block.norm, bias=block.bias).make((width, 0, 0))
    return Residual(chain(body, width), way, act)
