"""N7: NiN, as the book prints it, trains (S26)."""

from collections.abc import Mapping

import torch
from torch import nn

from konvolut.images.batches import in_order
from konvolut.lab.gauges import finished, validation
from konvolut.lab.material import Material, asked, training
from konvolut.lab.study import Ask, Claim, Contrast, Trained
from konvolut.language import later
from konvolut.nets.arch import Arch, classifier
from konvolut.nets.features import features
from konvolut.nets.nin import nin
from konvolut.nets.variants import without_last_activation
from konvolut.training.recipe import Recipe

CLAIM = Claim(
    id="N7",
    sentence="S26",
    text=later("Network in Network trains reliably as it is printed, with a ReLU on the maps of its classes."),
    expected="contradicted",
    why=later(
        "A class whose map starts below 0 everywhere has no gradient and never learns; of 154 published runs 14 % end below "
        "an accuracy of 0.5."
    ),
)
BLOCKS = {  # width, and kernel, stride and padding, px; each block is followed by a pool
    "two blocks": ((16, 5, 2, 2), (32, 3, 1, 1)),
    "one block": ((24, 5, 2, 2),),
}
MAPS = ("rectified", "linear")  # the maps of the classes, with a ReLU on them or without
RECIPE = Recipe(  # the book's in kind: Xavier, one flat rate, neither momentum nor decay
    epochs=4, batch=8, lr=0.1, momentum=0.0, decay=0.0, schedule="flat", warmup=0.0, init="xavier", precision="fp32"
)
FAILED = 0.5  # accuracy, of ten classes, below which a run has failed, as in the count of published runs


def net(arm: str) -> Arch:
    """The book's layout, small, at 28 px; the last block is as wide as there are classes."""
    maps, _, blocks = arm.partition(", ")
    arch = nin(BLOCKS[blocks], input=(1, 28, 28), classes=10)
    return arch if maps == "rectified" else without_last_activation(arch)


def dead(model: nn.Module, held: Material, row: str) -> int:
    """Classes whose map, which row `row` gives, is zero on every validation picture."""
    alive = torch.zeros(held.classes, dtype=torch.bool)
    for batch in in_order(held.val, held.spec):
        maps = features(model, batch, (row,))[row]  # (n, classes, h, w)
        alive |= (maps != 0).flatten(2).any(2).any(0)
    return int((~alive).sum())


def measure(ask: Ask) -> Mapping[str, float]:
    """Validation accuracy after the last epoch, whether that is a failure, and how many classes are dead."""
    held = asked(ask, 28, 3200, val=800)
    arch = net(ask.arm)
    recipe = RECIPE
    done = finished(training(arch, held, recipe, ask.seed))
    if done is None:
        return {"val": 0.0, "failed": 1.0, "dead": float(held.classes)}
    val = validation(done, held)
    return {
        "val": val,
        "failed": float(val < min(FAILED, FAILED * 10 / held.classes)),
        "dead": float(dead(done, held, classifier(arch).name)),
    }


STUDY = Trained(
    claim=CLAIM,
    arms=tuple(f"{maps}, {blocks}" for blocks in BLOCKS for maps in MAPS),
    measure=measure,
    contrasts=tuple(
        Contrast(
            about=f"{blocks}: no accuracy lost to the ReLU",
            value="val",
            more=f"linear, {blocks}",
            less=f"rectified, {blocks}",
            absent=True,
            least=0.01,
        )
        for blocks in BLOCKS
    ),
    fixed=later(
        "mlpconv blocks of 16 and 32 maps, or one of 24, and one as wide as the classes, 3,200 digits at 28 px, 4 epochs, "
        "batch 8, Xavier weights, plain SGD at 0.1 without momentum or decay"
    ),
    seeds=8,
    cost=5.3,
    drops=later(
        "one learning rate for all arms, since the sentence speaks of one; eight seeds, too few to judge a failure rate"
    ),
    unit={
        "val": "share of the validation pictures that are right",
        "failed": "1 where that share is below 0.5, else 0",
        "dead": "classes whose map is zero on every validation picture",
    },
)
