"""Which numbers of a net are trained how."""

from typing import Any

import torch
from torch import nn

from konvolut.training.recipe import Recipe


def optimizer(net: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimizer over the net's parameters, its update fused into one pass."""
    sets = groups(net, recipe.decay)
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(sets, lr=recipe.lr, betas=(recipe.momentum, 0.999), fused=True)
    return torch.optim.SGD(sets, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.momentum > 0, fused=True)


def groups(net: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Weights (2 axes and more) decay; biases and norm scales do not."""
    weights = [p for p in net.parameters() if p.ndim > 1]
    others = [p for p in net.parameters() if p.ndim <= 1]
    sets = [{"params": weights, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
    return [s for s in sets if s["params"]]
