"""The figures that the notes lost, drawn again: boxes of blocks, nested function classes, two histories."""

from collections.abc import Callable, Mapping, Sequence
from math import cos, pi, sin

import numpy as np

from konvolut.blocks.residual import Basic, Stage
from konvolut.blocks.spec import Row
from konvolut.figures import Spec, curves, regions, timeline
from konvolut.lab.claims.a17 import gram_sorted, nearest_support
from konvolut.lab.claims.r12 import distances
from konvolut.lab.history import HISTORY, Event
from konvolut.language import Text, both
from konvolut.lens.drawn import NetPage, svg
from konvolut.lens.ledger import ledger
from konvolut.lens.pictures import thumbnail
from konvolut.nets.arch import Arch
from konvolut.nets.catalogue import named

TRUTH = (0.75, 0.1)  # of f*, in the plane of the drawn classes
NESTED = [(0.0, 0.0, 0.15 + 0.14 * i) for i in range(1, 6)]  # x, y, radius
APART = [(-0.5, -0.5, 0.3), (0.05, -0.1, 0.38), (-0.05, 0.5, 0.44), (-0.6, 0.25, 0.48), (-0.3, -0.35, 0.62)]


def one_row(row: Row, takes: tuple[int, int, int]) -> str:
    """The drawing of a single row of a net."""
    return svg(ledger(Arch(row.name, "", takes, (row,))))


def inception(page: NetPage) -> None:
    row = next(row for row in named("googlenet").rows if row.name == "3a")
    caption = both(
        "Inception 3a: four ways from one map of 192 channels to 256. White boxes join channels at each pixel, blue boxes "
        "mix neighbouring pixels; the number in a box is its width."
    )
    page.drawing(one_row(row, (192, 28, 28)), caption)


def residual(page: NetPage) -> None:
    row = Row("conv3_x", Stage(2, Basic(128), s=2))
    caption = both(
        "A row of residual blocks: the first halves the map, and a 1x1 convolution of stride 2 fits its shortcut to that; "
        "in the next the map itself is added."
    )
    page.drawing(one_row(row, (64, 56, 56)), caption)


def classes(page: NetPage) -> None:
    """Nested and other classes as regions, and the distances of real ones to a real function."""
    f = {"f*": "f*"}
    drawn = [
        regions(
            [point for i, disk in enumerate(disks, 1) for point in outline(f"F{i}", *disk)],
            [{"x": TRUTH[0], "y": TRUTH[1], "word": "f*", "dot": True}]
            + [{"x": x, "y": y + r, "word": f"F{i}", "dot": False} for i, (x, y, r) in enumerate(disks, 1)],
            title=title,
            names=f,
        )
        for disks, title in ((APART, both("not nested")), (NESTED, both("nested")))
    ]
    page.figure(
        *drawn, caption=both("Function classes F1 to F5 and the best function f*: each nested class holds the last.")
    )
    rows = [
        {"class": i, "distance": d, "kind": kind} for kind, ds in distances().items() for i, d in enumerate(ds, 1)
    ]  # fmt: skip
    names = {
        "polynomials": both("polynomials, nested"),
        "sums of cosines": both("sums of cosines, nested"),
        "single cosines": both("single cosines, not nested"),
    }
    chart = curves(rows, "class", "distance", "kind", titles=(both("class"), both("distance to f*")), names=names)
    page.figure(
        chart,
        caption=both(
            "The same with real classes: how far the nearest member of each lies from f*(x) = cos(2 pi x), root mean square."
        ),
    )


def outline(name: str, x: float, y: float, radius: float, points: int = 48) -> list[dict[str, float | str]]:
    """A circle as rows of a chart."""
    turns = [2 * pi * i / points for i in range(points)]
    return [{"name": name, "x": x + radius * cos(t), "y": y + radius * sin(t), "turn": i} for i, t in enumerate(turns)]


def kernels(page: NetPage) -> None:
    """How alike every two pictures are, and which pictures an answer rests on."""
    alike = gram_sorted()
    grey = (255 * (alike - alike.min()) / np.ptp(alike)).round().astype(np.uint8)[..., None]
    page.pictures(
        [(thumbnail(grey, side=400), "Gram matrix", ())],
        both(
            "A kernel as a table: how alike every two of {n} digits are, sorted by class (RBF on HOG; white is most alike). "
            "The squares along the diagonal are the classes.", n=len(alike),
        ),
        large=True,
    )  # fmt: skip
    near = nearest_support()
    each = near.similar.shape[1]
    cells: list[tuple[bytes | None, str, tuple[Text, ...]]] = []
    for i, picture in enumerate(near.pictures):
        cells.append((thumbnail(picture), f"picture {i + 1}", (both("new"),)))
        for j in range(each):
            support = thumbnail(near.supports[i * each + j])
            cells.append((support, f"support picture {j + 1} of picture {i + 1}", (f"{near.similar[i, j]:.2f}",)))
    page.pictures(
        cells, both("New pictures, each before the support pictures it is most like, with the kernel between the two.")
    )


def histories(page: NetPage) -> None:
    """What came before AlexNet, and what came of it."""
    for ids, caption in (
        (("H2",), both("The first history: kernels and features. Sources stand in the tables.")),
        (("H1", "H4"), both("The second history: the ImageNet contest and what came of AlexNet and ResNet.")),
    ):
        page.figure(chart_of(ids), caption=caption)


def chart_of(ids: Sequence[str]) -> Spec:
    events = sorted((event for id in ids for event in HISTORY[id].events), key=lambda event: event.year)
    return timeline([{"year": e.year, "what": words(e)} for e in events], title=both("year"))


def words(event: Event) -> Text:
    """What happened, and the number it is known by."""
    if not event.figure:
        return both(event.what)
    return both("{what} ({figure})", what=both(event.what), figure=event.figure)


AFTER: Mapping[str, Callable[[NetPage], None]] = {  # sentence -> the figure that stands below it
    "S1": histories,
    "S2": kernels,
    "S27": inception,
    "S43": classes,
    "S45": residual,
}
