"""B11: batch norm shortens convergence because gradients get bigger (S41)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import log2
from statistics import fmean

import torch
from jaxtyping import Float
from torch import Tensor, nn

from konvolut.blocks.basic import Conv, Dense, MaxPool
from konvolut.blocks.init import WEIGHTED
from konvolut.blocks.spec import Row
from konvolut.lab.gauges import doublings, finished, steps_to
from konvolut.lab.material import asked, training
from konvolut.lab.study import Ask, Claim, Contrast, Trained
from konvolut.language import later
from konvolut.nets.arch import Arch
from konvolut.nets.variants import with_activation, with_norm
from konvolut.training.loop import Training
from konvolut.training.recipe import Recipe

CLAIM = Claim(
    id="B11",
    sentence="S41",
    text=later("Batch norm shortens convergence because gradients get bigger, so that each update is larger."),
    expected="conditional",
    why=later(
        "Gradients get bigger where sigmoids had made them small, not where ReLUs pass them on; and steps of the same length "
        "without batch norm do not go the same way."
    ),
)


@dataclass(frozen=True, slots=True)
class Kind:
    act: str
    init: str
    rate: float  # of all arms of this kind
    epochs: int = 4


KINDS: Mapping[str, Kind] = {
    "sigmoid, rate 0.3": Kind("sigmoid", "xavier", 0.3, epochs=10),
    "ReLU, rate 0.03": Kind("relu", "he", 0.03),
    "ReLU, rate 0.1": Kind("relu", "he", 0.1),
}
WAYS = ("plain", "bn", "scaled")  # "scaled": plain, with every layer's update made as long as with batch norm
RECIPE = Recipe(batch=50, momentum=0.0, schedule="flat", warmup=0.0, decay=0.0, precision="fp32")
ACCURACY = 0.8  # on the training pictures, over 8 steps: the mark
START = 20  # steps over which gradients are compared
LEAST = log2(1.1)  # a tenth


def net(act: str, norm: str) -> Arch:
    """Three convolutions with pools between them, and a dense layer; batch norm before every activation, or none."""
    rows = []
    for group, width in enumerate((8, 16, 32), start=1):
        rows += [Row(f"pool{group}", MaxPool(2, 2))] if group > 1 else []
        rows += [Row(f"conv{group}", Conv(width, 3, p=1))]
    arch = Arch("three convolutions", "this study", (1, 14, 14), (*rows, Row("fc", Dense(10, act="none"))))
    return with_norm(with_activation(arch, act), norm)


def layers(model: nn.Module) -> list[nn.Module]:
    return [part for part in model.modules() if isinstance(part, WEIGHTED)]


def lengths(model: nn.Module) -> Float[Tensor, "layers"]:
    """Euclidean norm of the gradient by each layer's weights, as it stands; without momentum an update is `lr` of it."""
    return torch.stack([layer.weight.grad.norm() for layer in layers(model)])  # type: ignore[union-attr, operator]


def noted(course: Training) -> list[Tensor]:
    """A list that fills with the `lengths` of every step as the training goes."""
    found: list[Tensor] = []
    course.optimizer.register_step_pre_hook(lambda *_: found.append(lengths(course.net)))
    return found


def scaled(course: Training, wanted: Iterable[Tensor]) -> None:
    """Give every layer's update, step by step, the length of the one in `wanted`; its direction stays."""
    todo, gone = iter(wanted), torch.zeros(len(layers(course.net)))  # a twin that diverged moves nobody any further

    def scale(*_: object) -> None:
        factors = next(todo, gone) / lengths(course.net).clamp_min(1e-30)
        for layer, factor in zip(layers(course.net), factors, strict=True):
            for learnt in layer.parameters():
                assert learnt.grad is not None, "a step follows a pass back"
                learnt.grad.mul_(factor)

    course.optimizer.register_step_pre_hook(scale)


def measure(ask: Ask) -> Mapping[str, float]:
    """Size of the gradient over the first steps, and doublings of a step (log2) until training accuracy is at the mark."""
    name, _, way = ask.arm.rpartition(" ")
    kind = KINDS[name]
    held = asked(ask, 14, 2000)
    recipe = replace(RECIPE, lr=kind.rate, init=kind.init, epochs=kind.epochs)
    course = training(net(kind.act, "bn" if way == "bn" else "none"), held, recipe, ask.seed)
    if way == "scaled":
        twin = training(net(kind.act, "bn"), held, recipe, ask.seed)
        wanted = noted(twin)
        finished(twin)
        scaled(course, wanted)
    seen = noted(course)
    steps = steps_to(course, ACCURACY)
    return {
        "gradient": fmean(log2(max(float(one.norm()), 1e-30)) for one in seen[:START]),
        **doublings(course, steps),
    }


def slower(name: str) -> Contrast:
    return Contrast(about=f"steps, {name}", value="doublings", more=f"{name} plain", less=f"{name} bn", least=LEAST)


def bigger(name: str) -> Contrast:
    return Contrast(about=f"gradients, {name}", value="gradient", more=f"{name} bn", less=f"{name} plain", least=LEAST)


def explained(name: str) -> Contrast:
    """What equal lengths gain over the plain net must exceed what batch norm gains beyond that."""
    plain, bn, equal = (f"{name} {way}" for way in WAYS)
    return Contrast(
        about=f"equal updates give more than half of it, {name}",
        value="doublings",
        more=plain,
        less=equal,
        beyond=(equal, bn),
        least=LEAST,
    )


GENTLE, *MEDIATED = "ReLU, rate 0.03", "sigmoid, rate 0.3", "ReLU, rate 0.1"

STUDY = Trained(
    claim=CLAIM,
    arms=(
        *(f"{name} {way}" for name in MEDIATED for way in WAYS),
        *(f"{GENTLE} {way}" for way in WAYS[:2]),
    ),
    measure=measure,
    contrasts=(
        bigger(GENTLE),
        *(contrast(name) for name in MEDIATED for contrast in (bigger, slower, explained)),
    ),
    fixed=later(
        "three convolutions and a dense layer, 2,000 digits at 14 px, batch 50, SGD without momentum or decay, at most 160 "
        "steps with ReLUs and 400 with sigmoids, one learning rate for a net with and without batch norm"
    ),
    seeds=8,
    cost=0.9,
    unit={
        "gradient": "log2 of the norm of the loss's gradient by all weights of layers, on average over the first 20 steps",
        "doublings": "log2 of the steps until 80 % of the training pictures are right; of all where they never are",
    },
)
