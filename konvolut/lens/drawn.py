"""The page of a net: its rows as blocks to scale, what is inside them, and its ledger; one file that needs nothing."""

from collections.abc import Sequence
from pathlib import Path

import torch

from konvolut.errors import RunError
from konvolut.language import Text, both
from konvolut.lens.drawing import LETTER, Node, line, row_node, words
from konvolut.lens.ledger import Ledger
from konvolut.lens.ledger_told import brief, brief_heads, disagreements, needs
from konvolut.nets.arch import size
from konvolut.page import Page, marked
from konvolut.types import Shape

# All in px of the drawing.
TALL, LONG = 64, 250  # the tallest map, and the longest block
LEAST = 1.5  # a block thinner than this could not be seen
ROW, APART = 32, 10  # the least height of a row, and what is between two
STYLE = """
.net text{font:10.5px var(--sans);fill:var(--ink)}
.net .quiet{fill:var(--quiet)}
.net .channel{fill:var(--paper);stroke:var(--ink)}
.net .space{fill:var(--pale);stroke:var(--deep)}
.net .other{fill:var(--wash);stroke:var(--quiet)}
.net .block{fill:none;stroke:var(--quiet);stroke-dasharray:4 3}
.net .map{fill:var(--deep)}
.net .sum{fill:var(--ink)}
.net polyline{fill:none;stroke:var(--quiet)}
"""


class NetPage(Page):
    """A page that takes drawings of its own, which follow its theme by its colours' names."""

    def drawing(self, svg: str, caption: Text) -> None:
        """Put `svg`, which is trusted, over its caption."""
        name = f'"{self._id()}"'
        self._body.append(
            f'<figure><div class="wide" tabindex="0" role="img" aria-labelledby={name}>{svg}</div>'
            f"<figcaption id={name}>{marked(caption)}</figcaption></figure>"
        )


def write_drawing(ledgers: Sequence[Ledger], out: Path, batch: int) -> Path:
    """Write the page of one net, or of several below each other, to `out`, and return where it lies.

    Raises RunError when `out` is there already.
    """
    if out.exists():
        raise RunError(f"{out}: already there, and nothing is overwritten; another --html")
    title = " | ".join(held.net for held in ledgers)
    page = NetPage(title, both("Konvolut: a net beside its paper"))
    for held in ledgers:
        if len(ledgers) > 1:
            page.section(held.net)
        page.text(held.source)
        page.drawing(
            svg(held),
            both(
                "Each row's output to scale: a block is as long as there are channels or features, and as high as the "
                "map. Beside it what the row does: white boxes join channels at each pixel, blue boxes mix neighbouring "
                "pixels, dashed lines hold a residual block. The number in a box is its width."
            ),
        )
        page.items([*disagreements(held), *needs(held, batch)])
        if held.differs:
            page.text(both("Where this table departs from its source:"))
            page.items(held.differs)
        table(
            page,
            brief(held),
            both(
                "The ledger of {net}, for one picture of {size}; MiB: what its backward pass keeps",
                net=held.net,
                size=size(held.input),
            ),
        )
        if held.heads:
            table(page, brief_heads(held), both("Auxiliary heads, in training only"))
    return page.write(out)


def table(page: Page, rows: Sequence[dict[str, str]], caption: Text) -> None:
    page.table([key.strip() for key in rows[0]], [list(row.values()) for row in rows], caption)


def svg(ledger: Ledger) -> str:
    """The net from top to bottom: names, blocks to scale, and what is inside each row."""
    nodes = [inside(ledger, number) for number in range(len(ledger.lines))]
    shapes = [ledger.input, *(line.gives for line in ledger.lines)]
    scale = (TALL / max(side for shape in shapes for side in shape[1:]), LONG / max(shape[0] for shape in shapes))
    names = ["input", *(line.name for line in ledger.lines)]
    heads = {head.after: head.name for head in ledger.heads}
    label = 12 + LETTER * max(len(text) for text in (*names, *map(size, shapes)))
    middle, right = label + LONG / 2, label + LONG + 20
    drawn: list[str] = []
    y = below = 0.0
    for name, shape, held in zip(names, shapes, [None, *nodes], strict=True):
        tall, long = block(shape, scale)
        high = max(ROW, tall, held.high if held else 0)
        at = y + high / 2
        if drawn:
            drawn.append(line((middle, below), (middle, at - tall / 2)))
        below = at + tall / 2
        drawn.append(words(0, at - 7, name, "start"))
        drawn.append(words(0, at + 7, size(shape), "start", "quiet"))
        drawn.append(
            f'<rect class="map" x="{middle - long / 2:.4g}" y="{at - tall / 2:.5g}" width="{long:.4g}" height="{tall:.4g}"/>'
        )
        if held:
            drawn += held.draw(right, at)
            if name in heads:
                drawn.append(words(right + held.wide + 14, at, f"→ {heads[name]}", "start", "quiet"))
        y += high + APART
    wide = right + max(held.wide for held in nodes) + (60 if heads else 2)
    box = f'viewBox="0 0 {wide:.0f} {y:.0f}" width="{wide:.0f}" height="{y:.0f}"'
    return f'<svg class="net" xmlns="http://www.w3.org/2000/svg" {box}><style>{STYLE}</style>{"".join(drawn)}</svg>'


def block(shape: Shape, scale: tuple[float, float]) -> tuple[float, float]:
    """Height and length of a row's block; features are a map of one pixel."""
    side = shape[1] if len(shape) > 1 else 1
    return max(LEAST, side * scale[0]), max(LEAST, shape[0] * scale[1])


def inside(ledger: Ledger, number: int) -> Node:
    """The boxes of a row."""
    with torch.device("meta"):
        return row_node(ledger.arch.rows[number].spec.make(ledger.lines[number].takes))
