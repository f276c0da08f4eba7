"""A4: learned features beat features made by hand and a kernel machine (S8)."""

from collections.abc import Mapping
from dataclasses import replace

from konvolut.blocks.basic import Conv, Dense, MaxPool
from konvolut.blocks.spec import Row
from konvolut.images.augment import Augment
from konvolut.lab.gauges import finished, validation
from konvolut.lab.material import asked, training
from konvolut.lab.study import Ask, Claim, Contrast, Trained
from konvolut.language import later
from konvolut.nets.arch import Arch
from konvolut.training.recipe import Recipe

CLAIM = Claim(
    id="A4",
    sentence="S8",
    text=later("Features that a net learns beat features made by hand with a kernel machine on them."),
    expected="conditional",
    why=later(
        "On few small pictures HOG and a support vector machine are hard to beat; a net gains more from varied pictures."
    ),
)
MOVED = Augment(shift=0.08, rotate=10.0, scale=0.1)  # one pixel or two, and a slant: a digit stays the digit it is
ARMS: Mapping[str, Augment] = {"net": Augment(), "net, varied pictures": MOVED}
SVM = "hog and svm"
PICTURES = 3000  # of the 4,000 that digits has to train on; the others, 800 of them, compare the arms
RECIPE = Recipe(epochs=10, batch=50, lr=0.05, decay=5e-4, precision="fp32")


def net() -> Arch:
    """Two convolutions, each followed by a pool, and two dense layers; at 28 px."""
    rows = []
    for group, width in enumerate((16, 32), start=1):
        rows += [Row(f"conv{group}", Conv(width, 3, p=1)), Row(f"pool{group}", MaxPool(2, 2))]
    rows += [Row("fc3", Dense(64)), Row("fc", Dense(10, act="none"))]
    return Arch("two convolutions", "this study", (1, 28, 28), tuple(rows))


def measure(ask: Ask) -> Mapping[str, float]:
    """Accuracy on the validation pictures."""
    held = asked(ask, 28, PICTURES, val=800)
    if ask.arm == SVM:
        from konvolut.classic import features, machines  # scikit-image takes a second to load: only who measures waits

        extract = features.fitted("hog", held.train, ask.seed)
        machine = machines.fitted("svm", "rbf", extract(held.train), held.train_labels, seed=ask.seed)
        return {"accuracy": float((machine.answers(extract(held.val)) == held.val_labels).mean())}
    recipe = replace(RECIPE, augment=ARMS[ask.arm])
    done = finished(training(net(), held, recipe, ask.seed))
    return {"accuracy": validation(done, held) if done else 0.0}


STUDY = Trained(
    claim=CLAIM,
    arms=(*ARMS, SVM),
    measure=measure,
    contrasts=tuple(Contrast(about=arm, value="accuracy", more=arm, less=SVM, least=0.01) for arm in ARMS),
    fixed=later(
        "3,000 digits at 28 px to learn from and 800 validation pictures; two convolutions of 16 and 32 maps, dense layers "
        "of 64 and 10, 10 epochs, with pictures as they are or shifted, turned by up to 10 degrees and scaled; histograms "
        "of oriented gradients with a support vector machine, radial kernel, at its default strength"
    ),
    drops=later("the arms share one learning rate"),
    cost=5.5,
    advice={"supported": "--set shift=0.08 --set rotate=10 --set scale=0.1"},
    unit={"accuracy": "share of the validation pictures that are right"},
)
