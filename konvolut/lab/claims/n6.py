"""N6: the mean of each map is as good a head as dense layers, and overfits less (S26)."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from konvolut.blocks.basic import Conv, Dense, GlobalAvgPool, MaxPool
from konvolut.blocks.spec import Row
from konvolut.lab.claims.a9 import shifted
from konvolut.lab.gauges import accuracies, finished
from konvolut.lab.material import asked, training
from konvolut.lab.study import Ask, Claim, Contrast, Trained
from konvolut.language import later
from konvolut.nets.arch import Arch
from konvolut.training.evaluate import logits
from konvolut.training.recipe import Recipe

CLAIM = Claim(
    id="N6",
    sentence="S26",
    text=later("Averaging each class's map gives the answer as well as dense layers do, and overfits less."),
    expected="conditional",
    why=later(
        "A mean cannot learn where a stroke stands, so it overfits less and bears shifts; where everything is centred, "
        "knowing the place helps."
    ),
)
HEADS: Mapping[str, tuple[Row, ...]] = {  # on 32 maps of 7x7; at 14 px
    "dense": (Row("fc6", Dense(128)), Row("fc", Dense(10, act="none"))),
    "dense, dropout": (Row("fc6", Dense(128)), Row("fc", Dense(10, act="none", drop=0.5))),
    "class maps": (Row("conv4", Conv(10, 3, p=1, act="none")), Row("gap", GlobalAvgPool())),
    # A linear layer on the means is the same function as 1x1 class maps without activation, and the mean after them.
    "means, linear": (Row("gap", GlobalAvgPool()), Row("fc", Dense(10, act="none"))),
}
PICTURES = {"few": (500, 20), "many": (3000, 3)}  # training pictures, and epochs: about 10,000 are seen either way
RECIPE = Recipe(batch=50, lr=0.1, precision="fp32")
SHIFTS = (1, 2)  # px of 14, as 2 and 4 of a digit's 28; of a third of them the 2 px take a stroke's edge
WORST = {"val": 0.0, "train": 0.0, "gap": 1.0, "steady": 0.0}  # of a training that diverged


def net(head: str) -> Arch:
    """Three convolutions with batch norm, a pool after the first, and the head.

    Without the norm a mean over 49 places learns so much more slowly than dense layers that half trained heads would be
    compared.
    """
    rows = (
        Row("conv1", Conv(8, 3, p=1, norm="bn", bias=False)),
        Row("pool1", MaxPool(2, 2), (8, 7, 7)),
        Row("conv2", Conv(16, 3, p=1, norm="bn", bias=False)),
        Row("conv3", Conv(32, 3, p=1, norm="bn", bias=False), (32, 7, 7)),
    )
    return Arch("small-trunk", "this study", (1, 14, 14), rows + HEADS[head])


def measure(ask: Ask) -> Mapping[str, float]:
    """Accuracies after the last epoch, and the share of validation answers that stay the same under a shift."""
    head, _, amount = ask.arm.rpartition(" ")
    n, epochs = PICTURES[amount]
    held = asked(ask, 14, n, val=800)
    recipe = replace(RECIPE, epochs=epochs)
    done = finished(training(net(head), held, recipe, ask.seed))
    if done is None:
        return WORST
    still = logits(done, held.val, held.spec).argmax(1)
    same = [logits(done, shifted(held.val, d * side), held.spec).argmax(1) == still for d in SHIFTS for side in (1, -1)]
    return accuracies(done, held) | {"steady": float(np.mean(same))}


def against(other: str, amount: str) -> tuple[Contrast, ...]:
    """Class maps against `other`: as accurate, a smaller gap, steadier under shifts."""
    n, ours, theirs = PICTURES[amount][0], f"class maps {amount}", f"{other} {amount}"
    return (
        Contrast(
            about=f"accuracy, {n:,} pictures, {other}", value="val", more=theirs, less=ours, absent=True, least=0.01
        ),
        Contrast(about=f"less overfitting, {n:,} pictures, {other}", value="gap", more=theirs, less=ours, least=0.01),
        Contrast(about=f"steadier, {n:,} pictures, {other}", value="steady", more=ours, less=theirs, least=0.01),
    )


STUDY = Trained(
    claim=CLAIM,
    arms=tuple(f"{head} {amount}" for amount in PICTURES for head in HEADS),
    measure=measure,
    drops=later("the arms share one learning rate"),
    contrasts=tuple(c for amount in PICTURES for other in ("dense", "dense, dropout") for c in against(other, amount)),
    fixed=later(
        "three convolutions of 8, 16 and 32 maps with batch norm and a pool, digits at 14 px, about 10,000 pictures seen in "
        "all, batch 50, one learning rate for all arms; 800 validation pictures, shifted left and right"
    ),
    cost=1.3,
    unit={
        "val": "share of the validation pictures that are right",
        "train": "share of the training pictures that are right",
        "gap": "share of the training pictures that are right, less that of the validation pictures",
        "steady": "share of answers that stay the same 1 and 2 px to the left and right",
    },
)
