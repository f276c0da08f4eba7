"""B10: batch norm shortens convergence (S41)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import log2

from konvolut.blocks.basic import Conv, Dense, MaxPool
from konvolut.blocks.spec import Row
from konvolut.lab.gauges import doublings, steps_to_val
from konvolut.lab.material import asked, training
from konvolut.lab.study import Ask, Claim, Contrast, Trained
from konvolut.language import later
from konvolut.nets.arch import Arch
from konvolut.nets.lenet import lenet_d2l
from konvolut.nets.variants import with_norm
from konvolut.training.recipe import Recipe

CLAIM = Claim(
    id="B10",
    sentence="S41",
    text=later("Batch norm shortens convergence."),
    expected="supported",
    why=later(
        "Most where sigmoids or many layers hold training up; a few layers of ReLU learn quickly without it at a good rate."
    ),
)


def stack(repeat: int) -> Arch:
    """Three groups of `repeat` 3x3 convolutions with ReLUs, pools between them, and a dense layer."""
    rows = []
    for group, width in enumerate((8, 16, 32), start=1):
        rows += [Row(f"pool{group}", MaxPool(2, 2))] if group > 1 else []
        rows += [Row(f"conv{group}_{i}", Conv(width, 3, p=1)) for i in range(1, repeat + 1)]
    return Arch(f"stack-{3 * repeat}", "this study", (1, 14, 14), (*rows, Row("fc", Dense(10, act="none"))))


@dataclass(frozen=True, slots=True)
class Kind:
    """A net without batch norm, and how both it and its edition with batch norm train."""

    net: Arch
    px: int
    recipe: Recipe
    rates: Mapping[str, tuple[float, ...]]


SGD = Recipe(epochs=4, batch=50, schedule="flat", warmup=0.0, decay=0.0, precision="fp32")
KINDS: Mapping[str, Kind] = {
    "sigmoid LeNet": Kind(  # SGD leaves it where it began for longer than a study can wait
        lenet_d2l(),
        28,
        replace(SGD, epochs=8, optimizer="adamw", init="xavier"),
        {"plain": (0.002, 0.005, 0.01, 0.02), "bn": (0.003, 0.01, 0.03, 0.1)},
    ),
    "ReLU, 3 convolutions": Kind(stack(1), 14, SGD, {"plain": (0.003, 0.01, 0.03, 0.1), "bn": (0.01, 0.03, 0.1, 0.3)}),
    "ReLU, 12 convolutions": Kind(
        stack(4), 14, SGD, {"plain": (0.001, 0.003, 0.01, 0.03), "bn": (0.003, 0.01, 0.03, 0.1)}
    ),
}
ACCURACY = 0.8  # of the validation pictures: the mark
EVERY = 5  # steps between two looks at it


def net(kind: str, norm: str) -> Arch:
    """The net with batch norm before every hidden activation, that of dense layers too, or without."""
    return with_norm(KINDS[kind].net, "bn", dense=True) if norm == "bn" else KINDS[kind].net


def measure(ask: Ask) -> Mapping[str, float]:
    """Doublings of a step (log2) until validation, with running statistics, finds the mark; of all where it never does."""
    kind, _, norm = ask.arm.rpartition(" ")
    how = KINDS[kind]
    held = asked(ask, how.px, 1500, val=200)
    recipe = replace(how.recipe, lr=ask.rate)
    course = training(net(kind, norm), held, recipe, ask.seed)
    return doublings(course, steps_to_val(course, held, ACCURACY, EVERY))


STUDY = Trained(
    claim=CLAIM,
    arms=tuple(f"{kind} {norm}" for kind in KINDS for norm in ("plain", "bn")),
    measure=measure,
    rates={f"{kind} {norm}": rates for kind, how in KINDS.items() for norm, rates in how.rates.items()},
    best=("doublings", "least"),
    contrasts=tuple(
        Contrast(about=kind, value="doublings", more=f"{kind} plain", less=f"{kind} bn", least=log2(1.1))
        for kind in KINDS
    ),
    fixed=later(
        "1,500 digits, batch 50, no decay, four learning rates an arm; LeNet with sigmoids at 28 px, AdamW, at most 240 steps; "
        "3 or 12 convolutions with ReLUs at 14 px, SGD with momentum 0.9, at most 120; 200 validation pictures looked at "
        "every fifth step; the best rate is the quickest on these same seeds"
    ),
    cost=0.7,
    unit={
        "doublings": "log2 of the steps until 80 % of the validation pictures are right; of all where they never are"
    },
    advice={"supported": "--net NAME+bn"},
)
