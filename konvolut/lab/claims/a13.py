"""A13: convolutional nets are sensitive to light, so training pictures are varied (S16)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from torch import nn

from konvolut.blocks.basic import Conv, Dense, MaxPool
from konvolut.blocks.spec import Row
from konvolut.images.augment import Augment
from konvolut.lab.gauges import finished, validation
from konvolut.lab.material import asked, training
from konvolut.lab.study import Ask, Claim, Contrast, Trained
from konvolut.language import later
from konvolut.nets.arch import Arch
from konvolut.training.recipe import Recipe
from konvolut.types import Pictures, Shape

CLAIM = Claim(
    id="A13",
    sentence="S16",
    text=later("Convolutional nets are sensitive to light, so training pictures whose light varies makes them better."),
    expected="conditional",
    why=later(
        "It pays where the light of the pictures to come differs, and hardly where it does not, or where each picture's "
        "own mean and spread are taken out first."
    ),
)


@dataclass(frozen=True, slots=True)
class Standardise:
    """Takes each picture's own mean away and divides by its own standard deviation, over pixels and channels at once."""

    def make(self, shape: Shape) -> nn.Module:
        return nn.GroupNorm(1, shape[0], affine=False)  # one group: the whole picture


LIGHT = 0.5  # share by which training varies brightness, and contrast: gains from 0.5 to 1.5
ARMS = {  # what training varies, and whether every picture is standardised before the first convolution
    "plain": (Augment(), False),
    "varied": (Augment(brightness=LIGHT, contrast=LIGHT), False),
    "standardised": (Augment(), True),
    "standardised varied": (Augment(brightness=LIGHT, contrast=LIGHT), True),
}
RECIPE = Recipe(epochs=8, batch=50, lr=0.02, decay=5e-4, precision="fp32")
GAINS = (0.3, 0.5, 0.7, 1.3, 1.5, 1.7)
GAMMAS = (0.5, 0.7, 1.4, 2.0)
SHADOWS = (0.7, 0.5, 0.3)  # of the light is left at the dark end

Shares = Float[ndarray, "n h w c"]  # of white


def gained(shares: Shares, gain: float) -> Shares:
    return np.asarray(shares * gain)


def bent(shares: Shares, gamma: float) -> Shares:
    return np.asarray(shares**gamma)


def shadowed(shares: Shares, left: float, axis: int) -> Shares:
    """Light that falls evenly along an axis (1 down, 2 to the right) until a share `left` is left of it."""
    shape = [1, 1, 1, 1]
    shape[axis] = -1
    return np.asarray(shares * np.linspace(1, left, shares.shape[axis]).reshape(shape))


LIGHTS: Mapping[str, Callable[[Shares], Shares]] = {
    **{f"gain {gain:g}": partial(gained, gain=gain) for gain in GAINS},
    **{f"gamma {gamma:g}": partial(bent, gamma=gamma) for gamma in GAMMAS},
    **{f"shadow down {left:g}": partial(shadowed, left=left, axis=1) for left in SHADOWS},
    **{f"shadow right {left:g}": partial(shadowed, left=left, axis=2) for left in SHADOWS},
}


def lit(pictures: Pictures, light: str) -> Pictures:
    """The pictures under another light of LIGHTS; what would be brighter than white is white."""
    shares = LIGHTS[light](pictures / 255)
    return np.asarray((shares.clip(0, 1) * 255).round().astype(np.uint8))


def net(standardised: bool) -> Arch:
    """Three convolutions, each followed by a pool, and a dense layer; at 14 px."""
    rows = [Row("standard", Standardise())] if standardised else []
    for group, width in enumerate((8, 16, 32), start=1):
        rows += [Row(f"conv{group}", Conv(width, 3, p=1)), Row(f"pool{group}", MaxPool(2, 2))]
    return Arch("three convolutions", "this study", (1, 14, 14), (*rows, Row("fc", Dense(10, act="none"))))


def measure(ask: Ask) -> Mapping[str, float]:
    """Accuracy on the validation pictures as they are, its mean under other lights, and what that loses."""
    held = asked(ask, 14, 2000, val=800)
    how, standardised = ARMS[ask.arm]
    recipe = replace(RECIPE, augment=how)
    done = finished(training(net(standardised), held, recipe, ask.seed))
    if done is None:
        return {"clean": 0.0, "shifted": 0.0, "lost": 1.0}
    clean = validation(done, held)
    shifted = fmean(validation(done, replace(held, val=lit(held.val, light))) for light in LIGHTS)
    return {"clean": clean, "shifted": shifted, "lost": clean - shifted}


STUDY = Trained(
    claim=CLAIM,
    arms=tuple(ARMS),
    measure=measure,
    contrasts=(
        Contrast(about="what other light costs", value="lost", more="plain", least=0.01),
        Contrast(about="under other light", value="shifted", more="varied", less="plain", least=0.01),
        Contrast(about="in the same light", value="clean", more="varied", less="plain", least=0.01),
        Contrast(
            about="under other light, standardised pictures",
            value="shifted",
            more="standardised varied",
            less="standardised",
            least=0.01,
        ),
    ),
    fixed=later(
        "three convolutions of 8, 16 and 32 maps with pools, a dense layer, 2,000 digits at 14 px, batch 50, 8 epochs, one "
        "learning rate for all arms; 800 validation pictures as they are and under 16 other lights: gains from 0.3 to 1.7, "
        "gammas from 0.5 to 2, shadows that leave 0.7 to 0.3 of the light at one end"
    ),
    drops=later("the arms share one learning rate"),
    seeds=8,
    cost=1.3,
    unit={
        "clean": "share of the validation pictures that are right, as they are",
        "shifted": "share of them that are right, on average over 16 other lights",
        "lost": "share lost to those lights",
    },
    advice={"supported": f"--set brightness={LIGHT} --set contrast={LIGHT}"},
)
