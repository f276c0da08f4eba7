"""B12: batch norm allows larger learning rates (S41)."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from math import log
from statistics import fmean

from konvolut.blocks.basic import Conv, Dense, MaxPool
from konvolut.blocks.spec import Row
from konvolut.errors import RunError
from konvolut.lab.material import asked, training
from konvolut.lab.study import Ask, Claim, Contrast, Trained
from konvolut.language import later
from konvolut.nets.arch import Arch
from konvolut.nets.variants import with_norm
from konvolut.training.loop import Step, Training
from konvolut.training.recipe import Recipe

CLAIM = Claim(
    id="B12",
    sentence="S41",
    text=later("Batch norm allows larger learning rates."),
    expected="supported",
    why=later(
        "What a normalised layer gives does not grow with its weights, and its gradient shrinks as they grow, so a step that "
        "is too long cannot blow up what follows."
    ),
)
DEPTHS = {"3 convolutions": 1, "9 convolutions": 3}  # convolutions in each of the three groups
RECIPE = Recipe(batch=50, momentum=0.0, schedule="flat", warmup=0.0, decay=0.0, precision="fp32")
LOWEST, HIGHEST = -10, 4  # log2 of the rates tried
STEPS = 60  # at each
WINDOW = 8  # last steps, over which the loss is averaged
LEAST = 1.0  # doubling: the sweep's own step, the smallest difference it can tell


def net(depth: str, norm: str) -> Arch:
    """Three groups of 3x3 convolutions with ReLUs, pools between them, a dense layer; each convolution with `norm`."""
    rows = []
    for group, width in enumerate((8, 16, 32), start=1):
        rows += [Row(f"pool{group}", MaxPool(2, 2))] if group > 1 else []
        rows += [Row(f"conv{group}_{i}", Conv(width, 3, p=1)) for i in range(1, DEPTHS[depth] + 1)]
    return with_norm(Arch(depth, "this study", (1, 14, 14), (*rows, Row("fc", Dense(10, act="none")))), norm)


def diverges(course: Training, guessing: float) -> bool:
    """Is the loss (nats) after STEPS steps no number, or no less than the first step's or than `guessing`?

    The second catches nets that a step too long has silenced: their ReLUs are off and every picture gets one answer.
    """
    steps = (event for event in course.events() if isinstance(event, Step))
    try:
        seen = [step.tally.loss for step in islice(steps, STEPS)]
    except RunError:
        return True
    return fmean(seen[-WINDOW:]) >= min(seen[0], guessing)


def measure(ask: Ask) -> Mapping[str, float]:
    """log2 of the largest rate that does not diverge, the largest tried first; each halves the one before."""
    depth, _, norm = ask.arm.rpartition(" ")
    held = asked(ask, 14, 2000)
    table = net(depth, "bn" if norm == "bn" else "none")
    recipe = RECIPE
    recipe = replace(recipe, epochs=-(-STEPS * recipe.batch // len(held.train)))
    for power in range(HIGHEST, LOWEST, -1):
        if not diverges(training(table, held, replace(recipe, lr=2.0**power), ask.seed), log(held.classes)):
            return {"largest": float(power)}
    return {"largest": float(LOWEST)}


STUDY = Trained(
    claim=CLAIM,
    arms=tuple(f"{depth} {norm}" for depth in DEPTHS for norm in ("plain", "bn")),
    measure=measure,
    contrasts=tuple(
        Contrast(about=depth, value="largest", more=f"{depth} bn", less=f"{depth} plain", least=LEAST)
        for depth in DEPTHS
    ),
    fixed=later(
        "3 or 9 convolutions with ReLUs, He's weights, 2,000 digits at 14 px, batch 50, SGD without momentum or decay, 60 "
        "steps at each of the rates 16, 8, 4, ... until the loss ends below where it began and below that of guessing"
    ),
    seeds=8,
    cost=1.4,
    unit={"largest": "log2 of the largest learning rate that does not diverge"},
)
