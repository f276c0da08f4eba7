"""The recipe a net is trained by when the user names none, and why it is that."""

from dataclasses import replace
from typing import Any

from konvolut.images.augment import Augment
from konvolut.images.imageset import ImageSet
from konvolut.nets.arch import Arch, facts
from konvolut.training.recipe import Recipe

MOST_MACS = (
    1e13  # forward, over a whole run: some ten minutes on two cores, at three times that for forward and backward
)
PASSES = {True: 32_400, False: 110_000}  # pictures seen in all, on small sets, with and without batch norm
EPOCHS = (2, 60)  # fewest and most
FEW = 8  # epochs: fewer leave no time to learn from pictures that are moved far, so they move half as far


def affordable(arch: Arch, count: int) -> int:
    """Epochs over `count` pictures that MOST_MACS pays for."""
    return int(MOST_MACS / (count * sum(fact.macs for fact in facts(arch))))


def default_recipe(arch: Arch, images: ImageSet) -> tuple[Recipe, list[str]]:
    """A recipe for the fitted table, and the reasons, in words. Everything here was tuned on validation pictures only."""
    count = len(images.splits["train"])
    grey, normed = arch.input[0] == 1, has_norm(arch)
    by_passes = round(PASSES[normed] / count)
    by_cost = affordable(arch, count)
    epochs = min(max(min(by_passes, by_cost), EPOCHS[0]), EPOCHS[1])
    batch = min(128 if normed else 64, max(8, count // 16), count)
    reasons = [
        f"{epochs} epochs: "
        + (f"some {PASSES[normed]:,} pictures in all" if by_passes <= by_cost else "about ten minutes on two cores"),
        f"mirrored left to right: {'yes' if images.mirrors else 'no'}",
    ]
    far = 1.0 if epochs >= FEW else 0.5
    recipe = Recipe(
        epochs=epochs,
        batch=batch,
        augment=Augment(
            flip=images.mirrors,
            shift=0.1 * far,
            rotate=13.0 * far,
            scale=0.14 * far,
            shear=10.0 * far,
            brightness=0.0 if grey else 0.2,
            contrast=0.0 if grey else 0.2,
            saturation=0.0 if grey else 0.2,
        ),
    )
    recipe = replace(recipe, **pace(arch, batch, normed))
    reasons.append(
        f"learning rate {recipe.lr:g}: "
        + ("batch norm allows a large one" if normed else "no batch norm, so a small one, and clipped gradients")
        + f", at a batch of {batch}"
    )
    return recipe, reasons


def pace(arch: Arch, batch: int, normed: bool) -> dict[str, Any]:
    """Learning rate in proportion to the batch (Goyal et al. 2017, section 2.1), and the first weights."""
    if normed:
        return {"lr": 0.2 * batch / 128, "smoothing": 0.1}
    if arch.name.startswith("lenet"):  # tanh: its slope is 1 at 0, where Xavier's scheme starts it
        return {"lr": 0.1 * batch / 64, "init": "xavier"}
    return {"lr": 0.02 * batch / 64, "clip": 1.0}


def has_norm(arch: Arch) -> bool:
    return any(getattr(row.spec, "norm", "none") == "bn" for row in arch.rows)
