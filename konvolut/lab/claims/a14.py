"""A14: dropout helps (S7)."""

from collections.abc import Mapping
from dataclasses import replace

from konvolut.blocks.basic import Conv, Dense
from konvolut.blocks.spec import Row
from konvolut.lab.gauges import accuracies, finished
from konvolut.lab.material import asked, training
from konvolut.lab.study import Ask, Claim, Contrast, Trained
from konvolut.language import later
from konvolut.nets.arch import Arch
from konvolut.nets.variants import with_dropout
from konvolut.training.recipe import Recipe

CLAIM = Claim(
    id="A14",
    sentence="S7",
    text=later("Dropout on the dense layers makes a net better on pictures it has not seen."),
    expected="conditional",
    why=later("It holds back overfitting, so it helps with few pictures and long training, and slows a short one."),
)
SHARES = {"dropout": 0.5, "none": 0.0}  # of the inputs of the dense rows
PICTURES = (400, 1600)
EPOCHS = {"short": 5, "long": 30}
RECIPE = Recipe(batch=50, lr=0.03, decay=0.0, precision="fp32")  # decay would hold overfitting back in both arms
WORST = {"train": 0.0, "val": 0.0, "gap": 1.0}  # of a training that diverged


def net(share: float) -> Arch:
    """Two strided convolutions and AlexNet's head in small: two wide dense rows drop `share` of what they take; at 14 px."""
    rows = (
        Row("conv1", Conv(16, 5, s=2, p=2)),
        Row("conv2", Conv(32, 3, s=2, p=1)),
        Row("fc6", Dense(320, drop=0.5)),
        Row("fc7", Dense(320, drop=0.5)),
        Row("fc", Dense(10, act="none")),
    )
    return with_dropout(Arch("small-alexnet", "this study", (1, 14, 14), rows), share)


def measure(ask: Ask) -> Mapping[str, float]:
    """Accuracy on training and validation pictures after the last epoch, both without dropout, and the gap between."""
    how, n, length = ask.arm.split(" ")
    held = asked(ask, 14, int(n), val=2000)
    recipe = replace(RECIPE, epochs=EPOCHS[length])
    done = finished(training(net(SHARES[how]), held, recipe, ask.seed))
    return accuracies(done, held) if done else WORST


STUDY = Trained(
    claim=CLAIM,
    arms=tuple(f"{how} {n} {length}" for n in PICTURES for length in EPOCHS for how in SHARES),
    measure=measure,
    contrasts=tuple(
        Contrast(
            about=f"{n:,} pictures, {epochs} epochs",
            value="val",
            more=f"dropout {n} {length}",
            less=f"none {n} {length}",
            least=0.01,
        )
        for n in PICTURES
        for length, epochs in EPOCHS.items()
    ),
    fixed=later(
        "two strided convolutions of 16 and 32 maps, dense layers of 320, 320 and 10, digits at 14 px, batch 50, no decay, one "
        "learning rate for all arms, 800 validation pictures; every accuracy is measured without dropout"
    ),
    drops=later("the arms share one learning rate"),
    seeds=6,
    cost=1.75,
    unit={
        "val": "share of the validation pictures that are right",
        "train": "share of the training pictures that are right",
        "gap": "share of the training pictures that are right, less that of the validation pictures",
    },
)
