"""What `check` found, as one HTML page: counts, and contact sheets of the pictures it is about. No torch."""

import os
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from konvolut.errors import DataError
from konvolut.figures import bars
from konvolut.images.check import SPLITS, WORDS, Finding, Report, Seen, joined
from konvolut.images.decode import decode
from konvolut.images.preprocess import FITS, InputSpec, preprocess
from konvolut.images.quarantine import writable
from konvolut.images.worker import Worker
from konvolut.language import both
from konvolut.page import Page
from konvolut.types import Picture

SIDE = 96  # px, the longest side of a thumbnail
TINY = 48  # px; a picture below it is enlarged pixel by pixel
SHOWN = 24  # thumbnails of one kind of finding
TOGETHER = 4  # of one group of copies
NAMED = 200  # groups of one kind that are named
DRAWN = 40  # classes up to which the counts are bars; above, a table
PREVIEWED = 4  # pictures that are shown fitted
QUALITY = 80  # of a thumbnail's JPEG

Thumbnails = Callable[[str, int | None], list[bytes]]  # name, size to fit to -> JPEGs: itself, or of each of FITS too


def write_page(report: Report, path: Path, size: int = 64) -> Path:
    """Write the page to `path`, whole or not at all, and return where it lies. size: px, what the preview fits to.

    Replaces an earlier page; raises DataError where anything else lies there.
    """
    replaceable(path)
    page = Page(both("What is in {data}", data=report.where), "Konvolut")
    pictures, found = len(report.seen), sum(one.count for one in report.findings)
    page.headline(str(found), both("findings among {n} pictures of {k} classes", n=pictures, k=len(report.counts)))
    summary(page, report)
    counts(page, report)
    with Worker("konvolut.images.contact:thumbnails") as worker:

        def shown(name: str, fit: int | None) -> list[bytes]:
            try:
                data = report.listing.contents(name)
                called = report.listing.called(name)
                return thumbnails(data, name, fit) if report.drawn else list(worker.ask(data, called, size=fit))
            except DataError:
                return []

        for finding in report.findings:
            sheet(page, report, finding, shown)
        preview(page, report, size, shown)
    return page.write(path)


def replaceable(path: Path) -> None:
    """Raises DataError where a page may not be written: something else lies there, or nothing may."""
    if path.is_dir():
        raise DataError(f"{path}: a folder; name a file")
    if os.path.lexists(path):  # a pipe, a device or a link to nothing is no page either, and is not opened
        held = path.read_bytes() if path.is_file() else b""
        if not (held.startswith(b"<!doctype html>") and b'<p class="kicker">Konvolut</p>' in held):
            raise DataError(
                f"{path}: already there and not a page of Konvolut; nothing is overwritten, so give another name"
            )
    writable(path)


def thumbnails(data: bytes, path: str, size: int | None = None) -> list[bytes]:
    """JPEGs of a picture; with `size`, also of it fitted to so many px in each of the ways of FITS."""
    picture = decode(data, path)
    fitted = [preprocess(picture, InputSpec(size=size, fit=fit)) for fit in FITS] if size else []
    return [_jpeg(one) for one in (picture, *fitted)]


def summary(page: Page, report: Report) -> None:
    """What was found, worst first, and of what the set is made."""
    if report.findings:
        page.items(both(WORDS[one.kind], n=one.count) for one in report.findings)
    else:
        page.text(both("Nothing was found."))
    facts = [
        (both("formats"), both("arrays") if report.drawn else _counted(report.tally(lambda header: header.format))),
        (both("modes"), _counted(report.tally(lambda header: header.mode))),
    ]
    if sizes := report.sizes():
        small, middle, large = (f"{width} x {height} px" for width, height in sizes)
        facts.append((both("sizes: smallest, middle, largest"), f"{small}, {middle}, {large}"))
    page.facts(facts)


