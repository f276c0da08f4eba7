"""A15: ReLU trains faster, and lets nets be deeper, than tanh and sigmoid (S7)."""

from collections.abc import Mapping
from dataclasses import replace
from math import log2

from konvolut.blocks.basic import Conv, Dense, MaxPool
from konvolut.blocks.spec import Row
from konvolut.lab.gauges import doublings, steps_to
from konvolut.lab.material import asked, training
from konvolut.lab.study import Ask, Claim, Contrast, Trained
from konvolut.language import later
from konvolut.nets.arch import Arch
from konvolut.nets.variants import with_activation
from konvolut.training.recipe import Recipe

CLAIM = Claim(
    id="A15",
    sentence="S7",
    text=later("ReLU trains faster than tanh and sigmoid, and lets a net be deeper."),
    expected="supported",
    why=later(
        "Sigmoid's slope is at most 1/4, so gradients fade with depth; tanh's lag depends on first weights and rate."
    ),
)
DEPTHS = {"shallow": 1, "deep": 3}  # convolutions before each of the three pools
RATES = {"relu": (0.001, 0.003, 0.01, 0.03), "tanh": (0.01, 0.03, 0.1, 0.3), "sigmoid": (0.03, 0.1, 0.3, 1.0)}
RECIPE = Recipe(epochs=4, batch=64, schedule="flat", warmup=0.0, decay=0.0, precision="fp32")
ERROR = 0.25  # the paper's mark (Krizhevsky et al. 2012, figure 1)


def stack(repeat: int) -> Arch:
    """Three groups of 3x3 convolutions, each followed by a pool, and one dense layer."""
    rows = []
    for group, width in enumerate((8, 16, 32), start=1):
        rows += [Row(f"conv{group}_{i}", Conv(width, 3, p=1)) for i in range(1, repeat + 1)]
        rows += [Row(f"pool{group}", MaxPool(2, 2))]
    rows += [Row("fc", Dense(10, act="none"))]
    return Arch(f"stack-{3 * repeat}", "this study", (1, 28, 28), tuple(rows))


def measure(ask: Ask) -> Mapping[str, float]:
    """Doublings of a step (log2 of steps) until the training error has come down to 25 %; the last step if it never has."""
    act, depth = ask.arm.split(" ")
    recipe = replace(RECIPE, lr=ask.rate, init="he" if act == "relu" else "xavier")
    course = training(with_activation(stack(DEPTHS[depth]), act), asked(ask, 28, 2000), recipe, ask.seed)
    return doublings(course, steps_to(course, 1 - ERROR))


def against(act: str, depth: str) -> Contrast:
    return Contrast(
        about=f"{depth} ({3 * DEPTHS[depth]} convolutions), {act}",
        value="doublings",
        more=f"{act} {depth}",
        less=f"relu {depth}",
        least=log2(1.1),  # a tenth more steps
    )


STUDY = Trained(
    claim=CLAIM,
    arms=tuple(f"{act} {depth}" for depth in DEPTHS for act in RATES),
    measure=measure,
    rates={f"{act} {depth}": RATES[act] for depth in DEPTHS for act in RATES},
    best=("doublings", "least"),
    cost=1.6,
    contrasts=tuple(against(act, depth) for depth in DEPTHS for act in ("tanh", "sigmoid")),
    fixed=later(
        "2,000 digits at 28 px, batch 64, SGD with momentum 0.9, no decay, He (ReLU) or Xavier (tanh, sigmoid) weights, "
        "four learning rates an arm, of which each arm keeps its quickest on the same seeds"
    ),
    unit={"doublings": "log2 of the steps until the training error is down to 25 %; of all 128 where it never is"},
)
