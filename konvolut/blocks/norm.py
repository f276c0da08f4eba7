"""The two normalisations of 2012-2015: across neighbouring maps, and across the batch."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from konvolut.blocks.act import activation
from konvolut.blocks.spec import chosen, in_turn
from konvolut.types import Shape


class LocalResponse(nn.LocalResponseNorm):
    """Divides by (2 + 1e-4 * the sum of squares of 5 adjacent maps) ** 0.75. Krizhevsky et al. 2012, section 3.3."""

    def __init__(self) -> None:
        super().__init__(5, alpha=5 * 1e-4, beta=0.75, k=2.0)  # torch divides alpha by 5

    def forward(self, batch: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        if batch.dtype in (torch.bfloat16, torch.float16):  # torch's layer has no half precision on a CPU
            return super().forward(batch.float()).to(batch.dtype)
        return super().forward(batch)


TF = "bn eps=1e-3"  # what the Inception nets were trained with, and torchvision's ports of them

MAP_NORMS: dict[str, Callable[[int], nn.Module | None]] = {
    "none": lambda width: None,
    "bn": nn.BatchNorm2d,
    TF: partial(nn.BatchNorm2d, eps=1e-3),
    "lrn": lambda width: LocalResponse(),
}

DENSE_NORMS: dict[str, Callable[[int], nn.Module | None]] = {
    "none": lambda width: None,
    "bn": nn.BatchNorm1d,
    TF: partial(nn.BatchNorm1d, eps=1e-3),
}

PLACES = {
    "output": "between the layer and its activation",
    "after": "after the activation",
    "input": "before the layer",
    "pre": "before the layer, and the activation between them (He et al. 2016)",
}


def map_norm(name: str, width: int) -> nn.Module | None:
    """The normalisation of `width` maps, None for "none"."""
    return chosen("norm", name, MAP_NORMS)(width)


def dense_norm(name: str, width: int) -> nn.Module | None:
    """The normalisation of `width` features, None for "none"; "lrn" needs maps and is not known here."""
    return chosen("norm", name, DENSE_NORMS)(width)


def placed(layer: str, module: nn.Module, norm: nn.Module | None, act: nn.Module | None, at: str) -> nn.Sequential:
    """`module`, called `layer`, with its norm and activation in the order that `at` says."""
    chosen("at", at, PLACES)
    steps = {layer: module, "norm": norm, "act": act}
    orders = {
        "output": (layer, "norm", "act"),
        "after": (layer, "act", "norm"),
        "input": ("norm", layer, "act"),
        "pre": ("norm", "act", layer),
    }
    return in_turn(**{name: steps[name] for name in orders[at]})


@dataclass(frozen=True, slots=True)
class Norm:
    """A normalisation as a row of its own, and an activation behind it where there is one: maps or features."""

    norm: str = "bn"
    act: str = "none"

    def make(self, shape: Shape) -> nn.Module:
        norm = (map_norm if len(shape) > 1 else dense_norm)(self.norm, shape[0])
        return in_turn(norm=norm, act=activation(self.act))
