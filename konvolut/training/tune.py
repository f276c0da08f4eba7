"""The classifier of a pretrained net, fitted on the trunk's features: each picture passes the trunk once, unaugmented.

The fit is multinomial logistic regression with a penalty, by L-BFGS: it has no learning rate. The penalty is the one, of
a few, that answers most of the validation pictures right, as in Kornblith et al. 2019.
"""

from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from konvolut.errors import RecipeError, RunError
from konvolut.images.batches import in_order
from konvolut.images.preprocess import InputSpec
from konvolut.nets.features import evaluating
from konvolut.training.loss import answers
from konvolut.training.trunk import classifier_name, tail
from konvolut.types import Pictures

PENALTIES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)  # of half the squared weights, beside a mean loss in nats; strongest first
MIDDLE = 1e-3  # where there are no validation pictures to choose by
STEPS = 100  # of L-BFGS for each penalty, each from where the one before ended


def trunk_features(net: nn.Module, pictures: Pictures, spec: InputSpec, device: str = "cpu") -> Float[Tensor, "n ..."]:
    """What the classifier of `net` takes for each picture, in evaluation mode: (n, h, w, c) uint8 -> (n, features).

    Raises RecipeError for a module whose logits are not what its last dense layer gives.
    """
    held: list[Tensor] = []
    last = tail(net)

    def keep(_: nn.Module, takes: Any) -> None:
        held.append(takes[0].detach().float())

    with evaluating(net), torch.no_grad():
        hook = net.get_submodule(classifier_name(net)).register_forward_pre_hook(keep)
        try:
            found = [answers(net(images.to(device)))[0] for images in in_order(pictures, spec)]
        finally:
            hook.remove()
        if len(held) != len(found) or not torch.allclose(last(held[0]), found[0], rtol=1e-3, atol=1e-3):
            raise RecipeError(
                f"head_first: the logits of {type(net).__name__} are not what its {classifier_name(net)} gives; "
                "head_first=false trains it as a whole"
            )
    return torch.cat(held)


def fit_head(
    net: nn.Module,
    train: tuple[Float[Tensor, "n ..."], Int64[Tensor, "n"]],
    val: tuple[Float[Tensor, "m ..."], Int64[Tensor, "m"]] | None = None,
) -> None:
    """Fit the classifier of `net` in place to features and labels, without dropout. Raises RunError when it diverges."""
    head = tail(net)
    weights = list(head.parameters())
    asked = [weight.requires_grad for weight in weights]
    best: tuple[float, list[Tensor]] = (-1.0, [])
    with evaluating(head):
        for weight in weights:
            weight.requires_grad_(True)
        for penalty in PENALTIES if val is not None else (MIDDLE,):
            minimise(head, weights, *train, penalty)
            with torch.no_grad():
                right = float((head(val[0]).argmax(1) == val[1]).sum()) if val is not None else 0.0
            if right > best[0]:
                best = (right, [weight.detach().clone() for weight in weights])
    for weight, value, ask in zip(weights, best[1], asked, strict=True):
        weight.requires_grad_(ask).data.copy_(value)
        weight.grad = None


def minimise(
    head: nn.Module,
    weights: list[nn.Parameter],
    takes: Float[Tensor, "n ..."],
    labels: Int64[Tensor, "n"],
    penalty: float,
) -> None:
    """Mean cross-entropy plus `penalty` times half the squared weights, biases left free, to a minimum in place."""
    search = torch.optim.LBFGS(weights, max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        search.zero_grad()
        squares = torch.stack([weight.square().sum() for weight in weights if weight.ndim > 1]).sum()
        value = cross_entropy(head(takes), labels) + penalty / 2 * squares
        value.backward()
        return value

    search.step(loss)
    if not all(bool(weight.isfinite().all()) for weight in weights):
        raise RunError(
            "the classifier's fit diverged: the trunk's features are not all finite; other --weights would work"
        )
