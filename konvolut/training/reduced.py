"""Layers that see the batch of all processes: batch norm over ranks, and dropout whose masks one process would draw.

torch's own SyncBatchNorm runs on a GPU only; this one runs wherever torch.distributed does.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, distributed, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import batch_norm
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from konvolut.errors import RunError
from konvolut.training.world import World


def reduced(net: nn.Module, world: World) -> None:
    """Let every batch norm of `net` normalise by the batch of all ranks, in place; the names of the state stay.

    Means, variances, running values and gradients are those of one process with the whole batch, also where ranks have
    unequal shares. In evaluation nothing changes. In a world of one nothing changes at all.
    Comes after `segmented`, which counts bytes where there is no other rank.
    """
    for part in net.modules() if world.size > 1 else ():
        if isinstance(part, _BatchNorm) and not isinstance(part, nn.SyncBatchNorm):
            part.__class__ = ReducedNorm
            part.world = world  # type: ignore[assignment]


class ReducedNorm(_BatchNorm):
    """A batch norm of torch's whose batch is that of all ranks. `reduced` makes it."""

    world: World

    def forward(self, batch: Float[Tensor, "n c *hw"]) -> Float[Tensor, "n c *hw"]:
        if not self.training:
            return super().forward(batch)
        normed, mean, var, count = Normalise.apply(batch, self.weight, self.bias, self.eps, self.world)  # type: ignore[no-untyped-call]
        if self.running_mean is not None:
            self.remember(mean, var * count / (count - 1))
        return normed  # type: ignore[no-any-return]

    def _check_input_dim(self, input: Tensor) -> None:  # torch asks it in evaluation; any number of axes will do
        assert input.ndim >= 2, input.shape

    @torch.no_grad()
    def remember(self, mean: Float[Tensor, "c"], var: Float[Tensor, "c"]) -> None:
        """Move the running values towards a batch's mean and unbiased variance, as torch does."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        share = 1 / int(self.num_batches_tracked) if self.momentum is None else self.momentum
        for running, newest in ((self.running_mean, mean), (self.running_var, var)):
            running.mul_(1 - share).add_(newest * share)


class Normalise(torch.autograd.Function):
    """(batch, gamma, beta, eps, world) -> (normed batch, mean, biased variance, count), the last three over all ranks.

    Gradients of gamma and beta are of the rank's own pictures: DistributedDataParallel adds them up like any other.
    """

    @staticmethod
    def forward(
        ctx: Any, batch: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float, world: World
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        values = batch.float() if batch.dtype in (torch.bfloat16, torch.float16) else batch
        own = values.numel() // values.shape[1]
        assert own, "a rank without pictures has nothing to normalise; World.steps gives each some"
        var, mean = (v.double() for v in torch.var_mean(values, axes(values), correction=0))
        # In float64, c numbers each: the squares of a large mean would take the variance with them in float32.
        sums = torch.stack((own * mean, own * (var + mean**2), torch.full_like(mean, own)))
        distributed.all_reduce(sums, group=world.group)
        count = sums[2, 0]
        mean = sums[0] / count
        var = (sums[1] / count - mean**2).clamp_(min=0)
        mean, var = mean.to(values.dtype), var.to(values.dtype)
        ctx.save_for_backward(batch, weight, mean, (var + eps).rsqrt(), count)
        ctx.world = world
        ctx.mark_non_differentiable(mean, var, count)
        return batch_norm(values, mean, var, weight, bias, eps=eps).to(batch.dtype), mean, var, count

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        """Ioffe and Szegedy 2015, section 3: its two sums over the batch are taken over all ranks."""
        batch, weight, mean, scale, count = ctx.saved_tensors
        grad = gradient.to(mean.dtype)
        unit = (batch.to(mean.dtype) - across(mean, batch)) * across(scale, batch)
        own = torch.stack((grad.sum(axes(batch)), (grad * unit).sum(axes(batch))))
        whole = own.to(torch.float64, copy=True)
        distributed.all_reduce(whole, group=ctx.world.group)
        d_bias, d_weight = (across(total, batch) for total in (whole / count).to(mean.dtype))
        slope = scale if weight is None else scale * weight
        d_batch = (grad - d_bias - unit * d_weight) * across(slope, batch)
        learns = weight is not None
        return d_batch.to(batch.dtype), own[1] if learns else None, own[0] if learns else None, None, None


def axes(batch: Float[Tensor, "n c *hw"]) -> list[int]:
    """All but the one of features."""
    return [0, *range(2, batch.ndim)]


def across(values: Float[Tensor, "c"], batch: Float[Tensor, "n c *hw"]) -> Float[Tensor, "1 c *ones"]:
    """One value a feature, in a shape that goes with `batch`."""
    return values.view(1, -1, *[1] * (batch.ndim - 2))


@dataclass(slots=True)
class GlobalBatch:
    """The pictures of a step on all ranks, and which rows of them this rank passes forward next."""

    world: World
    size: int = 0
    rows: slice = field(default_factory=lambda: slice(0))

    def takes(self, size: int, start: int, count: int) -> None:
        """Next come `count` pictures, from the `start`-th of this rank's own on, of a step of `size`."""
        first = self.world.rows(size).start + start
        self.size, self.rows = size, slice(first, first + count)


def masked(net: nn.Module, whole: GlobalBatch) -> None:
    """Let every dropout layer of `net` draw the masks of the whole batch and take its own rows, in place.

    The generators of all ranks must be seeded alike, and the first axis be that of pictures. The masks, and what is
    drawn after them, are then those of one process; on a CPU to the bit. Stochastic depth draws one number for the whole
    batch and is alike already. What a module draws without such a layer stays each rank's own. In a world of one nothing
    changes at all. Comes after `segmented`. Raises RunError for alpha dropout, which does more than multiply.
    """
    for name, part in net.named_modules() if whole.world.size > 1 else ():
        if isinstance(part, nn.AlphaDropout | nn.FeatureAlphaDropout):
            raise RunError(f"{name}: {type(part).__name__} cannot be drawn on several processes; nn.Dropout can")
        if isinstance(part, _DropoutNd):
            part.kind, part.whole = type(part), whole  # type: ignore[assignment]
            part.__class__ = RowDropout


class RowDropout(_DropoutNd):
    """A dropout layer of torch's whose masks are this rank's rows of the global batch's. `masked` makes it."""

    kind: type[_DropoutNd]  # what it was
    whole: GlobalBatch

    def forward(self, batch: Float[Tensor, "n *rest"]) -> Float[Tensor, "n *rest"]:
        if not self.training:
            return batch
        rows = self.whole.rows
        assert rows.stop - rows.start == len(batch), (rows, len(batch), "GlobalBatch is not told of this pass")
        # Laid out like the whole batch: torch fills masks in the order of memory.
        layout = (0, *sorted(range(1, batch.ndim), key=batch.stride, reverse=True))
        ones = torch.empty_permuted(
            (self.whole.size, *batch.shape[1:]), layout, dtype=batch.dtype, device=batch.device
        ).fill_(1)
        kept: Tensor = self.kind.forward(self, ones)[rows]
        return batch * kept
