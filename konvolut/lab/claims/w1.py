"""W1: each net of the chapter is better than the one before (S1)."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

from konvolut.blocks.basic import Dense
from konvolut.lab.gauges import finished, validation
from konvolut.lab.material import asked, training
from konvolut.lab.study import Ask, Claim, Contrast, Trained
from konvolut.language import later
from konvolut.nets.arch import Arch, classifier, has_batch_norm
from konvolut.nets.catalogue import named
from konvolut.nets.names import parsed
from konvolut.nets.variants import with_norm, without_heads
from konvolut.training.planned import table
from konvolut.training.recipe import Recipe
from konvolut.types import Shape

CLAIM = Claim(
    id="W1",
    sentence="S1",
    text=later("From LeNet to ResNet, each net is better than the one before it."),
    expected="conditional",
    why=later(
        "The order was found on ImageNet; in the book's own runs on small pictures VGG ends first and NiN last but one."
    ),
)
NETS: Mapping[str, str] = {  # as narrow as one training in some seconds asks for
    "LeNet": "lenet",
    "AlexNet": "alexnet/16",
    "VGG": "vgg-11/16",
    "NiN": "nin/16",
    "GoogLeNet": "googlenet/8",
    "ResNet": "resnet-18/16",
}
RATES: Mapping[str, tuple[float, ...]] = {  # LeNet's tanh and ResNet's batch norm bear larger ones
    "LeNet": (0.03, 0.1, 0.3),
    "AlexNet": (0.03, 0.06, 0.12),
    "VGG": (0.03, 0.06, 0.12),
    "NiN": (0.03, 0.06, 0.12),
    "GoogLeNet": (0.03, 0.06, 0.12),
    "ResNet": (0.1, 0.3, 0.6),
}
RECIPE = Recipe(epochs=8, batch=50, clip=1.0, precision="fp32")


def net(arm: str, shape: Shape = (1, 28, 28), classes: int = 10) -> Arch:
    """The paper's table fitted to the pictures, hidden dense rows as much narrower as the convolutions; without the local
    response norms, which take as long as all the rest, and without auxiliary heads.
    """
    arch = without_heads(named(NETS[arm]))
    arch = arch if has_batch_norm(arch) else with_norm(arch, "none")
    divisor, last = parsed(NETS[arm]).divisor, classifier(arch)
    rows = tuple(
        replace(row, spec=replace(row.spec, out=row.spec.out // divisor), out=None)
        if isinstance(row.spec, Dense) and row != last
        else row
        for row in arch.rows
    )
    return table(replace(arch, rows=rows), True, shape, classes)[0]


def measure(ask: Ask) -> Mapping[str, float]:
    """Accuracy on the validation pictures after the last epoch; 0 where the training diverged."""
    held = asked(ask, 28, 1000, val=800)
    arch = net(ask.arm, (held.spec.channels, 28, 28), held.classes)
    if arch.input[1] != 28:  # LeNet takes pictures of 32 px
        held = asked(ask, arch.input[1], 1000, val=800)
    first = "xavier" if ask.arm == "LeNet" else "he"
    recipe = replace(RECIPE, lr=ask.rate, init=first)
    done = finished(training(arch, held, recipe, ask.seed))
    return {"val": validation(done, held) if done else 0.0}


STUDY = Trained(
    claim=CLAIM,
    arms=tuple(NETS),
    measure=measure,
    rates=RATES,
    best=("val", "most"),
    contrasts=tuple(
        Contrast(about=f"{after} over {earlier}", value="val", more=after, less=earlier, least=0.01)
        for earlier, after in pairwise(NETS)
    ),
    fixed=later(
        "the papers' tables fitted to 1,000 digits at 28 px (LeNet's at 32) and made 8 or 16 times narrower but for LeNet, "
        "without local response norms and auxiliary heads; 8 epochs, batch 50; three learning rates a net, of which each "
        "keeps its best on the 800 validation pictures"
    ),
    drops=later("the nets differ in compute and weights"),
    cost=5.7,
    unit={"val": "share of the validation pictures that are right"},
)
