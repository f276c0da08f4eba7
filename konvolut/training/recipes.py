"""The recipe a net is trained by when the user names none, and why it is that."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from konvolut.images.augment import Augment
from konvolut.images.imageset import ImageSet
from konvolut.training.planned import Traits
from konvolut.training.recipe import Recipe, changed

MOST_MACS = (
    1e13  # forward, over a whole run: some ten minutes on two cores, at three times that for forward and backward
)
PASSES = {True: 32_400, False: 110_000}  # pictures seen in all, on small sets, with and without batch norm
EPOCHS = (2, 60)  # fewest and most
TRUNK_RATE = {  # of the classifier's, by where the weights come from: a run of one's own, or somebody's file
    True: 1.0,  # from the made world to digits and drawings, two seeds, validation pictures: 1 beat 0.3 and 0.1
    False: 0.1,  # usual for trunks that have seen a million photographs; none could be tried here
}
FEW = 12  # epochs: with fewer, a net without batch norm has no time for pictures that are moved far: half as far


def affordable(net: Traits, count: int) -> int:
    """Epochs over `count` pictures that MOST_MACS pays for."""
    return int(MOST_MACS / (count * max(net.macs, 1)))


def default_recipe(
    net: Traits, images: ImageSet, settings: Mapping[str, Any], timed: bool = False, parent: str = ""
) -> tuple[Recipe, list[str]]:
    """A recipe for a net with the user's `settings` in it, and the reasons for the rest, in words.

    `timed`: the epochs will be planned from a time, so nothing is said of them. `parent`: it starts from the weights of
    a "run" or of a "file". Everything here but the rate of a file's trunk was chosen on validation pictures.
    """
    count = len(images.splits["train"])
    grey, normed = net.grey, net.normed
    by_passes, by_cost = round(PASSES[normed] / count), affordable(net, count)
    epochs = settings.get("epochs", min(max(min(by_passes, by_cost), EPOCHS[0]), EPOCHS[1]))
    batch = settings.get("batch", min(128 if normed else 64, max(8, count // 16), count))
    far = 1.0 if normed or timed or epochs >= FEW else 0.5
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
    recipe = replace(recipe, **pace(net, batch))
    reasons = []
    if parent and not {"freeze", "trunk", "head_first"} & set(settings):
        recipe = replace(recipe, head_first=True, trunk=TRUNK_RATE[parent == "run"])
        reasons.append(
            "fine-tuning: the classifier first, on features computed once; then all of it, the trunk at "
            f"{recipe.trunk:g} of the rate, which is kept if validation gains by it"
        )
    recipe = changed(recipe, dict(settings))
    if not timed and "epochs" not in settings:
        reasons.append(
            f"{epochs} epochs, {epochs * count:,} pictures in all: "
            + ("enough for a small set" if by_passes <= by_cost else "about ten minutes on two cores, at most")
        )
    if "flip" not in settings:
        reasons.append(f"mirrored left to right: {'yes' if images.mirrors else 'no'}")
    if "lr" not in settings:
        norm = "batch norm allows a large one" if normed else "without batch norm, a small one"
        reasons.append(f"learning rate {recipe.lr:.3g} at a batch of {batch}: {norm}")
    return recipe, reasons


def pace(net: Traits, batch: int) -> dict[str, Any]:
    """Learning rate in proportion to the batch (Goyal et al. 2017, section 2.1), and the first weights."""
    if net.normed:
        return {"lr": 0.2 * batch / 128, "smoothing": 0.1}
    if net.tanh:  # tanh: its slope is 1 at 0, where Xavier's scheme starts it
        return {"lr": 0.1 * batch / 64, "init": "xavier"}
    return {"lr": 0.02 * batch / 64, "clip": 1.0}
