"""Plain and residual nets of one family at several depths: the measure that the studies of depth share.

A measurement is stored under the function that made it, so R1, R4 and R9 train each net once.
"""

from collections.abc import Mapping
from dataclasses import replace
from math import isfinite
from statistics import fmean

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from konvolut.errors import RunError
from konvolut.lab.gauges import DIVERGED, accuracies, doublings, steps_of
from konvolut.lab.material import Material, asked, training
from konvolut.lab.study import Ask
from konvolut.language import later
from konvolut.nets.arch import Arch
from konvolut.nets.resnet import resnet_cifar
from konvolut.training.evaluate import logits
from konvolut.training.loop import Step
from konvolut.training.recipe import Recipe

DEPTHS = (8, 14, 20, 32, 44)  # 6n + 2 layers, n = 1, 2, 3, 5, 7
KINDS = {"plain": "none", "residual": "A"}  # kind -> its shortcut; A learns nothing: as many weights in both
WIDTHS = (8, 16, 32)  # half of the paper's, on maps of 14, 7 and 4 px
RATES = (0.03, 0.1, 0.3)
RECIPE = Recipe(epochs=8, batch=64, precision="fp32")
PX, PICTURES = 14, 1000
TARGET = 0.75  # accuracy on the training pictures: the mark of A15, an error of 25 %
WINDOW = 8  # steps over which it is averaged

FIXED = later(
    "He's CIFAR nets of widths 8, 16 and 32 with batch norm, 1,000 digits at 14 px, batch 64, 8 epochs (128 steps) for every "
    "depth, three learning rates an arm; shortcuts without weights, so both kinds have equally many; R1, R4 and R9 share "
    "their trainings"
)
UNIT: Mapping[str, str] = {
    "loss": "cross-entropy on the training pictures after the last step, in evaluation mode, nats",
    "train": "accuracy on the training pictures after the last step, in evaluation mode",
    "val": "accuracy on 500 validation pictures",
    "doublings": "log2 of the steps until the training error is down to 25 %; of all 128 where it never is",
}
COST = 4.4  # seconds of one measurement, on average over the depths


def arms(*kinds: str) -> tuple[str, ...]:
    """The nets of these kinds, from the shallowest: "plain 8", "plain 14", ..."""
    return tuple(f"{kind} {depth}" for kind in kinds for depth in DEPTHS)


def rates(*kinds: str) -> dict[str, tuple[float, ...]]:
    """The learning rates of each arm: the same three for all, so that studies share what was measured."""
    return dict.fromkeys(arms(*kinds), RATES)


def table(arm: str) -> Arch:
    """The net of "plain 20" or "residual 20"."""
    kind, depth = arm.split(" ")
    return resnet_cifar(int(depth), shortcut=KINDS[kind], widths=WIDTHS, input=(1, PX, PX))


def measure(ask: Ask) -> Mapping[str, float]:
    """What a net of some depth comes to in a set number of steps; a training that diverges has the worst of all values."""
    held = asked(ask, PX, PICTURES)
    course = training(table(ask.arm), held, replace(RECIPE, lr=ask.rate or RECIPE.lr), ask.seed)
    seen: list[float] = []  # accuracy of each step's pictures
    try:
        seen += [event.tally.accuracy for event in course.events() if isinstance(event, Step)]
    except RunError:
        return {"loss": DIVERGED, "train": 0.0, "val": 0.0, **doublings(course, steps_of(course))}
    found = accuracies(course.net, held)
    return {
        "loss": loss(course.net, held),
        "train": found["train"],
        "val": found["val"],
        **doublings(course, reached(seen)),
    }


def loss(net: nn.Module, held: Material) -> float:
    """Mean cross-entropy (nats) on the training pictures, in evaluation mode; at most DIVERGED."""
    found = float(cross_entropy(torch.from_numpy(logits(net, held.train, held.spec)), torch.tensor(held.train_labels)))
    return min(found, DIVERGED) if isfinite(found) else DIVERGED


def reached(seen: list[float]) -> int:
    """Steps until accuracy, over WINDOW steps, is TARGET; all of them where it never is."""
    for steps in range(WINDOW, len(seen) + 1):
        if fmean(seen[steps - WINDOW : steps]) >= TARGET:
            return steps
    return len(seen)
