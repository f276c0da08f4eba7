"""B1: gradients are large at the top of a net and small at its bottom (S31)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import log10

from konvolut.blocks.basic import Conv, Dense
from konvolut.blocks.residual import Basic, Stage
from konvolut.blocks.spec import Row
from konvolut.lab.gauges import first, slope
from konvolut.lab.material import asked, training
from konvolut.lab.study import Ask, Claim, Contrast, Trained
from konvolut.language import later
from konvolut.lens.gradients import norms
from konvolut.nets.arch import Arch
from konvolut.training.recipe import Recipe

CLAIM = Claim(
    id="B1",
    sentence="S31",
    text=later("Gradients are large at the top of a net and small at its bottom."),
    expected="conditional",
    why=later(
        "On its way down a gradient is multiplied once a layer: by less than 1 where a sigmoid follows or weights are too "
        "small, by about 1 with ReLU and He's weights, by more than 1 through batch norm and ReLU."
    ),
)


@dataclass(frozen=True, slots=True)
class Kind:
    """What the convolutions of an arm are."""

    act: str
    init: str = "xavier"
    norm: str = "none"
    shortcuts: bool = False  # past every second convolution


KINDS: Mapping[str, Kind] = {  # as wide in as out, Xavier's and He's weights differ before a ReLU only
    "sigmoid": Kind("sigmoid"),
    "tanh": Kind("tanh"),
    "relu xavier": Kind("relu"),
    "relu he": Kind("relu", "he"),
    "relu gaussian": Kind("relu", "gaussian"),
    "sigmoid bn": Kind("sigmoid", norm="bn"),
    "tanh bn": Kind("tanh", norm="bn"),
    "relu bn": Kind("relu", "he", "bn"),
    "relu shortcuts": Kind("relu", "he", shortcuts=True),
    "relu bn shortcuts": Kind("relu", "he", "bn", shortcuts=True),
}
DEPTHS = (4, 8, 16)  # convolutions, all of one width on maps of one size, so that their norms compare
DEEPEST = DEPTHS[-1]
WIDTH, PX = 16, 14
BATCH = 64  # pictures the norms are taken over
RECIPE = Recipe(batch=BATCH, precision="fp32")


def net(kind: Kind, depth: int) -> Arch:
    """A first convolution, `depth` alike that are looked at, and a dense layer; the convolutions have no biases."""
    block = Basic(WIDTH, act=kind.act, norm=kind.norm)
    one = Conv(WIDTH, 3, p=1, act=kind.act, norm=kind.norm, bias=False)
    rows = (
        [Row("column", Stage(depth // 2, block))]
        if kind.shortcuts
        else [Row(f"conv{number}", one) for number in range(1, depth + 1)]
    )
    return Arch(
        f"column-{depth}", "this study", (1, PX, PX), (Row("stem", one), *rows, Row("fc", Dense(10, act="none")))
    )


def layers(kind: Kind, depth: int) -> list[str]:
    """The parts of `net` that are looked at, from the bottom up: each convolution with its norm and activation."""
    if kind.shortcuts:
        return [f"column.{block}.body.{half}" for block in range(depth // 2) for half in (0, 1)]
    return [f"conv{number}" for number in range(1, depth + 1)]


def measure(ask: Ask) -> Mapping[str, float]:
    """How the norm of the gradient before the first step rises from layer to layer: by a convolution's weights, and by
    what its activation gives. In training mode, where batch norm takes the batch's own statistics.
    """
    name, _, depth = ask.arm.rpartition(" ")
    kind = KINDS[name]
    held = asked(ask, PX, 2000)
    recipe = replace(RECIPE, init=kind.init, batch=min(BATCH, len(held.train)))
    model = training(net(kind, int(depth)), held, recipe, ask.seed).net.train()
    rows = layers(kind, int(depth))
    at = {one.name: one for one in norms(model, *first(held, BATCH), [*rows, *(f"{row}.conv" for row in rows)])}
    weights = [log10(at[f"{row}.conv"].weight_gradient or TINY) for row in rows]
    maps = [log10(at[row].gradient or TINY) for row in rows]
    return {"weights": 10 * slope(weights), "maps": 10 * slope(maps), "apart": weights[-1] - weights[0]}


TINY = 1e-45  # the smallest number that fp32 holds: below it a gradient is 0
LEAST = log10(2)  # a factor of 2 in ten layers


def rises(name: str, value: str, about: str) -> Contrast:
    return Contrast(about=about, value=value, more=f"{name} {DEEPEST}", least=LEAST)


STUDY = Trained(
    claim=CLAIM,
    arms=tuple(f"{name} {depth}" for name in KINDS for depth in DEPTHS),
    measure=measure,
    contrasts=(
        rises("sigmoid", "weights", "sigmoid"),
        rises("tanh", "weights", "tanh"),
        rises("relu he", "weights", "ReLU, He's weights"),
        rises("relu shortcuts", "weights", "ReLU, He's weights, shortcuts"),
        rises("sigmoid bn", "weights", "sigmoid, batch norm"),
        rises("relu bn", "weights", "ReLU, batch norm"),
        rises("relu bn shortcuts", "weights", "ReLU, batch norm, shortcuts"),
        rises("sigmoid", "maps", "by maps, sigmoid"),
        rises("relu xavier", "maps", "by maps, ReLU, Xavier's weights"),
        rises("relu he", "maps", "by maps, ReLU, He's weights"),
        Contrast(
            about=f"sigmoid, what lies between top and bottom: {DEEPEST} layers over {DEPTHS[0]}",
            value="apart",
            more=f"sigmoid {DEEPEST}",
            less=f"sigmoid {DEPTHS[0]}",
            least=LEAST,
        ),
    ),
    fixed=later(
        "4, 8 or 16 convolutions of 16 maps over a first one, a dense layer, first weights only, no biases, 64 digits at 14 px, "
        "no training"
    ),
    seeds=8,
    cost=0.07,
    unit={
        "weights": "log10 of the norm of the loss's gradient by a layer's weights: its rise in ten layers",
        "maps": "log10 of the norm of the loss's gradient by what a layer gives: its rise in ten layers",
        "apart": "log10 of the norm of the gradient by the top layer's weights over that by the bottom layer's",
    },
)
