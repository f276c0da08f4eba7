"""The two normalisations of 2012-2015: across neighbouring maps, and across the batch."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from konvolut.blocks.spec import chosen
from konvolut.types import Shape


class LocalResponse(nn.LocalResponseNorm):
    """Divides by (2 + 1e-4 * the sum of squares of 5 adjacent maps) ** 0.75. Krizhevsky et al. 2012, section 3.3."""

    def __init__(self) -> None:
        super().__init__(5, alpha=5 * 1e-4, beta=0.75, k=2.0)  # torch divides alpha by 5

    def forward(self, batch: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        if batch.dtype in (torch.bfloat16, torch.float16):  # torch's layer has no half precision on a CPU
            return super().forward(batch.float()).to(batch.dtype)
        return super().forward(batch)


MAP_NORMS: dict[str, Callable[[int], nn.Module | None]] = {
    "none": lambda width: None,
    "bn": nn.BatchNorm2d,
    "lrn": lambda width: LocalResponse(),
}

DENSE_NORMS: dict[str, Callable[[int], nn.Module | None]] = {"none": lambda width: None, "bn": nn.BatchNorm1d}


def map_norm(name: str, width: int) -> nn.Module | None:
    """The normalisation of `width` maps, None for "none"."""
    return chosen("norm", name, MAP_NORMS)(width)


def dense_norm(name: str, width: int) -> nn.Module | None:
    """The normalisation of `width` features, None for "none"; "lrn" needs maps and is not known here."""
    return chosen("norm", name, DENSE_NORMS)(width)


@dataclass(frozen=True, slots=True)
class Lrn:
    """Local response normalisation as a row of its own, where a table puts it after a pool."""

    def make(self, shape: Shape) -> nn.Module:
        return LocalResponse()
