"""What a table costs in memory, counted without allocating any: what autograd would keep, on torch's meta device."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from konvolut.blocks.residual import Residual, Stage
from konvolut.blocks.spec import Spec
from konvolut.nets.arch import Arch
from konvolut.types import Shape

FLOAT = 4  # bytes of a weight, and of a number in a map
PRIME = 10_007  # pictures in the counting batch: what is kept for each of them has a multiple of this many numbers


@dataclass(frozen=True, slots=True)
class Keeps:
    """What one row holds in memory for one picture, in bytes."""

    inside: int  # kept for the backward pass, without what comes in
    enters: int  # what comes in, when it is kept for the backward pass; else 0
    leaves: bool  # what goes out is kept, and counted in `inside`
    pair: int  # the largest layer's input and output together, without which no answer is possible

    def after(self, before: "Keeps") -> int:
        """What this row adds to what `before` keeps: a map that both keep is one map."""
        return self.inside + (0 if before.leaves else self.enters)


NONE = Keeps(0, 0, False, 0)  # of what stands before the first row


@dataclass(frozen=True, slots=True)
class Memory:
    """What a net needs for a batch, in bytes, its numbers being 32 bits wide.

    Training: weights with those of the auxiliary heads, their gradients, SGD's momentum, and the maps that the backward
    pass needs; what a layer works with meanwhile comes on top. Inference: the weights without heads, and the largest
    layer's input and output.
    """

    batch: int  # pictures
    params: int  # numbers that the trunk learns
    head_params: int
    kept: int  # bytes a picture for the backward pass, heads included
    pair: int  # bytes a picture, of the largest layer's input and output

    @property
    def weights(self) -> int:
        return (self.params + self.head_params) * FLOAT

    @property
    def activations(self) -> int:
        return self.batch * self.kept

    @property
    def training(self) -> int:
        return 3 * self.weights + self.activations  # weights, gradients, momentum

    @property
    def inference(self) -> int:
        return self.params * FLOAT + self.batch * self.pair


def row_keeps(spec: Spec, shape: Shape) -> Keeps:
    """What a row keeps of one picture of shape `shape`.

    Blocks after the second of a stage are alike, so a long stage is counted from its first three.
    """
    if isinstance(spec, Stage) and spec.repeat > 3:
        two, three = (keeps(replace(spec, repeat=n, survive=()), shape) for n in (2, 3))
        more = (spec.repeat - 3) * (three.inside - two.inside)
        return replace(three, inside=three.inside + more)
    return keeps(replace(spec, survive=()) if isinstance(spec, Stage) else spec, shape)


@lru_cache(maxsize=10_000)
def keeps(spec: Spec, shape: Shape) -> Keeps:
    """What the row's module keeps of one picture, from a training pass over PRIME pictures on the meta device."""
    kept: dict[int, Any] = {}  # by the address of its storage, which is held so that no other takes that address
    pairs = [0]

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.nbytes() and storage.nbytes() % PRIME == 0:  # else weights, or what a norm learns of the batch
            kept.setdefault(storage._cdata, storage)
        return tensor

    def measure(module: nn.Module, takes: tuple[Tensor, ...], gives: Tensor) -> None:
        pairs.append((takes[0].numel() + gives.numel()) * FLOAT // PRIME)

    with torch.device("meta"), saved_tensors_hooks(pack, lambda tensor: tensor):
        module = spec.make(shape).train()
        for layer in module.modules():
            if isinstance(layer, Residual):
                layer.survive = 1.0  # every body takes part: the most that a step can need
            if not list(layer.children()):
                layer.register_forward_hook(measure)
        comes = torch.empty(PRIME, *shape, requires_grad=True)
        goes = module(comes)
        ends = [maps.untyped_storage() for maps in (comes, goes)]
        bytes_of = {at: storage.nbytes() // PRIME for at, storage in kept.items()}
    enters = bytes_of.pop(ends[0]._cdata, 0)
    return Keeps(sum(bytes_of.values()), enters, ends[1]._cdata in kept, max(pairs))


def shallow(arch: Arch) -> Arch:
    """The same table with at most two blocks a stage: it takes the same pictures, and is walked in no time."""

    def cut(spec: Spec) -> Spec:
        return replace(spec, repeat=min(spec.repeat, 2), survive=()) if isinstance(spec, Stage) else spec

    return replace(arch, rows=tuple(replace(row, spec=cut(row.spec)) for row in arch.rows))
