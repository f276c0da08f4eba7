"""What the studies are made on: sets of pictures held once a process, and small trainings over them."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from torch import nn

from konvolut.errors import DataError
from konvolut.images.batches import Batches, hold
from konvolut.images.preprocess import InputSpec
from konvolut.images.sources import open_images
from konvolut.lab.study import Ask
from konvolut.nets.arch import Arch, build
from konvolut.nets.fit import fixed
from konvolut.training.loop import Training
from konvolut.training.recipe import Recipe
from konvolut.types import Labels, Pictures


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """Training and validation pictures of one size; a study never reads a split named test to choose anything."""

    spec: InputSpec
    train: Pictures
    train_labels: Labels
    val: Pictures
    val_labels: Labels
    classes: int


def asked(ask: Ask, size: int, train: int, val: int = 500) -> Material:
    """The pictures of a measurement: of the set it is asked on, and as many of `train` as its setting says."""
    return material(ask.setting.data or "digits", size, max(1, round(train * ask.setting.share)), val)


@cache
def material(where: str, size: int, train: int, val: int = 500) -> Material:
    """`train` and `val` pictures of the training split of `where`, chosen by content hash, as many of each class as can be;
    of a small set, four fifths and one.

    Raises DataError where that leaves a class without two training pictures.
    """
    images = open_images(where, val=0.0)
    split, classes = images.splits["train"], len(images.classes)
    val = min(val, len(split) // 5)
    train = min(max(train, 2 * classes), len(split) - val)
    hashed = np.argsort(np.array(split.hashes), kind="stable")
    turn = np.empty(len(split), int)  # the how-many-eth of its class a picture is
    for label in range(classes):
        of = hashed[split.labels[hashed] == label]
        turn[of] = np.arange(len(of))
    order = hashed[np.argsort(turn[hashed], kind="stable")]
    if np.bincount(split.labels[order[:train]], minlength=classes).min() < 2 or val < 1:
        raise DataError(f"{where}: too few pictures for a study; two of each class to learn from, and some to judge by")
    first = split.picture(0)
    spec = InputSpec(size=size, channels=first.shape[2])
    chosen, kept = split.part(order[:train].tolist()), split.part(order[train : train + val].tolist())
    pictures = hold(chosen, spec)
    pixels = pictures.reshape(-1, spec.channels) / 255
    spec = replace(spec, mean=tuple(pixels.mean(0).tolist()), std=tuple(pixels.std(0).tolist()))  # as `train` does
    return Material(spec, pictures, chosen.labels, hold(kept, spec), kept.labels, len(images.classes))


def training(arch: Arch, held: Material, recipe: Recipe, seed: int) -> Training:
    """A training of `arch` on `held`: the seed sets the order of pictures and, by name and shape, the first weights."""
    recipe = replace(recipe, seed=seed, batch=min(recipe.batch, len(held.train)))
    shape = (held.spec.channels, held.spec.size, held.spec.size)
    arch = fixed(arch, shape, held.classes)
    batches = Batches(held.train, held.train_labels, held.spec, recipe.batch, seed=seed, how=recipe.augment)
    return Training(build(arch, scheme=recipe.init, seed=seed), batches, recipe)


def trained(arch: Arch, held: Material, recipe: Recipe, seed: int) -> nn.Module:
    """The net after its last epoch, in evaluation mode."""
    course = training(arch, held, recipe, seed)
    for _ in course:
        pass
    net: nn.Module = course.net.eval()
    return net
