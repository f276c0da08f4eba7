"""A net as a drawing: what stands inside each row, as boxes with a width and a height, and the SVG of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

from torch import nn

from konvolut.blocks.inception import Branches
from konvolut.blocks.lenet import RbfOutput, SparseConv2d, Subsample2d
from konvolut.blocks.residual import Residual, ZeroPad

# All in px of the drawing.
HIGH, LETTER, MARGIN = 18, 6.1, 6  # a box, a letter in it, what is left and right of its words
GAP = 12  # between boxes on a way
LANE = 5  # between ways above each other
FAN = 16  # from where ways part to the first box of each
ABOVE = 15  # the shortcut over its body
FRAME = 8  # between a dashed line and what it holds
COUNT = 30  # for "x 36"

CHANNEL, SPACE, OTHER = "channel", "space", "other"  # joins maps at each pixel; mixes neighbouring pixels; neither
QUIET = {"BatchNorm2d": "bn", "BatchNorm1d": "bn", "Dropout": "drop"}  # drawn only where a row has nothing else


@dataclass(frozen=True, slots=True)
class Box:
    """One layer."""

    words: str
    kind: str

    @property
    def wide(self) -> float:
        return LETTER * len(self.words) + 2 * MARGIN

    @property
    def high(self) -> float:
        return HIGH

    def draw(self, x: float, y: float) -> Iterator[str]:
        yield f'<rect class="{self.kind}" x="{x:g}" y="{y - HIGH / 2:g}" width="{self.wide:g}" height="{HIGH}" rx="2"/>'
        yield words(x + self.wide / 2, y, self.words, "middle")


@dataclass(frozen=True, slots=True)
class Way:
    """One after another."""

    steps: tuple["Node", ...]

    @property
    def wide(self) -> float:
        return sum(step.wide for step in self.steps) + GAP * (len(self.steps) - 1)

    @property
    def high(self) -> float:
        return max(step.high for step in self.steps)

    def draw(self, x: float, y: float) -> Iterator[str]:
        for number, step in enumerate(self.steps):
            if number:
                yield line((x - GAP, y), (x, y))
            yield from step.draw(x, y)
            x += step.wide + GAP


@dataclass(frozen=True, slots=True)
class Lanes:
    """Ways beside each other, from one map to one map."""

    ways: tuple["Node", ...]

    @property
    def wide(self) -> float:
        return max(way.wide for way in self.ways) + 2 * FAN

    @property
    def high(self) -> float:
        return sum(way.high for way in self.ways) + LANE * (len(self.ways) - 1)

    def draw(self, x: float, y: float) -> Iterator[str]:
        at, right = y - self.high / 2, x + self.wide
        for way in self.ways:
            middle = at + way.high / 2
            yield line((x, y), (x + FAN, middle))
            yield from way.draw(x + FAN, middle)
            yield line((x + FAN + way.wide, middle), (right - FAN, middle), (right, y))
            at += way.high + LANE


@dataclass(frozen=True, slots=True)
class Shortcut:
    """A residual block: its body, and the way around it, with a box on it where that is not the map itself."""

    body: "Node"
    over: "Node | None"

    @property
    def wide(self) -> float:
        return max(self.body.wide, self.over.wide if self.over else 0) + 2 * (FRAME + FAN)

    @property
    def high(self) -> float:
        return self.body.high + 2 * (FRAME + self.above)  # as much below as above: the way in is at half height

    @property
    def above(self) -> float:
        return self.over.high + LANE if self.over else ABOVE

    def draw(self, x: float, y: float) -> Iterator[str]:
        top = y - self.body.high / 2 - self.above - FRAME
        high = self.body.high + self.above + 2 * FRAME
        yield f'<rect class="block" x="{x:g}" y="{top:g}" width="{self.wide:g}" height="{high:g}" rx="4"/>'
        over = top + FRAME + (self.above - LANE) / 2
        start, end = x + FRAME, x + self.wide - FRAME
        yield line((x, y), (start, y), (start, over), (end, over), (end, y), (x + self.wide, y))
        body = x + (self.wide - self.body.wide) / 2
        yield line((start, y), (body, y))
        yield line((body + self.body.wide, y), (end, y))
        yield from self.body.draw(body, y)
        if self.over:
            yield from self.over.draw(x + (self.wide - self.over.wide) / 2, over)
        yield f'<circle class="sum" cx="{end:g}" cy="{y:g}" r="3"/>'


@dataclass(frozen=True, slots=True)
class Repeated:
    """The same block several times in turn."""

    step: "Node"
    times: int

    @property
    def wide(self) -> float:
        return self.step.wide + COUNT

    @property
    def high(self) -> float:
        return self.step.high

    def draw(self, x: float, y: float) -> Iterator[str]:
        yield from self.step.draw(x, y)
        yield words(x + self.step.wide + 4, y, f"× {self.times}", "start")


Node = Box | Way | Lanes | Shortcut | Repeated


def words(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    style = f' class="{kind}"' if kind else ""
    return f'<text{style} x="{x:g}" y="{y:g}" dy=".35em" text-anchor="{anchor}">{escape(text)}</text>'


def line(*points: tuple[float, float]) -> str:
    return f'<polyline points="{" ".join(f"{x:g},{y:g}" for x, y in points)}"/>'


def row_node(module: nn.Module) -> Node:
    """The boxes of a row: its layers with windows or weights; where it has none, its norm, dropout or whatever it is."""
    found = node(module)
    if found is not None:
        return found
    names = [type(part).__name__ for part in module.modules() if not list(part.children())]
    known = [QUIET[name] for name in names if name in QUIET]
    return Box(known[0] if known else (names[0] if names else type(module).__name__).lower(), OTHER)


def node(module: nn.Module) -> Node | None:
    """What is drawn of a module; None: nothing, as of an activation."""
    if isinstance(module, Branches):
        ways = [node(branch) for branch in module.branches.values()]
        return Lanes(tuple(way for way in ways if way is not None))
    if isinstance(module, Residual):
        body = node(module.body)
        return Shortcut(body, node(module.shortcut)) if body else None
    if isinstance(module, nn.Sequential):
        return chained([found for part in module.children() if (found := node(part)) is not None])
    return layer(module)


def chained(steps: Sequence[Node]) -> Node | None:
    """Steps in turn; residual blocks that are alike are drawn once."""
    flat = [one for step in steps for one in (step.steps if isinstance(step, Way) else (step,))]
    drawn: list[Node] = []
    for same, run in groupby(flat):
        alike = list(run)
        drawn += [Repeated(same, len(alike))] if isinstance(same, Shortcut) and len(alike) > 1 else alike
    if len(drawn) > 1:
        return Way(tuple(drawn))
    return drawn[0] if drawn else None


def layer(module: nn.Module) -> Box | None:
    """The box of one layer; None where it has neither windows nor weights of its own."""
    if isinstance(module, nn.Conv2d):
        k = module.kernel_size
        return Box(f"{sides(k)} {module.out_channels}", CHANNEL if set(k) == {1} else SPACE)
    if isinstance(module, SparseConv2d):
        return Box(f"{sides(module.weight.shape[-1])} {len(module.table)}", SPACE)
    if isinstance(module, Subsample2d):
        return Box(f"sum {sides(module.k)}", SPACE)
    if isinstance(module, nn.MaxPool2d | nn.AvgPool2d):
        return Box(f"{'max' if isinstance(module, nn.MaxPool2d) else 'mean'} {sides(module.kernel_size)}", SPACE)
    if isinstance(module, nn.AdaptiveAvgPool2d):
        side = module.output_size
        return Box("mean of all" if side == 1 else f"means to {sides(side)}", SPACE)
    if isinstance(module, nn.Linear):
        return Box(f"dense {module.out_features}", OTHER)
    if isinstance(module, RbfOutput):
        return Box(f"rbf {len(module.codes)}", OTHER)
    if isinstance(module, ZeroPad):
        return Box("zeros", OTHER)
    return Box("lrn", OTHER) if isinstance(module, nn.LocalResponseNorm) else None


def sides(side: object) -> str:
    """Height and width of a window in words.

    >>> sides(3), sides((1, 7))
    ('3x3', '1x7')
    """
    return "x".join(map(str, side if isinstance(side, tuple) else (side, side)))