def counts(page: Page, report: Report) -> None:
    """Pictures of each class in each split."""
    page.section(both("Pictures of each class"))
    held = report.counts
    if len(held) <= DRAWN:
        page.figure(
            *(
                bars(
                    [{"class": label, "pictures": of_class[role]} for label, of_class in held.items()],
                    "class", "pictures", title=both("pictures in {split}", split=both(SPLITS[role])), name=role,
                    width=440 // len(report.roles),
                )
                for role in report.roles
            ),
            caption=both("Pictures of each class, split by split."),
        )  # fmt: skip
    rows = [(label, *(str(of_class[role]) for role in report.roles)) for label, of_class in held.items()]
    page.table(
        (both("class"), *(both(SPLITS[role]) for role in report.roles)),
        rows,
        both("Pictures of each class, as numbers"),
        folded=True,
    )


def sheet(page: Page, report: Report, finding: Finding, shown: Thumbnails) -> None:
    """One kind of finding: its pictures, as many as there is room for, and the names."""
    page.section(both(WORDS[finding.kind], n=finding.count))
    known = {entry.name for entry in report.listing.entries}
    cells: list[tuple[bytes | None, str, Sequence[str]]] = []
    shown_groups = 0
    if finding.kind != "unreadable":
        for number, group in enumerate(finding.groups, 1):
            names = [name for name in group if name in known][:TOGETHER]
            if len(cells) + len(names) > SHOWN:
                break
            for name in names:
                mark = f"{number} · " if len(group) > 1 else ""
                cells.append((next(iter(shown(name, None)), None), name, (f"{mark}{name}",)))
            shown_groups += bool(names) and len(names) == len(group)
    if cells:
        grouped = any(len(group) > 1 for group in finding.groups)
        page.pictures(
            cells,
            both("{n} of these pictures; one number, one group.", n=len(cells))
            if grouped
            else both("{n} of these pictures.", n=len(cells)),
        )
    if not finding.reasons and shown_groups == finding.count:
        return
    names = [joined(finding, group) for group in finding.groups[:NAMED]]
    rows = list(zip(names, finding.reasons, strict=False)) if finding.reasons else [(name,) for name in names]
    head = (both("which"), both("why")) if finding.reasons else (both("which"),)
    page.table(head, rows, both("The first {n} of {all}", n=len(rows), all=finding.count), folded=len(rows) > 12)


def preview(page: Page, report: Report, size: int, shown: Thumbnails) -> None:
    """Some of the pictures as a net would take them, from the widest to the tallest."""
    page.section(both("Fitted to {size} x {size} px", size=size))
    readable = [
        (one.header.width / one.header.height, entry.name)
        for entry, one in zip(report.listing.entries, report.seen, strict=True)
        if isinstance(one, Seen) and "blank" not in one.faults
    ]
    readable.sort(reverse=True)
    if not readable:
        page.text(both("There is no picture to show."))
        return
    places = np.linspace(0, len(readable) - 1, min(PREVIEWED, len(readable))).round().astype(int)
    cells: list[tuple[bytes | None, str, Sequence[str]]] = []
    for place in places.tolist():
        name = readable[place][1]
        jpegs = shown(name, size)
        cells += [
            (jpeg, f"{name}, {way or 'as it is'}", (way or name,))
            for jpeg, way in zip(jpegs, ("", *FITS), strict=False)
        ]
    page.pictures(
        cells,
        both(
            "Each picture as it is, and in the three ways to make it square: crop keeps the middle, pad adds a border,"
            " stretch changes its proportions. `train` takes one of them by `--set fit=`."
        ),
    )


def _counted(tally: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in tally.items()) or "–"


def _jpeg(picture: Picture) -> bytes:
    image = Image.fromarray(np.ascontiguousarray(picture[..., 0] if picture.shape[2] == 1 else picture))
    longest = max(image.size)
    if longest < TINY:
        times = SIDE // longest
        image = image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)
    elif longest > SIDE:
        size = tuple(max(1, round(side * SIDE / longest)) for side in image.size)
        image = image.resize((size[0], size[1]), Image.Resampling.LANCZOS)
    file = BytesIO()
    image.save(file, "JPEG", quality=QUALITY)
    return file.getvalue()
