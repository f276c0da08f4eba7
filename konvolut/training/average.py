"""The mean of a net's weights over its last steps: it often answers better than any of them (Polyak, Juditsky 1992)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


class Average:
    """An exponential running mean of a net's weights and statistics.

    Floating buffers are averaged like weights: batch norm's running statistics would otherwise be those of the newest
    weights, under which the mean ones do not give them. What is counted, not measured, is copied. As in TensorFlow's
    ExponentialMovingAverage, the decay begins low, at (1 + n) / (10 + n) after n updates, so that the first weights,
    drawn at random, are forgotten.
    """

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.net, self.decay, self.updates = net, decay, 0
        self.held = {name: tensor.detach().clone() for name, tensor in numbers(net)}

    def update(self) -> None:
        """Take in the net as it is: once after each step."""
        weight = 1 - min(self.decay, (1 + self.updates) / (10 + self.updates))
        means, news = [], []
        for name, tensor in numbers(self.net):
            if tensor.is_floating_point():
                means.append(self.held[name])
                news.append(tensor.detach())
            else:
                self.held[name].copy_(tensor)
        torch._foreach_lerp_(means, news, weight)
        self.updates += 1

    @contextmanager
    def swapped(self) -> Iterator[None]:
        """The net has the mean weights inside, and its own again after it: to evaluate it, or to keep it."""
        self.swap()
        try:
            yield
        finally:
            self.swap()

    @torch.no_grad()
    def swap(self) -> None:
        """In place: an optimizer, and whoever else holds the net's tensors, holds them still."""
        for name, tensor in numbers(self.net):
            own = tensor.clone()
            tensor.copy_(self.held[name])
            self.held[name].copy_(own)

    def state(self) -> dict[str, Any]:
        return {"updates": self.updates, "held": self.held}

    def restore(self, state: dict[str, Any]) -> None:
        self.updates = state["updates"]
        for name, tensor in state["held"].items():
            self.held[name].copy_(tensor)


def numbers(net: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Weights and buffers, each once."""
    yield from net.named_parameters()
    yield from net.named_buffers()
