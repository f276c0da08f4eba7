"""What a net is trained to make small: the loss of its logits, and with a smaller weight that of its auxiliary heads."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from konvolut.errors import RunError
from konvolut.nets.arch import Network

AUXILIARY = 0.3  # of a head whose table says nothing; Szegedy et al. 2014, section 5


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
) -> tuple[Tensor, Tensor]:
    """Cross-entropy of the logits in nats, and what is trained on: that plus those of the heads by their weights.

    A head that has nothing to teach, because all below it is frozen, is left out.
    """
    main = cross_entropy(logits.float(), labels, label_smoothing=smoothing)
    total = main
    for number, aux in enumerate(heads):
        if aux.requires_grad or not torch.is_grad_enabled():
            weight = weights[number] if number < len(weights) else AUXILIARY
            total = total + weight * cross_entropy(aux.float(), labels, label_smoothing=smoothing)
    return main, total
