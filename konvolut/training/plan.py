"""What to train, at which size and how, when the user leaves it open; and in words, why."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from math import isfinite
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from torch import nn

from konvolut.errors import ArchError, RecipeError
from konvolut.images.batches import Batches
from konvolut.images.imageset import ImageSet
from konvolut.images.preprocess import InputSpec
from konvolut.nets.arch import Arch, build, facts
from konvolut.nets.catalogue import named
from konvolut.nets.names import ours
from konvolut.nets.tables import read_table
from konvolut.nets.variants import regularised
from konvolut.training.grounds import lines
from konvolut.training.loop import Training
from konvolut.training.parent import open_parent, starting
from konvolut.training.planned import Parent, Plan, Traits, of_arch, of_module, table
from konvolut.training.recipe import Recipe, changed
from konvolut.training.recipes import default_recipe
from konvolut.training.run import Run
from konvolut.training.schedule import side_at
from konvolut.training.sizes import (
    FEWEST,
    LEAST_REDUCED,
    SMALL,
    Look,
    look,
    own_scale,
    own_size,
    parent_scale,
    parent_size,
)

Net = str | Path | Arch | nn.Module
MOST = 2048  # px: no pictures are trained on at more
SMALL_NET, LARGE_NET = "resnet-20", "resnet-18"


def plan(
    images: ImageSet,
    net: Net | None = None,
    recipe: Recipe | None = None,
    settings: Mapping[str, Any] | None = None,
    size: int | None = None,
    minutes: float | None = None,
    device: str = "cpu",
    weights: str | Path | None = None,
) -> Plan:
    """Choose what is left open.

    `net` is a name, a TOML file with a table, a table, or a module, which is trained as it is. `recipe` is taken as it
    is; without one the net's default is taken, and `settings` change single fields of either. With `size` (px) the
    table is not altered, and ArchError names the row that does not fit. `minutes` plans epochs, and a smaller size
    where that is open too, from rates measured here on `device`. `weights`, a file, a run folder or imagenet, is what
    the training starts from: the table is then altered in its classifier alone, and what a parent run took, its child
    takes. Left open, see `parent.starting`.
    """
    settings = dict(settings or {})
    refuse(settings, size, minutes)
    changed(recipe or Recipe(), settings)  # a misspelt field is said before anything that takes time
    if changed(recipe or Recipe(), settings).exclude != images.exclude:
        raise RecipeError("exclude: these pictures are open already; open_images(..., exclude=FILE) leaves some out")
    seen = look(images)
    net, weights, why = starting(net, weights, seen.side, LARGE_NET)
    parent, run = open_parent(weights) if weights is not None else (None, None)
    net, reasons = chosen(net, seen, run)
    reasons = [*why, *reasons]
    if isinstance(net, nn.Module):
        found, traits = whole(net, seen, images, size, parent)
    else:
        found, traits = tabled(net, seen, images, size, parent, run)
    reasons += found.reasons
    if recipe is None:
        kind = "" if parent is None else "run" if run else "file"
        recipe, why = default_recipe(traits, images, settings, timed=minutes is not None, parent=kind)
        reasons += [*why, *lines(recipe, traits, settings)]
        if run is not None:
            recipe = replace(recipe, fit=run.card.input.fit, background=run.card.input.background)
    recipe = changed(recipe, settings)
    if recipe.patience and "val" not in images.splits:
        raise RecipeError(
            "patience waits for a gain on validation, and no pictures are set aside for that; --set val=0.1"
        )
    if found.arch is not None:
        found = replace(found, arch=regularised(found.arch, recipe.dropout, recipe.drop_path))
    elif recipe.dropout >= 0 or recipe.drop_path:
        raise RecipeError(f"dropout and drop_path alter a table; {found.name} is a module of your own and has its own")
    if images.fit:  # the pictures were made squares before they came here, and so must those be that are answered for
        for field, made in (("fit", images.fit), ("background", 255)):
            if settings.get(field, made) != made:
                raise RecipeError(
                    f"{field} = {settings[field]}: these pictures were decoded with {field} {made}; pack them anew"
                )
        recipe = replace(recipe, fit=images.fit, background=255)
    spec = replace(found.spec, fit=recipe.fit, background=recipe.background)
    if run is None and seen.side >= 2 * spec.size:
        spec = replace(spec, jpeg="scaled")
        reasons.append(
            f"JPEG files are decoded at a half, a quarter or an eighth where that leaves {spec.size} px, when serving too"
        )
    found = replace(found, recipe=recipe, spec=spec, reasons=tuple(reasons))
    for side in {recipe.test_size or spec.size, side_at(0, spec.size, recipe.grow)} - {spec.size}:
        at_another_size(found, side, images)
    return found if minutes is None else within(found, net, traits, images, minutes, device)


def at_another_size(found: Plan, side: int, images: ImageSet) -> None:
    """Raises ArchError, with the row, when the weights of a net would not take pictures of `side` px, too."""
    shape = (found.spec.channels, side, side)
    if found.arch is None:
        assert found.module is not None
        of_module(found.module, shape, images)
        return
    for own, other in zip(facts(found.arch), facts(found.arch, shape), strict=True):
        if own.params != other.params:
            raise ArchError(
                f"{found.name}, row {own.name}: its weights are for pictures of {found.spec.size} px and not of {side}; "
                "nets that end in global average pooling take several sizes"
            )


def refuse(settings: Mapping[str, Any], size: int | None, minutes: float | None) -> None:
    """Raises RecipeError for wishes that nothing can meet."""
    if size is not None and not 1 <= size <= MOST:
        raise RecipeError(f"size = {size}; it is a side in px, between 1 and {MOST}")
    if minutes is not None and not (isfinite(minutes) and minutes > 0):
        raise RecipeError(f"minutes = {minutes:g}; it is a time, above 0")
    if minutes is not None and "epochs" in settings:
        raise RecipeError("minutes and epochs: one plans the other; give one of them")


def chosen(net: Net | None, seen: Look, run: Run | None) -> tuple[str | Arch | nn.Module, list[str]]:
    """The net that is meant, by name, as a table or a module, and why it is that one where the user left it open."""
    if net is None and run is not None:
        return run.arch(), [f"net {run.card.net}: that of {run.path}, whose weights it starts from"]
    if net is None:
        if seen.side <= SMALL:
            return SMALL_NET, [f"net {SMALL_NET}: pictures of {seen.side} px are small, and it is made for those"]
        return LARGE_NET, [
            f"net {LARGE_NET}: pictures of {seen.side} px are not small; it is the shallowest residual net made for such"
        ]
    if isinstance(net, Arch | nn.Module):
        return net, []
    if Path(net).suffix.casefold() == ".toml":
        return read_table(Path(net)), []
    name = ours(str(net))
    return name, [f"{net} is {name}"] if name != str(net) else []


def whole(net: nn.Module, seen: Look, images: ImageSet, size: int | None, parent: Parent | None) -> tuple[Plan, Traits]:
    """A plan, less its recipe, for a module of the user's own: as it is, on pictures of `size` or their own size.

    It takes as many channels as its first convolution does: 1 is grey, 3 is colour.
    """
    first = next((part.in_channels for part in net.modules() if isinstance(part, nn.Conv2d)), 0)
    channels = first if first in (1, 3) else 1 if seen.grey else 3
    reasons = []
    if size is None:
        size = 4 * -(-seen.side // 4)
        reasons.append(f"size {size} px: the pictures' own")
    traits = of_module(net, (channels, size, size), images)
    mean, std = own_scale(seen, channels)
    found = Plan(
        name=type(net).__name__, fitted=False, arch=None, module=net, recipe=Recipe(), changes=(),
        reasons=tuple(reasons), spec=InputSpec(size=size, channels=channels, mean=mean, std=std), parent=parent,
    )  # fmt: skip
    return found, traits


def tabled(
    net: str | Arch, seen: Look, images: ImageSet, size: int | None, parent: Parent | None, run: Run | None
) -> tuple[Plan, Traits]:
    """A plan, less its recipe, for a table."""
    name = net if isinstance(net, str) else net.name
    base = named(net) if isinstance(net, str) else net
    fitted = size is None and parent is None and "@" not in name
    channels = (1 if seen.grey else 3) if parent is None else run.card.input.channels if run else base.input[0]
    mean, std = own_scale(seen, channels)
    reasons = []
    if parent is not None:
        mean, std, why = parent_scale(run, base, (mean, std), parent.sha256)
        reasons.append(f"values less their mean over their deviation: {why}")
    if size is None:
        size, why = own_size(base, seen, channels, images) if parent is None else parent_size(run, base, seen, channels)
        reasons.append(f"size {size} px: {why}")
    if seen.grey and channels == 1:
        reasons.append("1 channel: every picture looked at is grey")
    arch, changes = table(net, fitted, (channels, size, size), len(images.classes))
    found = Plan(
        name=name, fitted=fitted, arch=arch, recipe=Recipe(), changes=changes, reasons=tuple(reasons), parent=parent,
        spec=replace(run.card.input if run else InputSpec(size=1), size=arch.input[1], channels=channels, mean=mean, std=std),
    )  # fmt: skip
    return found, of_arch(arch)


def within(
    found: Plan, net: str | Arch | nn.Module, traits: Traits, images: ImageSet, minutes: float, device: str
) -> Plan:
    """As many epochs as fit into `minutes`, and for a table that may be altered a smaller size where they are too few."""
    count, side = len(images.splits["train"]), found.spec.size
    for size in (side, 4 * (side * 3 // 16), 4 * (side // 8)) if found.fitted else (side,):
        tried = found
        if not isinstance(net, nn.Module) and found.fitted:
            arch, changes = table(net, True, (found.spec.channels, size, size), len(images.classes))
            arch = regularised(arch, found.recipe.dropout, found.recipe.drop_path)
            tried = replace(found, arch=arch, changes=changes, spec=replace(found.spec, size=arch.input[1]))
        rate = images_per_s(tried, count, device)
        epochs = int(0.9 * minutes * 60 * rate / count)  # a tenth for validation and for a rate that was too rosy
        if epochs >= FEWEST[traits.normed] or size <= LEAST_REDUCED:
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
    net = build(found.arch) if found.arch else deepcopy(found.module)  # a module is the user's: leave it untrained
    assert net is not None
    training = Training(net, batches, replace(found.recipe, epochs=steps + 1, batch=size), device)
    seconds = []
    for _ in range(steps + 1):
        start = perf_counter()
        next(training.events())
        seconds.append(perf_counter() - start)
    return size / float(np.median(seconds[1:]))
