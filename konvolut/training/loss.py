"""What a net is trained to make small: the loss of its logits, and with a smaller weight that of its auxiliary heads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from konvolut.errors import RunError
from konvolut.nets.arch import Network

AUXILIARY = 0.3  # of a head whose table says nothing; Szegedy et al. 2014, section 5


@dataclass(frozen=True, slots=True, eq=False)
class Blend:
    """What else is in blended pictures: the loss is `share` of that for a picture's own label, the rest for this one."""

    labels: Int64[Tensor, "n"]  # of the partners
    share: Float[Tensor, "n"]  # of the picture itself


def answers(gives: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The logits that a net gives, and those of its auxiliary heads: a tensor, or a tuple that begins with the logits.

    Raises RunError when it is neither.
    """
    if isinstance(gives, Tensor):
        return gives, ()
    if isinstance(gives, tuple | list) and gives and isinstance(gives[0], Tensor):
        return gives[0], tuple(aux for aux in gives[1:] if isinstance(aux, Tensor))
    raise RunError(
        f"the net gives a {type(gives).__name__}; a tensor of logits, or a tuple that begins with it, would do"
    )


def head_weights(net: nn.Module) -> tuple[float, ...]:
    """The weights of a net's auxiliary heads in the order of its answer; () for a module that has no table."""
    if not isinstance(net, Network):
        return ()
    return tuple(head.weight for row in net.arch.rows for head in net.arch.heads if head.after == row.name)


def losses(
    logits: Float[Tensor, "n k"],
    heads: Sequence[Float[Tensor, "n k"]],
    labels: Int64[Tensor, "n"],
    weights: Sequence[float] = (),
    smoothing: float = 0.0,
    *,
    blend: Blend | None = None,
    balance: Float[Tensor, "k"] | None = None,
) -> tuple[Tensor, Tensor]:
    """Cross-entropy of the logits in nats, and what is trained on: that plus those of the heads by their weights.

    `blend`: what else is in the pictures. `balance`: what a picture of each class counts. A head that has nothing to
    teach, because all below it is frozen, is left out.
    """

    def mean(logits: Float[Tensor, "n k"]) -> Tensor:
        if blend is None and balance is None:
            return cross_entropy(logits.float(), labels, label_smoothing=smoothing)
        rows = counted(logits, labels, smoothing, balance)
        if blend is not None:
            rows = blend.share * rows + (1 - blend.share) * counted(logits, blend.labels, smoothing, balance)
        return rows.mean()

    main = mean(logits)
    total = main
    for number, aux in enumerate(heads):
        if aux.requires_grad or not torch.is_grad_enabled():
            weight = weights[number] if number < len(weights) else AUXILIARY
            total = total + weight * mean(aux)
    return main, total


def counted(
    logits: Float[Tensor, "n k"], labels: Int64[Tensor, "n"], smoothing: float, balance: Float[Tensor, "k"] | None
) -> Float[Tensor, "n"]:
    """Cross-entropy of each picture, times what its class counts.

    The mean over pictures, not over weights as torch's own: so the parts of a batch add up to that of the whole.
    """
    rows = cross_entropy(logits.float(), labels, label_smoothing=smoothing, reduction="none")
    return rows if balance is None else rows * balance[labels]
