"""look.html: what was seen inside a net, on one page that needs nothing else."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from konvolut.errors import RunError
from konvolut.figures import Page, curves
from konvolut.language import CODES, Text, both
from konvolut.lens.cam import overlay
from konvolut.lens.findings import percent
from konvolut.lens.look import Look, Subject
from konvolut.lens.maps import FILTERS, png, tile
from konvolut.types import Picture

SHOWN = 240  # px, the side of a large picture


def page_of(subject: Subject, out: str | Path | None = None) -> Path:
    """Where the page goes: `out`, else look.html in the run's folder, else NET-look.html here.

    Raises RunError when `out` is there already; the page of the last look is replaced.
    """
    if out is not None:
        if Path(out).exists():
            raise RunError(f"{out}: already there, and nothing is overwritten; another --html")
        return Path(out)
    name = subject.name.replace("/", "-")
    return subject.run.path / "look.html" if subject.run else Path(f"{name}-look.html")


def write_look(look: Look, out: Path) -> Path:
    """Write the page to `out`, whole or not at all, and return where it lies."""
    kicker = both("Konvolut: {net} looks at {image}", net=look.subject.name, image=Path(look.image).name)
    page = Page(both("Inside {net}", net=look.subject.name), kicker)
    answer(page, look)
    pointed(page, look)
    filters(page, look)
    maps(page, look)
    patches(page, look)
    sizes(page, look)
    shifted(page, look)
    return page.write(out)


def answer(page: Page, look: Look) -> None:
    """What the net says, and how far that can mean anything."""
    (best, sure), *others = look.answers
    page.headline(percent(sure), both("is the probability that the net gives to class {label}", label=best))
    if look.subject.run is None and not look.subject.weights:
        page.text(both(
            "This net is untrained: its weights were drawn from seed 0, so its answer means nothing. What can be seen "
            "here is what the architecture alone does to a picture."))  # fmt: skip
    side, channels = look.subject.spec.size, look.subject.spec.channels
    facts: list[tuple[Text, Text]] = [(both("net"), look.subject.name)]
    if look.subject.weights:
        facts.append((both("weights"), look.subject.weights))
    if look.subject.run is not None:
        facts.append((both("run"), str(look.subject.run.path)))
    facts.append((both("picture"), look.image))
    facts.append((both("the net takes"), f"{channels} × {side} × {side} px"))
    if others:
        facts.append((both("next"), ", ".join(f"{label} ({percent(share)})" for label, share in others)))
    page.facts(facts)


def pointed(page: Page, look: Look) -> None:
    """The picture, and under it where each explained class is seen."""
    page.section(both("Where it looks"))
    large = enlarged(look.picture)
    cells: list[tuple[bytes, str, list[Text]]] = [(as_png(large), "the picture", [both("as the net takes it")])]
    for label, found in look.class_maps.items():
        seen = as_png(overlay(large, found.heat[0]))
        cells.append((seen, f"where class {label} is seen", [both("class {label}", label=label)]))
    if not look.class_maps:
        none = both("No row of this net gives maps, so there is no place to point at.")
        page.pictures(cells, none, large=True)
        return
    found = next(iter(look.class_maps.values()))
    height, width = found.heat.shape[1:]
    if found.how == "CAM":
        how = both(
            "Class activation map (Zhou et al. 2016): the {h} × {w} maps of row {row}, weighed by the dense weights of the "
            "class and brought to the size of the picture. The stronger the colour, the more the place speaks for the "
            "class; places that speak against it are left grey.", row=found.row, h=height, w=width)  # fmt: skip
    else:
        how = both(
            "Grad-CAM (Selvaraju et al. 2017): the {h} × {w} maps of row {row}, each weighed by the mean gradient of the "
            "class's logit by it and brought to the size of the picture; what is below zero is left out. The stronger the "
            "colour, the more the place speaks for the class.", row=found.row, h=height, w=width)  # fmt: skip
    page.pictures(cells, how, large=True)


def filters(page: Page, look: Look) -> None:
    """The kernels of the first convolution."""
    page.section(both("What the first layer looks for"))
    if look.filters is None:
        page.text(both("This net has no convolution, so it has no filters to look at."))
        return
    some = look.filters[:FILTERS]
    height, width, channels = some[0].shape
    cells = [(tile(one), f"filter {i}", ()) for i, one in enumerate(some)]
    colours = both("in colour") if channels == 3 else both("in grey")
    told = both(
        "{n} of {of} filters of the first convolution, {h} × {w} px, {colours}, in their order. Each has a contrast of "
        "its own: mid grey is a weight of zero, the largest weight lies at an end of the scale.",
        n=len(some), of=len(look.filters), h=height, w=width, colours="{colours}",
    )  # fmt: skip
    page.pictures(cells, {code: told[code].replace("{colours}", colours[code]) for code in CODES})


def maps(page: Page, look: Look) -> None:
    """The most active maps of each chosen row."""
    page.section(both("What it makes of this picture"))
    page.text(both(
        "Each picture is one map. Black is zero (or its least value, where that is below zero), white is its largest "
        "value; so a faint map can look as bright as a strong one, and order tells them apart."))  # fmt: skip
    for row, (total, most) in look.maps.items():
        height, width = most[0].picture.shape[:2]
        alts = [f"{row}, channel {one.channel}, mean {one.mean:.3g}" for one in most]
        page.pictures(
            [(tile(one.picture), alt, ()) for one, alt in zip(most, alts, strict=True)],
            both("Row {row}: {n} of {of} maps of {h} × {w}, the most active first (mean of absolute values): channels "
                 "{channels}.", row=row, n=len(most), of=total, h=height, w=width,
                 channels=", ".join(str(one.channel) for one in most)),
        )  # fmt: skip


def patches(page: Page, look: Look) -> None:
    """The places of training pictures that excite channels most."""
    page.section(both("What excites a channel"))
    held = look.examples
    if held is None:
        page.text(look.missing)
        return
    page.text(both(
        "{n} of {of} training pictures were looked at, evenly spread. From each the place is taken where the channel is "
        "largest, and cut out as far as the channel sees: its receptive field, where that lies in the picture.",
        n=f"{len(held.pictures):,}", of=f"{held.total:,}"))  # fmt: skip
    names = look.subject.classes
    for (row, channel), found in held.patches.items():
        cells = []
        for patch in found:
            top, left, bottom, right = patch.box
            label = names[held.labels[patch.index]]
            cut = held.pictures[patch.index, top:bottom, left:right]
            cells.append((tile(cut), f"{label}, {held.names[patch.index]}, {patch.value:.3g}", ()))
        if not cells:
            page.text(both("Row {row}, channel {channel}: none of them excites it.", row=row, channel=channel))
            continue
        seen = ", ".join(names[held.labels[patch.index]] for patch in found)
        high, low = (f"{found[i].value:.3g}" for i in (0, -1))
        page.pictures(cells, both(
            "Row {row}, channel {channel}: from {high} down to {low}. Classes: {seen}.",
            row=row, channel=channel, high=high, low=low, seen=seen))  # fmt: skip


def sizes(page: Page, look: Look) -> None:
    """Norms of activations and gradients along the net."""
    page.section(both("How large it gets"))
    best = look.answers[0][0]
    known = {"activation": both("activation"), "gradient": both("by the map"), "weight": both("by the weights")}
    series: dict[str, list[dict[str, Any]]] = {"activation": [], "gradient": [], "weight": []}
    for place, norm in enumerate(look.norms, 1):
        for key, value in (
            ("activation", norm.activation),
            ("gradient", norm.gradient),
            ("weight", norm.weight_gradient),
        ):
            if value is not None and np.isfinite(value) and value > 0:  # a logarithm has no place for the others
                series[key].append({"row": place, "norm": value, "series": key})
    charts = []
    along = both("row, in the order of passing")
    if rows := series["activation"]:
        titles = (along, both("norm of the activation"))
        charts.append(curves(rows, "row", "norm", "series", titles=titles, log=True, width=330))
    if rows := [*series["gradient"], *series["weight"]]:
        titles = (along, both("norm of the gradient"))
        names = {key: known[key] for key in ("gradient", "weight") if series[key]}
        charts.append(curves(rows, "row", "norm", "series", titles=titles, names=names, log=True, width=262))
    if charts:
        page.figure(*charts, caption=both(
            "Euclidean norms for this picture, on logarithmic axes: of what each row gives, and of the gradient of the "
            "cross-entropy of class {label} by what the row gives and by what it learns.", label=best))  # fmt: skip
    head = (both("row"), both("activation"), both("gradient by the map"), both("gradient by the weights"))
    page.table(
        head,
        [
            (one.name, number(one.activation), number(one.gradient), number(one.weight_gradient))
            for one in look.norms
        ],
        both("The norms, row by row"),
        folded=True,
    )  # fmt: skip


def shifted(page: Page, look: Look) -> None:
    """What a few pixels aside change."""
    page.section(both("The same picture a few pixels aside"))
    best, reach = look.answers[0][0], max(one.dx for one in look.shifts)
    ways = {"across": both("left, right"), "down": both("up, down")}
    sure = [
        {"shift": one.dx if way == "across" else one.dy, "value": one.probability, "series": way}
        for way in ways for one in look.shifts if (one.dy if way == "across" else one.dx) == 0
    ]  # fmt: skip
    pixels = both("shift (px)")
    titles = (pixels, both("probability of {label}", label=best))
    charts = [curves(sure, "shift", "value", "series", titles=titles, names=ways, share=True, width=262)]
    moved = [
        {"shift": one.dx, "value": value, "series": row}
        for one in look.shifts if not one.dy for row, value in one.moved.items()
    ]  # fmt: skip
    if moved:
        named = {row: row for row in look.maps}
        titles = (pixels, both("change of the maps, left or right"))
        charts.append(curves(moved, "shift", "value", "series", titles=titles, names=named, share=True, width=262))
    page.figure(*charts, caption=both(
        "The picture moved by up to {reach} px; its border pixels are repeated into what comes free. Change: the norm of "
        "the difference between the maps of the moved picture and those of the picture in place, as a share of the norm "
        "of these.", reach=reach))  # fmt: skip
    head: tuple[Text, ...] = (both("right (px)"), both("down (px)"), both("probability"), *look.maps)
    rows = [
        (str(one.dx), str(one.dy), percent(one.probability), *(percent(one.moved[row]) for row in look.maps))
        for one in look.shifts
    ]
    page.table(head, rows, both("Probability of {label}, and change of the maps", label=best), folded=True)


def enlarged(picture: Picture) -> Picture:
    """The picture at about 240 px: a smaller one by whole multiples, so that its pixels can be seen."""
    height, width = picture.shape[:2]
    times = max(1, SHOWN // max(height, width))
    return np.repeat(np.repeat(picture, times, axis=0), times, axis=1)


def as_png(picture: Picture) -> bytes:
    return png(Image.fromarray(np.ascontiguousarray(picture[..., 0] if picture.shape[2] == 1 else picture)))


def number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"
