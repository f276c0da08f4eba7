"""V2: at the same compute, stacked 3x3 convolutions are better than one 5x5 (S20)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from konvolut.blocks.basic import Conv, Dense, MaxPool
from konvolut.blocks.spec import Row
from konvolut.lab.gauges import finished, validation
from konvolut.lab.material import asked, training
from konvolut.lab.study import Ask, Claim, Contrast, Trained
from konvolut.language import later
from konvolut.nets.arch import Arch
from konvolut.nets.variants import with_norm
from konvolut.training.recipe import Recipe

CLAIM = Claim(
    id="V2",
    sentence="S20",
    text=later("At the same compute, a stack of 3x3 convolutions is better than one 5x5 convolution."),
    expected="conditional",
    why=later(
        "Over the same field the stack has one ReLU more and costs less; at the same compute little is left of that in a "
        "small net."
    ),
)


class Stack(NamedTuple):
    """What fills each of the three stages."""

    width: int  # maps, of the stem too
    kernels: tuple[int, ...]  # px
    between: str = "relu"  # the activation between the convolutions of a stage; behind the last it is ReLU
    norm: str = "none"


# A stage has width^2 times the sum of k^2 weights, and works each of them once a pixel: 25 C^2 in one 5x5, 18 C^2 in two
# 3x3 and 27 C^2 in three; two 3x3 that are sqrt(25 / 18) times wider have 25 C^2 again.
C, WIDE = 12, 14
STACKS: Mapping[str, Stack] = {
    "5x5": Stack(C, (5,)),
    "two 3x3": Stack(C, (3, 3)),
    "three 3x3": Stack(C, (3, 3, 3)),
    "two wide 3x3": Stack(WIDE, (3, 3)),
    "two wide 3x3, linear": Stack(WIDE, (3, 3), between="none"),
    "5x5 +bn": Stack(C, (5,), norm="bn"),
    "two wide 3x3 +bn": Stack(WIDE, (3, 3), norm="bn"),
}
RATES = (0.1, 0.2, 0.4)
RECIPE = Recipe(epochs=10, batch=50, clip=1.0, precision="fp32")


def net(arm: str) -> Arch:
    """A 3x3 stem, three stages with a pool between, and a dense layer on the 3x3 map; at 14 px."""
    stack = STACKS[arm]
    rows = [Row("stem", Conv(stack.width, 3, p=1))]
    for stage in (1, 2, 3):
        for number, k in enumerate(stack.kernels, start=1):
            act = "relu" if number == len(stack.kernels) else stack.between
            rows.append(Row(f"conv{stage}_{number}", Conv(stack.width, k, p=k // 2, act=act)))
        rows += [Row(f"pool{stage}", MaxPool(2, 2))] if stage < 3 else []
    arch = Arch("three-stages", "this study", (1, 14, 14), (*rows, Row("fc", Dense(10, act="none"))))
    return arch if stack.norm == "none" else with_norm(arch, stack.norm)


def measure(ask: Ask) -> Mapping[str, float]:
    """Accuracy on the validation pictures after the last epoch; 0 where the training diverged."""
    held = asked(ask, 14, 1000, val=800)
    recipe = replace(RECIPE, lr=ask.rate)
    done = finished(training(net(ask.arm), held, recipe, ask.seed))
    return {"val": validation(done, held) if done else 0.0}


STUDY = Trained(
    claim=CLAIM,
    arms=tuple(STACKS),
    measure=measure,
    rates=dict.fromkeys(STACKS, RATES),
    best=("val", "most"),
    contrasts=tuple(
        Contrast(about=about, value="val", more=more, less=less, least=0.01)
        for about, more, less in (
            ("the same field, less compute", "two 3x3", "5x5"),
            ("8 % more compute, by depth", "three 3x3", "5x5"),
            ("the same compute and weights, by width", "two wide 3x3", "5x5"),
            ("the same, without ReLU between the two", "two wide 3x3, linear", "5x5"),
            ("the same, with batch norm", "two wide 3x3 +bn", "5x5 +bn"),
        )
    ),
    fixed=later(
        "a 3x3 stem, three stages of one width with pools between, a dense layer, 1,000 digits at 14 px, 10 epochs, "
        "batch 50; three learning rates an arm, of which each keeps its best on the 800 validation pictures"
    ),
    cost=2.2,
    unit={"val": "share of the validation pictures that are right"},
)
