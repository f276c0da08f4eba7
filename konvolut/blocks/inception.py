"""Parallel ways through the same map: the Inception block (Szegedy et al. 2014, figure 2b) and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from konvolut.blocks.basic import Conv, MaxPool
from konvolut.blocks.spec import Spec, chain, maps_after
from konvolut.types import Shape


class Branches(nn.Module):
    """Every branch on the same input, their maps side by side in the order of the table."""

    def __init__(self, branches: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.branches = nn.ModuleDict(branches)

    def forward(self, batch: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c2 h2 w2"]:
        return torch.cat([branch(batch) for branch in self.branches.values()], dim=1)


@dataclass(frozen=True, slots=True)
class Paths:
    """Named ways, each some specs in turn: (c, h, w) -> (the sum of their widths, h2, w2)."""

    paths: tuple[tuple[str, tuple[Spec, ...]], ...]

    def make(self, shape: Shape) -> nn.Module:
        return Branches({name: chain(specs, shape[0]) for name, specs in self.paths})

    def maps(self, channels: int) -> int:
        return sum(maps_after(specs, channels) for _, specs in self.paths)


@dataclass(frozen=True, slots=True)
class Inception:
    """The six widths of a row of table 1, in the table's order: (c, h, w) -> (n1x1 + n3x3 + n5x5 + proj, h, w)."""

    WIDTHS: ClassVar = ("n1x1", "r3x3", "n3x3", "r5x5", "n5x5", "proj")

    n1x1: int
    r3x3: int  # "#3x3 reduce": the 1x1 before the 3x3
    n3x3: int
    r5x5: int
    n5x5: int
    proj: int  # the 1x1 after the pool
    k5: int = 5  # px, the kernel of the fourth and fifth column
    act: str = "relu"
    norm: str = "none"
    at: str = "output"
    bias: bool = True

    def make(self, shape: Shape) -> nn.Module:
        def conv(out: int, k: int) -> Conv:
            return Conv(out, k, p=k // 2, act=self.act, norm=self.norm, at=self.at, bias=self.bias)

        ways = (
            ("1x1", (conv(self.n1x1, 1),)),
            ("3x3", (conv(self.r3x3, 1), conv(self.n3x3, 3))),
            ("5x5", (conv(self.r5x5, 1), conv(self.n5x5, self.k5))),
            ("pool", (MaxPool(3, 1, 1), conv(self.proj, 1))),
        )
        return Paths(ways).make(shape)

    def maps(self, channels: int) -> int:
        return self.n1x1 + self.n3x3 + self.n5x5 + self.proj
