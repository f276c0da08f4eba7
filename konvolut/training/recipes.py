"""The recipes a net is trained by when the user names none."""

from konvolut.images.imageset import ImageSet
from konvolut.nets.arch import Arch
from konvolut.training.recipe import Recipe

PASSES = 43_000  # training pictures a run sees in all, on small sets: 12 epochs of 3,600


def default_recipe(arch: Arch, images: ImageSet) -> tuple[Recipe, list[str]]:
    count = len(images.splits["train"])
    epochs = min(max(round(PASSES / count), 6), 60)
    recipe = Recipe(epochs=epochs, batch=min(64, max(8, count // 20)))
    return recipe, [f"{epochs} epochs"]
