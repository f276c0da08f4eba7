"""The mlpconv layer (Lin et al. 2013, section 3.1 and figure 1b): a small perceptron that slides over the map."""

from dataclasses import dataclass, replace
from typing import ClassVar

from torch import nn

from konvolut.blocks.basic import Conv
from konvolut.blocks.spec import Row, chain
from konvolut.types import Shape


def mlpconv(first: str, conv: Conv, **ones: int) -> tuple[Row, ...]:
    """A convolution row named `first`, then a 1x1 convolution for every `name=width`.

    A 1x1 convolution is a dense layer over the maps at each pixel, so each is a row: it has its own width and weights.
    """
    pixelwise = replace(conv, k=1, s=1, p=0, groups=1)
    return (Row(first, conv), *(Row(name, replace(pixelwise, out=width)) for name, width in ones.items()))


@dataclass(frozen=True, slots=True)
class Mlpconv:
    """A k x k convolution and two 1x1 convolutions of one width: (c, h, w) -> (out, as the first convolution)."""

    WIDTHS: ClassVar = ("out",)

    out: int
    k: int  # px
    s: int = 1  # px between windows
    p: int = 0  # px of zeros on every side
    act: str = "relu"
    last: str = "relu"  # activation of the second 1x1
    norm: str = "none"
    at: str = "output"
    bias: bool = True

    def make(self, shape: Shape) -> nn.Module:
        first = Conv(self.out, self.k, self.s, self.p, 1, self.act, self.norm, self.at, self.bias)
        one = replace(first, k=1, s=1, p=0)
        return chain((first, one, replace(one, act=self.last)), shape[0])
