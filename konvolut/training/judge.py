"""How right a run, or any net that knows its classes, is on a split."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from konvolut.errors import DataError
from konvolut.images.batches import hold
from konvolut.images.imageset import ImageSet, Split
from konvolut.images.preprocess import InputSpec
from konvolut.training.device import usable
from konvolut.training.evaluate import evaluate
from konvolut.training.known import Known, of_run
from konvolut.training.metrics import Evaluation
from konvolut.training.run import Run
from konvolut.types import Pictures


def answers(
    net: nn.Module, split: Split, pictures: Pictures, spec: InputSpec, classes: tuple[str, ...], role: str,
    device: str = "cpu",
) -> Evaluation:  # fmt: skip
    """`evaluate` with what a split already knows."""
    return evaluate(
        net, pictures, spec, split=role, classes=classes, names=split.names, labels=split.labels, device=device
    )


def result(found: Evaluation) -> dict[str, Any]:
    return {
        "accuracy": found.accuracy,
        "interval": list(found.interval),
        "n": len(found.labels),
        "loss": found.tally.loss,
    }


def stalled(accuracies: Sequence[float], patience: int) -> bool:
    """Have the last `patience` epochs brought no gain on validation? A `patience` of 0 waits for ever.

    >>> stalled([0.5, 0.7, 0.7, 0.6], 2), stalled([0.5, 0.7, 0.7, 0.6], 3), stalled([0.7, 0.6], 0)
    (True, False, False)
    """
    return 0 < patience < len(accuracies) and max(accuracies[-patience:]) <= max(accuracies[:-patience])


def evaluate_run(run: Run | Known, images: ImageSet, role: str = "test", device: str = "cpu") -> Evaluation:
    """Answers on a split of any set whose classes the run knows, matched by name.

    Raises DataError when the set has no such split, or a class that the run does not know.
    """
    if role not in images.splits:
        raise DataError(f"{images.where}: no split {role!r}; it has {', '.join(images.splits)}")
    split, found = images.splits[role], of_run(run) if isinstance(run, Run) else run
    strange = [name for name in images.classes if name not in found.classes]
    if strange:
        some = ", ".join(found.classes[:20]) + (", ..." if len(found.classes) > 20 else "")
        raise DataError(f"{images.where}: the run knows no class {strange[0]!r}; it knows {some}")
    places = torch.tensor([found.classes.index(name) for name in images.classes])
    split = replace(split, labels=places[torch.from_numpy(split.labels)].numpy())
    net = found.net.to(usable(device))
    return answers(net, split, hold(split, found.spec), found.spec, found.classes, role, device)
