"""Shapes on torch's meta device, where a tensor is nothing else, without loading torch's compiler.

Asked there for a sum or a batch norm, torch imports its compiler to answer, which takes a second of every command.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


def same(batch: Tensor, *_: object, **__: object) -> Tensor:
    return batch


def broadcast(batch: Tensor, other: Tensor | float) -> Tensor:
    return batch.new_empty(torch.broadcast_shapes(batch.shape, other.shape)) if isinstance(other, Tensor) else batch


def beside(batches: Sequence[Tensor], dim: int) -> Tensor:
    before, after = {batch.shape[:dim] for batch in batches}, {batch.shape[dim + 1 :] for batch in batches}
    if len(before) > 1 or len(after) > 1:
        return torch.cat(list(batches), dim)  # which says what does not meet
    return batches[0].new_empty((*before.pop(), sum(batch.shape[dim] for batch in batches), *after.pop()))


def dense(batch: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    if batch.shape[-1] != weight.shape[1]:
        return F.linear(batch, weight, bias)
    return batch.new_empty((*batch.shape[:-1], weight.shape[0]))


def adapted(batch: Tensor, side: int) -> Tensor:
    return batch.new_empty((*batch.shape[:2], side, side))


SHAPES: dict[Callable[..., Any], Callable[..., Tensor]] = {
    F.linear: dense,
    F.relu: same,
    torch.tanh: same,
    F.batch_norm: same,
    F.local_response_norm: same,
    Tensor.add: broadcast,
    Tensor.mul: broadcast,
    Tensor.div: broadcast,
    Tensor.sub: broadcast,
    Tensor.square: same,
    Tensor.neg: same,
    torch.cat: beside,
    F.adaptive_avg_pool2d: adapted,
}


class Shapes(TorchFunctionMode):
    """Within it, the functions of SHAPES give a tensor of the right shape and nothing else; all others are torch's."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        answer: Callable[..., Any] = SHAPES.get(func, func)
        return answer(*args, **(kwargs or {}))
