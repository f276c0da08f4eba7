"""What is read off a net or a training: the measures that several studies share."""

from collections.abc import Sequence
from math import log2
from statistics import fmean, stdev

import numpy as np
import torch
from torch import Tensor, nn

from konvolut.errors import RunError
from konvolut.images.batches import in_order
from konvolut.lab.material import Material
from konvolut.nets.features import tapped
from konvolut.training.evaluate import logits
from konvolut.training.loop import Epoch, Step, Training

DIVERGED = 1e3  # nats: the loss of a training whose loss is no number, worse than any that is


def accuracies(net: nn.Module, held: Material) -> dict[str, float]:
    """Accuracy on the training and on the validation pictures, both in evaluation mode, and how far they lie apart."""
    train = float((logits(net, held.train, held.spec).argmax(1) == held.train_labels).mean())
    val = validation(net, held)
    return {"train": train, "val": val, "gap": train - val}


def validation(net: nn.Module, held: Material) -> float:
    """Accuracy on the validation pictures."""
    return float((logits(net, held.val, held.spec).argmax(1) == held.val_labels).mean())


def finished(course: Training) -> nn.Module | None:
    """The net after its last epoch, in evaluation mode; None where its loss ceased to be a number on the way."""
    try:
        for _ in course:
            pass
    except RunError:
        return None
    net: nn.Module = course.net.eval()
    return net


def steps_to(course: Training, accuracy: float, window: int = 8) -> int:
    """Steps until the accuracy on the training pictures, over `window` steps, is `accuracy`; all steps where it never is,
    or where the loss ceases to be a number.
    """
    seen: list[float] = []
    try:
        for event in course.events():
            if isinstance(event, Step):
                seen.append(event.tally.accuracy)
                if len(seen) >= window and fmean(seen[-window:]) >= accuracy:
                    return len(seen)
    except RunError:
        pass
    return steps_of(course)


def steps_to_val(course: Training, held: Material, accuracy: float, every: int) -> int:
    """Steps until validation, held every so many steps, finds `accuracy`; all steps where it never does, or where the loss
    ceases to be a number.
    """
    try:
        for event in course.events():
            if isinstance(event, Step) and (event.number + 1) % every == 0 and validation(course.net, held) >= accuracy:
                return event.number + 1
    except RunError:
        pass
    return steps_of(course)


def doublings(course: Training, steps: int) -> dict[str, float]:
    """Doublings of a step (log2), and whether that is all steps of the training: then the mark may lie beyond."""
    return {"doublings": log2(steps), "doublings capped": float(steps >= steps_of(course))}


def steps_of(course: Training) -> int:
    """All the steps of a training."""
    return course.recipe.epochs * len(course.batches)


def losses(course: Training, window: int = 16) -> tuple[float, float]:
    """Mean training loss (nats) of the first and of the last `window` steps; DIVERGED where it ceased to be a number."""
    seen: list[float] = []
    try:
        for event in course.events():
            if not isinstance(event, Epoch):
                seen.append(event.tally.loss)
    except RunError:
        return fmean(seen[:window]) if seen else DIVERGED, DIVERGED
    return fmean(seen[:window]), fmean(seen[-window:])


def first(held: Material, n: int) -> tuple[Tensor, Tensor]:
    """The first `n` training pictures as the net takes them, and their labels."""
    batch = torch.cat(list(in_order(held.train[:n], held.spec)))
    return batch, torch.from_numpy(np.ascontiguousarray(held.train_labels[:n], dtype=np.int64))


@torch.no_grad()
def spreads(net: nn.Module, batch: Tensor, at: Sequence[str]) -> dict[str, float]:
    """Standard deviation, over pictures and units, of what each row `at` gives; the net passes in the mode it is in."""
    with tapped(net, at) as held:
        net(batch)
    return {name: float(held[name].std()) for name in at}


def slope(values: Sequence[float]) -> float:
    """Least-squares rise of `values` from one to the next."""
    return float(np.polyfit(range(len(values)), values, 1)[0])


def drift(values: Sequence[float]) -> float:
    """How far `values` move about: their standard deviation over their mean."""
    return stdev(values) / fmean(values)
