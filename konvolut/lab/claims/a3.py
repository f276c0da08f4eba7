"""A3: more data and faster hardware let nets win (S5)."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from konvolut.blocks.basic import Conv, Dense, MaxPool
from konvolut.blocks.spec import Row
from konvolut.classic import features
from konvolut.classic.kernels import Rows
from konvolut.classic.machines import fitted as fitted_machine
from konvolut.lab.gauges import finished
from konvolut.lab.material import Material, asked, training
from konvolut.lab.study import Ask, Claim, Contrast, Trained
from konvolut.language import later
from konvolut.nets.arch import Arch
from konvolut.training.evaluate import logits
from konvolut.training.recipe import Recipe
from konvolut.types import Labels

CLAIM = Claim(
    id="A3",
    sentence="S5",
    text=later("More pictures and more computing let a net overtake hand-made features and a kernel machine."),
    expected="supported",
    why=later(
        "A net has its features to learn as well, which costs pictures and steps, and gains from more of either."
    ),
)
MOST = 3000  # pictures to draw from
EPOCHS = {
    100: 32,
    300: 24,
    1000: 12,
    3000: 8,
}  # of n pictures: fewer pictures are seen more often, in fewer steps all the same
SHARES = (8, 4, 2)  # net ... at 1/8: an eighth of the epochs, on all pictures
RATES = (0.01, 0.03, 0.1)
RECIPE = Recipe(batch=64, decay=5e-4, precision="fp32")
COSTS = (1.0, 10.0, 100.0)  # values of C that the machine chooses from


def net() -> Arch:
    """Three convolutions, each followed by a pool, and one dense layer."""
    rows = []
    for group, maps in enumerate((8, 16, 32), start=1):
        rows += [Row(f"conv{group}", Conv(maps, 3, p=1)), Row(f"pool{group}", MaxPool(2, 2))]
    return Arch("three convolutions", "this study", (1, 28, 28), (*rows, Row("fc", Dense(10, act="none"))))


def balanced(labels: Labels, n: int, seed: int) -> Int64[ndarray, "n"]:
    """Places of `n` pictures drawn by `seed`, as many of each class as there are or as make `n`: at least one of each."""
    order = np.random.default_rng(seed).permutation(len(labels))
    drawn = labels[order]
    turn = np.empty(len(order), np.int64)  # the how-manieth of its class a picture is
    for label in np.unique(drawn):
        turn[drawn == label] = np.arange((drawn == label).sum())
    return order[np.argsort(turn, kind="stable")[: max(n, len(np.unique(labels)))]]


def part(held: Material, n: int, seed: int) -> Material:
    """`n` of every 3,000 of the pictures to learn from."""
    some = balanced(held.train_labels, round(n / MOST * len(held.train)), seed)
    return replace(held, train=held.train[some], train_labels=held.train_labels[some])


@cache
def hog(held: Material) -> tuple[Rows, Rows]:
    """Of all pictures to learn from and of the validation pictures; nothing in it is learnt."""
    extract = features.fitted("hog", held.train)
    return extract(held.train), extract(held.val)


def halves(answers: Labels, labels: Labels) -> dict[str, float]:
    """Accuracy on the half of the validation pictures that chooses, and on the half that judges."""
    right = answers == labels
    half = len(right) // 2
    return {"chooses": float(right[:half].mean()), "accuracy": float(right[half:].mean())}


def best(found: list[dict[str, float]]) -> dict[str, float]:
    return max(found, key=lambda values: values["chooses"])


def kernel(held: Material, n: int, seed: int) -> dict[str, float]:
    """HOG and a support vector machine with an RBF kernel."""
    rows, others = hog(held)
    some = balanced(held.train_labels, round(n / MOST * len(held.train)), seed)
    labels = held.train_labels[some]
    fitted = [fitted_machine("svm", "rbf", rows[some], labels, c) for c in COSTS]
    return best([halves(m.answers(others), held.val_labels) for m in fitted])


def learnt(arch: Arch, held: Material, recipe: Recipe, seed: int) -> dict[str, float]:
    """A net; where its loss ceases to be a number it is right about nothing."""
    recipe = recipe
    model = finished(training(arch, held, recipe, seed))
    if model is None:
        return {"chooses": 0.0, "accuracy": 0.0}
    return halves(logits(model, held.val, held.spec).argmax(1), held.val_labels)


def measure(ask: Ask) -> Mapping[str, float]:
    """Accuracy on the judging half of the validation pictures."""
    held = asked(ask, 28, MOST, 1000)
    kind, size, *share = ask.arm.split()
    n = int(size)
    if kind == "kernel":
        return kernel(held, n, ask.seed)
    epochs = max(1, EPOCHS[n] // int(share[-1].removeprefix("1/"))) if share else EPOCHS[n]
    return learnt(net(), part(held, n, ask.seed), replace(RECIPE, epochs=epochs, lr=ask.rate), ask.seed)


NETS = (*(f"net {n}" for n in EPOCHS), *(f"net {MOST} at 1/{share}" for share in SHARES))

STUDY = Trained(
    claim=CLAIM,
    arms=(*(f"kernel {n}" for n in EPOCHS), *NETS),
    measure=measure,
    rates=dict.fromkeys(NETS, RATES),
    best=("chooses", "most"),
    cost=1.2,
    contrasts=(
        Contrast(
            about="100 pictures: the kernel machine over the net",
            value="accuracy",
            more="kernel 100",
            less="net 100",
            least=0.01,
        ),
        Contrast(
            about="from 100 to 3,000 pictures: what the net gains on the kernel machine",
            value="accuracy",
            more="net 3000",
            less="kernel 3000",
            beyond=("net 100", "kernel 100"),
            least=0.01,
        ),
        Contrast(
            about="3,000 pictures: the net over the kernel machine",
            value="accuracy",
            more="net 3000",
            less="kernel 3000",
            least=0.01,
        ),
        Contrast(
            about="3,000 pictures: all epochs over an eighth of them",
            value="accuracy",
            more="net 3000",
            less="net 3000 at 1/8",
            least=0.01,
        ),
    ),
    fixed=later(
        "n digits at 28 px, drawn anew for each seed, as many of each class; HOG, one scale for all of it, and an SVM with an "
        "RBF kernel and the best of three C, against three convolutions of 8, 16 and 32 maps at the best of three rates, "
        "8 to 32 epochs; half of 800 validation pictures chooses, the other half judges"
    ),
    unit={"accuracy": "share of the 400 judging pictures answered right"},
)
