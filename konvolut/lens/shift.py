"""The same picture a few pixels aside: what the answer and the maps make of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from konvolut.images.batches import normalise, unit
from konvolut.images.preprocess import InputSpec
from konvolut.nets.features import evaluating, logits_of, tapped
from konvolut.types import Picture

REACH = 3  # px either way


@dataclass(frozen=True, slots=True)
class Shifted:
    """One picture, moved right by dx px and down by dy px."""

    dx: int
    dy: int
    probability: float  # of the class that was asked about
    moved: dict[str, float]  # row -> |its output - that of the picture in place| / |that of the picture in place|


def shifted(picture: Picture, dx: int, dy: int) -> Picture:
    """The picture moved right by dx px and down by dy px; its border pixels are repeated into what comes free."""
    height, width = picture.shape[:2]
    down = np.clip(np.arange(height) - dy, 0, height - 1)
    along = np.clip(np.arange(width) - dx, 0, width - 1)
    return picture[down][:, along]


def shifts(
    net: nn.Module, picture: Picture, spec: InputSpec, label: int, at: Sequence[str] = (), reach: int = REACH
) -> list[Shifted]:
    """The picture, already of the net's size, moved by -reach..reach px along each axis; the one in place comes once.

    In evaluation mode. Raises ArchError, with the nearest, for an unknown row in `at`.
    """
    aside = [step for step in range(-reach, reach + 1) if step]
    moves = [(0, 0), *((step, 0) for step in aside), *((0, step) for step in aside)]
    batch = normalise(unit(np.stack([shifted(picture, dx, dy) for dx, dy in moves])), spec)
    with evaluating(net), tapped(net, at) as held, torch.no_grad():
        sure = logits_of(net(batch)).softmax(1)[:, label].tolist()
    change = {}
    for name, gives in held.items():
        flat = gives.flatten(1).double()
        still = flat[0].norm()
        change[name] = ((flat - flat[0]).norm(dim=1) / still if still > 0 else flat.norm(dim=1)).tolist()
    found = [
        Shifted(dx, dy, sure[i], {name: values[i] for name, values in change.items()})
        for i, (dx, dy) in enumerate(moves)
    ]
    return sorted(found, key=lambda one: (one.dy, one.dx))
