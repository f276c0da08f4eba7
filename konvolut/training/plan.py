"""What to train, at which size and how, when the user leaves it open; and in words, why."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isfinite
from time import perf_counter
from typing import Any

import numpy as np

from konvolut.errors import ArchError, RecipeError
from konvolut.images.batches import Batches
from konvolut.images.imageset import ImageSet
from konvolut.images.preprocess import InputSpec
from konvolut.nets.arch import Arch, build, classifier
from konvolut.nets.catalogue import named
from konvolut.nets.fit import fit, fixed, unaltered_side
from konvolut.nets.variants import without_last_activation
from konvolut.training.loop import Training
from konvolut.training.recipe import Recipe, changed
from konvolut.training.recipes import affordable, default_recipe, has_norm
from konvolut.types import Picture, Shape

SMALL = 40  # px: pictures up to here are trained at their own size
MOST = 2048  # px: and none is trained on at more
LEAST = 16  # px: and ones smaller than this are enlarged
LEAST_REDUCED = 20  # px: no picture that is larger is made smaller than this to save time ...
FEWEST = {True: 5, False: 8}  # ... so that there is time for this many epochs, with and without batch norm
SMALL_NET, LARGE_NET = "resnet-20", "resnet-18"


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Everything a training needs to be told."""

    name: str  # of the net
    fitted: bool  # may its table be altered to suit the pictures?
    arch: Arch
    spec: InputSpec
    recipe: Recipe
    changes: tuple[str, ...]  # what was altered in the table
    reasons: tuple[str, ...]  # what was chosen, and why


@dataclass(frozen=True, slots=True)
class Look:
    """What a glance at some training pictures says."""

    side: int  # px, the median of their longer sides
    grey: bool  # every pixel of every picture
    mean: tuple[float, ...]  # one a channel, of values in [0, 1]
    std: tuple[float, ...]


