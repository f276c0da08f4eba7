"""Which numbers of a net are trained how."""

from typing import Any

import torch
from torch import nn

from konvolut.training.recipe import Recipe
from konvolut.training.trunk import head_parameters


def optimizer(net: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimizer over the net's parameters, its update fused into one pass."""
    sets = groups(net, recipe.decay, recipe.trunk)
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(sets, lr=recipe.lr, betas=(recipe.momentum, 0.999), fused=True)
    return torch.optim.SGD(sets, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.momentum > 0, fused=True)


def groups(net: nn.Module, decay: float, trunk: float = 1.0) -> list[dict[str, Any]]:
    """Weights (2 axes and more) decay; biases and norm scales do not; what is frozen is left out.

    `rate` is what a group's learning rate is multiplied by: `trunk` for all but the classifier.
    """
    learns = [weight for weight in net.parameters() if weight.requires_grad]
    head = {id(weight) for weight in (head_parameters(net) if trunk != 1 else learns)}
    sets = [
        {
            "params": [w for w in learns if (w.ndim > 1) == decays and (id(w) in head) == full],
            "weight_decay": decay * decays,
            "rate": 1.0 if full else trunk,
        }
        for full in (True, False)
        for decays in (True, False)
    ]
    return [s for s in sets if s["params"]]
