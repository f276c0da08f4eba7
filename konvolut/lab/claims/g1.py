"""G1: with four ways side by side nobody need choose a kernel (S27)."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from konvolut.blocks.basic import Conv, Dense, GlobalAvgPool, MaxPool
from konvolut.blocks.inception import Inception
from konvolut.blocks.spec import Row, Series, Spec
from konvolut.lab.gauges import finished, validation
from konvolut.lab.material import asked, training
from konvolut.lab.study import Ask, Claim, Contrast, Trained
from konvolut.language import later
from konvolut.nets.arch import Arch
from konvolut.nets.variants import with_norm
from konvolut.training.recipe import Recipe

CLAIM = Claim(
    id="G1",
    sentence="S27",
    text=later(
        "Four ways through a map, side by side, save the choice of a kernel: no net of one kernel alone does better."
    ),
    expected="conditional",
    why=later("It surely beats the worst kernel; at the same compute the best one alone may do as well or better."),
)
# How one block is made from its width, and the widths of the three blocks, at which all nets cost the same.
ONE: Mapping[str, tuple[Callable[[int], Spec], tuple[int, int, int]]] = {
    "1x1": (lambda width: Conv(width, 1), (67, 67, 133)),
    "3x3": (lambda width: Conv(width, 3, p=1), (21, 21, 41)),
    "5x5": (lambda width: Conv(width, 5, p=2), (11, 11, 23)),
    "pool": (lambda width: Series((MaxPool(3, 1, 1), Conv(width, 1))), (67, 67, 133)),
}
FOUR = (Inception(8, 12, 16, 2, 4, 4), Inception(8, 12, 16, 2, 4, 4), Inception(16, 24, 32, 4, 8, 8))
RECIPE = Recipe(epochs=6, batch=50, precision="fp32")
RATES = (0.1, 0.3, 1.0)


def net(arm: str) -> Arch:
    """A 3x3 stem and three blocks, a pool between, and means of the maps, all with batch norm; at 14 px."""
    blocks: tuple[Spec, ...] = FOUR
    if arm != "four ways":
        make, widths = ONE[arm]
        blocks = tuple(make(width) for width in widths)
    first, second, third = blocks
    rows = (
        Row("conv1", Conv(16, 3, p=1)),
        Row("pool1", MaxPool(2, 2), (16, 7, 7)),
        Row("block1", first),
        Row("block2", second),
        Row("block3", third),
        Row("gap", GlobalAvgPool()),
        Row("fc", Dense(10, act="none")),
    )
    return with_norm(Arch(arm, "this study", (1, 14, 14), rows), "bn")


def measure(ask: Ask) -> Mapping[str, float]:
    """Accuracy on the validation pictures after the last epoch; 0 where the training diverged."""
    held = asked(ask, 14, 1000, val=800)
    recipe = replace(RECIPE, lr=ask.rate)
    done = finished(training(net(ask.arm), held, recipe, ask.seed))
    return {"val": validation(done, held) if done else 0.0}


STUDY = Trained(
    claim=CLAIM,
    arms=("four ways", *ONE),
    measure=measure,
    rates=dict.fromkeys(("four ways", *ONE), RATES),
    best=("val", "most"),
    contrasts=(
        *(
            Contrast(
                about=f"no better with {one} alone", value="val", more=one, less="four ways", absent=True, least=0.01
            )
            for one in ONE
        ),
        *(
            Contrast(about=f"better than with {one} alone", value="val", more="four ways", less=one, least=0.01)
            for one in ("1x1",)
        ),
    ),
    fixed=later(
        "a 3x3 stem of 16 maps, three blocks, means of the maps, batch norm, the same compute to 5 %, 1,000 digits at 14 px, "
        "6 epochs, batch 50; three learning rates an arm, of which each keeps its best on the 800 validation pictures"
    ),
    cost=1.5,
    unit={"val": "share of the validation pictures that are right"},
)
