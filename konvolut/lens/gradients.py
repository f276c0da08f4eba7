"""How large activations and gradients are, row by row."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from konvolut.nets.features import blocks, logits_of, part, tapped


@dataclass(frozen=True, slots=True)
class RowNorm:
    """Euclidean norms at one row."""

    name: str
    activation: float  # of what it gives for one picture; the mean over pictures
    gradient: float  # of a picture's cross-entropy (nats) by what the row gives for it; the mean over pictures
    weight_gradient: float | None  # of the mean cross-entropy by all that the row learns; None: it learns nothing


def norms(
    net: nn.Module, batch: Float[Tensor, "n c h w"], labels: Int64[Tensor, "n"], at: Sequence[str] | None = None
) -> list[RowNorm]:
    """The norms at the rows called `at`, or at every row, stages opened into their blocks; in the order of passing.

    The net passes in the mode it is in. Its gradients are left alone, and so are its running statistics. In training
    mode batch norm ties pictures together, and the gradient by one picture's output is then that of the whole batch's
    summed loss. Raises ArchError, with the nearest, for an unknown row; a row that no picture passes is left out.
    """
    names = list(at if at is not None else blocks(net))
    statistics = {name: buffer.clone() for name, buffer in net.named_buffers()}
    with tapped(net, names) as held, torch.enable_grad():
        logits = logits_of(functional_call(net, statistics, (batch.detach().requires_grad_(),)))
        loss = cross_entropy(logits, labels)
        learnt = {name: [p for p in part(net, name).parameters() if p.requires_grad] for name in held}
        weights = list(dict.fromkeys(p for row in learnt.values() for p in row))  # a block's are its row's too
        slopes = torch.autograd.grad(loss, [*held.values(), *weights], allow_unused=True)  # one pass back for all
    by_map, by_weight = slopes[: len(held)], dict(zip(weights, slopes[len(held) :], strict=True))
    n = len(labels)  # the mean loss holds each picture's own n times over
    return [
        RowNorm(
            name,
            _per_picture(gives.detach()),
            0.0 if slope is None else n * _per_picture(slope),
            _together([by_weight[p] for p in learnt[name]]) if learnt[name] else None,
        )
        for (name, gives), slope in zip(held.items(), by_map, strict=True)
    ]


def _per_picture(values: Float[Tensor, "n ..."]) -> float:
    return float(values.flatten(1).double().norm(dim=1).mean())


def _together(slopes: Sequence[Tensor | None]) -> float:
    squares = [float(slope.double().square().sum()) for slope in slopes if slope is not None]
    return float(sum(squares) ** 0.5)
