"""A10: max pooling gives larger values, so nets learn faster than with average pooling (S13)."""

from collections.abc import Mapping
from dataclasses import replace
from math import log2

from konvolut.blocks.basic import AvgPool, Conv, Dense, MaxPool
from konvolut.blocks.spec import Row, Spec
from konvolut.lab.gauges import doublings, first, steps_to_val
from konvolut.lab.material import asked, training
from konvolut.lab.study import Ask, Claim, Contrast, Trained
from konvolut.language import later
from konvolut.lens.gradients import norms
from konvolut.nets.arch import Arch
from konvolut.training.recipe import Recipe

CLAIM = Claim(
    id="A10",
    sentence="S13",
    text=later("Max pooling gives larger values and gradients than average pooling, so a net learns faster."),
    expected="conditional",
    why=later(
        "The largest of a window is no less than its mean, and passes a gradient of norm 1 where the mean of a k x k "
        "window passes 1/k; a larger learning rate can make up for both."
    ),
)
POOLS: Mapping[str, Spec] = {"max": MaxPool(2, 2), "average": AvgPool(2, 2)}
RATES = {"max": (0.001, 0.003, 0.01, 0.03), "average": (0.01, 0.03, 0.1, 0.3)}  # as many tries each, about its best
RATE = 0.01  # of the two arms at one fixed rate: AlexNet's first (Krizhevsky et al. 2012, section 5)
RECIPE = Recipe(epochs=4, batch=32, schedule="flat", warmup=0.0, decay=0.0, precision="fp32")
ACCURACY = 0.8  # of the validation pictures: the mark
EVERY = 2  # steps between two looks at it
BATCH = 256  # pictures whose norms are taken before the first step


def net(pool: str) -> Arch:
    """Two convolutions, each followed by a pool over 2x2 windows that do not overlap, and a dense layer; at 14 px."""
    rows = []
    for group, width in enumerate((8, 16), start=1):
        rows += [Row(f"conv{group}", Conv(width, 3, p=1)), Row(f"pool{group}", POOLS[pool])]
    return Arch(f"{pool} pools", "this study", (1, 14, 14), (*rows, Row("fc", Dense(10, act="none"))))


def measure(ask: Ask) -> Mapping[str, float]:
    """Norms before the first step, and doublings of a step (log2) until validation finds the mark.

    `activation` is of what the last pool gives for a picture, `gradient` of the mean loss by the first convolution's
    weights: what the arms start from is the same but for the pools.
    """
    held = asked(ask, 14, 2000)
    pool = ask.arm.split(" ")[0]
    course = training(net(pool), held, replace(RECIPE, lr=ask.rate or RATE), ask.seed)
    at = {norm.name: norm for norm in norms(course.net, *first(held, BATCH), at=("conv1", "pool2"))}
    slope = at["conv1"].weight_gradient
    assert slope is not None, "a convolution learns its weights"
    return {
        "activation": log2(at["pool2"].activation),
        "gradient": log2(slope),
        **doublings(course, steps_to_val(course, held, ACCURACY, EVERY)),
    }


def slower(rates: str, arm: str) -> Contrast:
    return Contrast(
        about=f"steps, {rates}",
        value="doublings",
        more=f"average{arm}",
        less=f"max{arm}",
        least=log2(1.1),  # a tenth more steps
    )


STUDY = Trained(
    claim=CLAIM,
    arms=("max fixed", "average fixed", "max", "average"),
    measure=measure,
    rates=RATES,
    best=("doublings", "least"),
    contrasts=(
        Contrast(about="values", value="activation", more="max fixed", less="average fixed", least=log2(1.1)),
        Contrast(about="gradients", value="gradient", more="max fixed", less="average fixed", least=log2(1.1)),
        slower(f"both at a rate of {RATE:g}", " fixed"),
        slower("each at its best rate", ""),
    ),
    fixed=later(
        "two convolutions of 8 and 16 maps, each followed by a pool over 2x2 windows, a dense layer, 2,000 digits at 14 px, "
        "batch 32, SGD with momentum 0.9, no decay, one learning rate for both or the best of four for each, 500 "
        "validation pictures looked at every second step; the best rate is the quickest on these same seeds"
    ),
    seeds=10,
    cost=0.4,
    unit={
        "activation": "log2 of the norm of what the last pool gives before training",
        "gradient": "log2 of the norm of the loss's gradient by the first convolution before training",
        "doublings": "log2 of the steps until 80 % of the validation pictures are right",
    },
)
