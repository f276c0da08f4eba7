"""A16: with a good geometric model, an optimisation gives very good results (S3)."""

from collections.abc import Mapping
from dataclasses import replace
from math import cos, pi, sin

import numpy as np

from konvolut.classic.features import fitted
from konvolut.classic.geometry import Points, contour, fit_similarity, fit_unknown, resampled
from konvolut.classic.machines import fitted as fitted_machine
from konvolut.errors import ClaimError
from konvolut.images.drawn import CLASSES, Dials, draw, masks
from konvolut.images.preprocess import InputSpec
from konvolut.lab.claims.a3 import best, halves, learnt, net
from konvolut.lab.material import Material
from konvolut.lab.study import Ask, Claim, Contrast, Trained
from konvolut.language import later
from konvolut.training.recipe import Recipe

CLAIM = Claim(
    id="A16",
    sentence="S3",
    text=later("With a good geometric model of a picture, an optimisation, convex or not, gives very good results."),
    expected="conditional",
    why=later("A few numbers say what a clean shape is; clutter breaks the outline they are read from."),
)
SIDE, JUDGES = 28, 800  # px; validation pictures
EPOCHS = {100: 32, 1500: 8}  # of n pictures
CLUTTER = {"clean": 0.0, "cluttered": 1.0}
RATES = (0.02, 0.05, 0.1)
RECIPE = Recipe(batch=32, decay=5e-4, precision="fp32")
COSTS = (0.01, 0.1, 1.0)  # of logistic regression
STARTS = 4  # rotations that a fit may start from
ANGLES = 20  # that each shape is turned by
FITTING = "geometry 100 clean"  # the arm that also tries fits: they read outlines, and none of its pictures
TURNED = ("crescent", "heart", "arrow")  # no rotation takes them onto themselves


def scenes(ask: Ask, n: int, clutter: float) -> Material:
    """Shapes of any size, rotation and place; of other pictures, as they come: they have no dial for clutter."""
    if ask.setting.data not in ("", "drawn"):
        raise ClaimError(f"A16 draws its own shapes, with and without clutter, and cannot ask {ask.setting.data}")
    n, judges = (max(len(CLASSES), round(count * ask.setting.share)) for count in (n, JUDGES))
    dials = Dials(place=0.5, scale=1.0, rotation=1.0, clutter=clutter)
    pictures, labels = draw(n + judges, SIDE, ask.seed, dials)
    grey = pictures.mean(3, keepdims=True).round().astype(np.uint8)
    pixels = grey[:n] / 255
    spec = InputSpec(size=SIDE, channels=1, mean=(float(pixels.mean()),), std=(float(pixels.std()),))
    return Material(spec, grey[:n], labels[:n], grey[n:], labels[n:], len(CLASSES))


def geometry(held: Material) -> dict[str, float]:
    """Moments and Fourier descriptors of the outline, and logistic regression: a convex problem."""
    extracts = [fitted(name, held.train) for name in ("moments", "contours")]
    rows, others = (
        np.concatenate([extract(pictures) for extract in extracts], 1) for pictures in (held.train, held.val)
    )
    scale = np.maximum(rows.std(0), 1e-9)  # moments and descriptors have units of their own
    machines = [fitted_machine("logistic", "linear", rows / scale, held.train_labels, c) for c in COSTS]
    return best([halves(m.answers(others / scale), held.val_labels) for m in machines])


def recovered(seed: int) -> dict[str, float]:
    """Share of outlines whose rotation a least-squares fit finds, to 10 degrees.

    An outline is turned by a random angle and its points are shaken by 2 % of its size. With the points paired the fit has
    a closed form; without, each is taken to the nearest of the shape's: from a rotation of 0, and the best of four.
    """
    dice = np.random.default_rng(seed)
    drawn = masks(len(CLASSES), 48, 0, Dials()).astype(np.float64)
    lines = [contour(drawn[CLASSES.index(name)]) for name in TURNED]
    shapes = [resampled(line, 64) for line in lines if line is not None]
    found = []
    for shape in shapes * ANGLES:
        angle = 2 * pi * dice.random()
        points = turned(shape, angle)
        points += 0.02 * float(np.ptp(points)) * dice.standard_normal(points.shape)
        tries = [fit_unknown(points, shape, 2 * pi * k / STARTS) for k in range(STARTS)]
        fits = (fit_similarity(points, shape), tries[0], min(tries, key=lambda fit: fit.residual))
        found.append([abs((fit.rotation - angle + pi) % (2 * pi) - pi) < pi / 18 for fit in fits])
    return dict(zip(("paired", "not paired", "best of four starts"), np.mean(found, axis=0).tolist(), strict=True))


def turned(points: Points, angle: float) -> Points:
    return np.asarray(points @ np.array([[cos(angle), sin(angle)], [-sin(angle), cos(angle)]]))


def measure(ask: Ask) -> Mapping[str, float]:
    """Accuracy on the judging half of the validation pictures; in one arm also how often a fit finds a rotation."""
    kind, size, clutter = ask.arm.split()
    held = scenes(ask, int(size), CLUTTER[clutter])
    if kind == "geometry":
        return geometry(held) | (recovered(ask.seed) if ask.arm == FITTING else {})
    return learnt(net(), held, replace(RECIPE, epochs=EPOCHS[int(size)], lr=ask.rate), ask.seed)


CELLS = tuple(f"{n} {clutter}" for clutter in CLUTTER for n in EPOCHS)

STUDY = Trained(
    claim=CLAIM,
    arms=(*(f"geometry {cell}" for cell in CELLS), *(f"net {cell}" for cell in CELLS)),
    measure=measure,
    data="drawn",
    full="drawn",
    rates={f"net {cell}": RATES for cell in CELLS},
    best=("chooses", "most"),
    cost=1.4,
    contrasts=(
        *(
            Contrast(
                about=f"{n:,} pictures, {clutter}: geometry over a net", value="accuracy", more=f"geometry {n} {clutter}",
                less=f"net {n} {clutter}", least=0.01,
            )
            for clutter in CLUTTER
            for n in EPOCHS
        ),
        *(
            Contrast(
                about=f"a fit finds a rotation as often with its points not paired, {how}",
                value="paired",
                more=FITTING,
                less=FITTING,
                over=over,
                absent=True,
                least=0.01,
            )
            for over, how in (("not paired", "from one start"), ("best of four starts", "the best of four starts"))
        ),
    ),
    fixed=later(
        "ten shapes drawn at 28 px, of any rotation and place and half to twice the area; moments, Fourier descriptors and "
        "logistic regression at the best of three strengths, against three convolutions of 8, 16 and 32 maps at the best of "
        "three rates; half of 800 validation pictures chooses, the other half judges"
    ),
    unit={"accuracy": "share of the 400 judging pictures answered right"},
)  # fmt: skip