def look(images: ImageSet, most: int = 64) -> Look:
    """Glance at up to `most` training pictures, spread evenly over the split."""
    split = images.splits["train"]
    sides, some = [], []
    for i in range(0, len(split), -(-len(split) // most)):
        picture = split.picture(i)
        sides.append(max(picture.shape[:2]))
        every = -(-sides[-1] // 128)  # thinned at once: most photographs do not fit into memory together
        some.append(picture[::every, ::every].copy())
    grey = all(is_grey(picture) for picture in some)
    pixels = np.concatenate([(p[..., :1] if grey else p).reshape(-1, 1 if grey else p.shape[2]) for p in some])
    mean, std = pixels.mean(0) / 255, pixels.std(0) / 255
    return Look(
        int(np.median(sides)),
        grey,
        tuple(round(float(m), 3) for m in mean),
        tuple(round(max(float(s), 0.02), 3) for s in std),
    )


def is_grey(picture: Picture) -> bool:
    return picture.shape[2] == 1 or bool((picture == picture[..., :1]).all())


def plan(
    images: ImageSet,
    net: str | None = None,
    recipe: Recipe | None = None,
    settings: Mapping[str, Any] | None = None,
    size: int | None = None,
    minutes: float | None = None,
    device: str = "cpu",
) -> Plan:
    """Choose what is left open.

    `recipe` is taken as it is; without one the net's default is taken, and `settings` change single fields of either.
    With `size` (px) the table is not altered, and ArchError names the row that does not fit. `minutes` plans epochs,
    and a smaller size where that is open too, from rates measured here on `device`.
    """
    if size is not None and not 1 <= size <= MOST:
        raise RecipeError(f"size = {size}; it is a side in px, between 1 and {MOST}")
    if minutes is not None and not (isfinite(minutes) and minutes > 0):
        raise RecipeError(f"minutes = {minutes:g}; it is a time, above 0")
    if minutes is not None and "epochs" in (settings or {}):
        raise RecipeError("minutes and epochs: one plans the other; give one of them")
    settings = dict(settings or {})
    changed(recipe or Recipe(), settings)  # a misspelt field is said before anything that takes time
    seen = look(images)
    reasons = []
    own = seen.side <= SMALL
    if net is None:
        net = SMALL_NET if own else LARGE_NET
        reasons.append(
            f"net {net}: pictures of {seen.side} px are small, and it is made for those"
            if own
            else f"net {net}: pictures of {seen.side} px are not small; it is the shallowest residual net made for such"
        )
    fitted = size is None and "@" not in net
    channels = 1 if seen.grey else 3
    if size is None:
        size, chosen = own_size(net, seen, channels, images)
        reasons.append(f"size {size} px: {chosen}")
    if seen.grey:
        reasons.append("1 channel: every picture looked at is grey")
    arch, changes = table(net, fitted, (channels, size, size), len(images.classes))
    if recipe is None:
        recipe, why = default_recipe(arch, images, settings, timed=minutes is not None)
        reasons += why
    found = Plan(
        name=net,
        fitted=fitted,
        arch=arch,
        spec=InputSpec(size=arch.input[1], channels=channels, mean=seen.mean, std=seen.std),
        recipe=changed(recipe, settings),
        changes=changes,
        reasons=tuple(reasons),
    )
    if minutes is None:
        return found
    return within(found, images, minutes, device, smaller=fitted)


def own_size(net: str, seen: Look, channels: int, images: ImageSet) -> tuple[int, str]:
    """The side, in px, that pictures are trained at when the user names none, and why."""
    size = max(4 * -(-seen.side // 4), LEAST)
    if seen.side > SMALL:
        least = unaltered_side(named(net), channels)
        if least < size:
            return least, f"the least that {net} takes as its paper prints it"
        return size, "the pictures' own"
    if seen.side < LEAST:
        return size, f"the pictures of {seen.side} px are enlarged"
    count, classes = len(images.splits["train"]), len(images.classes)
    sides = (size, size + 4, *range(size - 4, LEAST_REDUCED - 1, -4))  # a larger one may be cheaper: a pool more stays

    def epochs(side: int) -> int:
        try:
            return affordable(table(net, True, (channels, side, side), classes)[0], count)
        except ArchError:
            return 0

    paid = {side: epochs(side) for side in sides}
    enough = FEWEST[has_norm(named(net))]
    side = next((side for side in sides if paid[side] >= enough), max(sides, key=lambda side: paid[side]))
    if side == size:
        return size, "the pictures' own"
    return side, f"at their own {size} px {net} cannot see every picture {enough} times in ten minutes on two cores"


def table(net: str, fitted: bool, shape: Shape, classes: int) -> tuple[Arch, tuple[str, ...]]:
    """The table of `net` for these pictures, and what was altered in it."""
    if not fitted:
        return fixed(named(net), shape, classes), ()
    arch, changes = fit(named(net), shape, classes)
    linear = without_last_activation(arch)
    if linear != arch:  # NiN's class maps: one that starts below 0 everywhere could never learn
        changes += (f"{classifier(arch).name}: no activation on the class maps, so that no class can die",)
    return linear, changes


def within(found: Plan, images: ImageSet, minutes: float, device: str, smaller: bool) -> Plan:
    """As many epochs as fit into `minutes`, and with `smaller` a smaller size where they would be too few."""
    count, side = len(images.splits["train"]), found.spec.size
    for size in (side, 4 * (side * 3 // 16), 4 * (side // 8)) if smaller else (side,):
        arch, changes = table(found.name, smaller, (found.spec.channels, size, size), len(images.classes))
        tried = replace(found, arch=arch, changes=changes, spec=replace(found.spec, size=arch.input[1]))
        rate = images_per_s(tried, count, device)
        epochs = int(0.9 * minutes * 60 * rate / count)  # a tenth for validation and for a rate that was too rosy
        if epochs >= FEWEST[has_norm(arch)] or size <= LEAST_REDUCED:
            break
    if epochs < 1:
        raise RecipeError(
            f"minutes = {minutes:g}; an epoch of {found.name} at {size} px takes {count / rate / 60:.3g} here; "
            "more minutes, a smaller --size or a smaller --net"
        )
    recipe = replace(found.recipe, epochs=min(epochs, 300))
    why = f"{recipe.epochs} epochs at {tried.spec.size} px: {minutes:g} minutes at {rate:.0f} pictures a second, measured here"
    return replace(tried, recipe=recipe, reasons=(*found.reasons, why))


def images_per_s(found: Plan, count: int, device: str, steps: int = 4) -> float:
    """Training rate of `found` on grey pictures of its size; the first step warms up and is not counted."""
    size = min(found.recipe.batch, count)
    spec = found.spec
    blank = np.full((size, spec.size, spec.size, spec.channels), 127, np.uint8)
    batches = Batches(blank, np.arange(size) % 2, spec, size, how=found.recipe.augment)
    training = Training(build(found.arch), batches, replace(found.recipe, epochs=steps + 1, batch=size), device)
    seconds = []
    for _ in range(steps + 1):
        start = perf_counter()
        next(training.events())
        seconds.append(perf_counter() - start)
    return size / float(np.median(seconds[1:]))
