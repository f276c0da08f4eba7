"""A9: 3x3 pooling allows a picture to shift by a pixel (S12)."""

from collections.abc import Mapping

import numpy as np

from konvolut.blocks.basic import AvgPool, Conv, Dense, MaxPool
from konvolut.blocks.spec import Row, Spec
from konvolut.lab.material import asked, trained
from konvolut.lab.study import Ask, Claim, Contrast, Trained
from konvolut.language import later
from konvolut.nets.arch import Arch
from konvolut.training.evaluate import logits
from konvolut.training.recipe import Recipe
from konvolut.types import Pictures

CLAIM = Claim(
    id="A9",
    sentence="S12",
    text=later("Pooling over 3x3 windows lets a picture shift by a pixel to the left or right without another answer."),
    expected="conditional",
    why=later("It tolerates more than a strided convolution, but any stride of 2 still aliases odd shifts."),
)
DOWN: Mapping[str, tuple[Spec, ...]] = {  # what halves the map after each of the two convolutions
    "max 3x3": (MaxPool(3, 2, p=1),),
    "max 2x2": (MaxPool(2, 2),),
    "average 3x3": (AvgPool(3, 2, p=1),),
    "average 2x2": (AvgPool(2, 2),),
    "stride": (),
}
RECIPE = Recipe(epochs=4, batch=64, lr=0.03, decay=5e-4, precision="fp32")
SHIFTS = (1, 2, 3)  # px; few digits reach so near the edge that a stroke leaves the picture


def net(arm: str) -> Arch:
    """Two convolutions and a dense head, at 28 px; without a pool the convolutions take the stride themselves."""
    stride = 1 if DOWN[arm] else 2
    rows = []
    for group, width in enumerate((16, 32), start=1):
        rows.append(
            Row(f"conv{group}", Conv(width, 3, s=stride, p=1), None if DOWN[arm] else (width, 28 >> group, 28 >> group))
        )
        rows += [Row(f"pool{group}", spec, (width, 28 >> group, 28 >> group)) for spec in DOWN[arm]]
    return Arch(arm, "this study", (1, 28, 28), (*rows, Row("fc", Dense(10, act="none"))))


def shifted(pictures: Pictures, dx: int) -> Pictures:
    """Every picture `dx` px to the right (left where negative), black coming in."""
    moved = np.roll(pictures, dx, axis=2)
    moved[:, :, slice(0, dx) if dx > 0 else slice(dx, None)] = 0
    return moved


def measure(ask: Ask) -> Mapping[str, float]:
    """Share of validation pictures whose answer stays the same at a shift, left and right together; and the accuracy."""
    held = asked(ask, 28, 2000)
    model = trained(net(ask.arm), held, RECIPE, ask.seed)
    still = logits(model, held.val, held.spec).argmax(1)
    found = {"accuracy": float((still == held.val_labels).mean())}
    for dx in SHIFTS:
        same = [logits(model, shifted(held.val, d), held.spec).argmax(1) == still for d in (dx, -dx)]
        found[f"same at {dx} px"] = float(np.mean(same))
    return found


STUDY = Trained(
    claim=CLAIM,
    arms=tuple(DOWN),
    measure=measure,
    contrasts=tuple(
        Contrast(
            about=f"max 3x3 against {other}, {dx} px", value=f"same at {dx} px", more="max 3x3", less=other, least=0.01
        )
        for dx in SHIFTS
        for other in ("stride", "max 2x2")
    ),
    fixed=later(
        "two convolutions of 16 and 32 maps, a dense head, 2,000 digits at 28 px, 4 epochs, one rate for all arms; "
        "500 validation pictures shifted left and right"
    ),
    seeds=8,
    cost=1.5,
    drops=later("one learning rate for all arms; the strided net does a quarter of the work"),
    unit={f"same at {dx} px": f"share of answers that stay the same {dx} px to the left or right" for dx in SHIFTS},
)
