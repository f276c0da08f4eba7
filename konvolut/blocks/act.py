"""Activations by name."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn, tanh

from konvolut.blocks.spec import chosen


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
