"""From a table of rows to a network, and from a table to the facts about it."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from functools import lru_cache
from hashlib import sha256
from typing import Any

import torch
from torch import nn

from konvolut.blocks.inception import Branches
from konvolut.blocks.init import WEIGHTED, initialise
from konvolut.blocks.lenet import RbfOutput, Subsample2d
from konvolut.blocks.residual import Residual
from konvolut.blocks.spec import NOTHING, Prints, Row, Spec, parts
from konvolut.errors import ArchError, nearest
from konvolut.nets.shapes import Shapes
from konvolut.types import Shape

MOST_PX = 4096  # no table of this package needs larger pictures; a search for the least size stops here


@dataclass(frozen=True, slots=True)
class Head:
    """An auxiliary classifier: a small table on what one row of the trunk gives, there for training only."""

    name: str
    after: str  # the trunk's row
    rows: tuple[Row, ...]
    weight: float = 0.3  # of its loss, beside the trunk's 1


@dataclass(frozen=True, slots=True)
class Arch:
    """A published architecture: its rows, where they were read, and where this table departs from it."""

    name: str
    source: str
    input: Shape  # channels, height, width
    rows: tuple[Row, ...]
    differs: tuple[str, ...] = ()
    heads: tuple[Head, ...] = ()
    prints: Prints = NOTHING  # what the paper prints of the whole net

    def __post_init__(self) -> None:
        trunk = [row.name for row in self.rows]
        for names in (trunk, [head.name for head in self.heads], *([r.name for r in h.rows] for h in self.heads)):
            for name in names:
                taken = hasattr(nn.Sequential, name) or hasattr(nn.ModuleDict, name) or name in ("arch", "heads")
                if not name or "." in name or taken or names.count(name) > 1:
                    raise ArchError(
                        f"{self.name}, row {name!r}: a row needs a name of its own, without dots, that torch leaves free"
                    )
        for head in self.heads:
            if head.after not in trunk:
                raise ArchError(f"{self.name}, head {head.name}: no row {head.after!r}{nearest(head.after, trunk)}")


class Network(nn.Sequential):
    """The network of a table: (n, *input) -> logits (n, classes). Its parts carry the names of the rows.

    With auxiliary heads, a forward pass in training mode gives a tuple: the logits, then those of each head in the
    table's order; in evaluation the heads do nothing.
    """

    def __init__(self, arch: Arch, rows: dict[str, nn.Module], heads: dict[str, nn.Module]) -> None:
        super().__init__(OrderedDict(rows))
        self.arch = arch
        if heads:
            self.heads = nn.ModuleDict(heads)

    def forward(self, batch: torch.Tensor) -> Any:
        answers = []
        for row in self.arch.rows:
            batch = getattr(self, row.name)(batch)
            if self.training:
                answers += [self.heads[head.name](batch) for head in self.arch.heads if head.after == row.name]
        return (batch, *answers) if answers else batch


@dataclass(frozen=True, slots=True)
class Fact:
    """What one row does to one image."""

    name: str
    takes: Shape
    gives: Shape
    params: int  # numbers it learns
    macs: int  # multiply-accumulates of its convolutions and dense layers
    layers: int  # with weights, on the longest way through it; shortcuts are not on it


def facts(arch: Arch, input: Shape | None = None) -> Iterator[Fact]:
    """Walk the table for one image of shape `input`, without allocating a weight.

    Raises ArchError, naming the row and the least square size that runs, when a row cannot take what it is given.
    """
    shape = input or arch.input
    if len(shape) != 3 or min(shape) < 1:
        raise ArchError(f"{arch.name}: input = {shape}; it is channels, height and width, like (3, 32, 32)")
    try:
        yield from walk(arch.name, arch.rows, shape)
    except ArchError as error:
        least = least_side(arch, shape[0])
        raise ArchError(f"{error}; {least} px is the least" if least > min(shape[1:]) else str(error)) from error


def head_facts(arch: Arch, input: Shape | None = None) -> dict[str, list[Fact]]:
    """The facts of every auxiliary head, by its name. Raises ArchError, naming its row, as `facts` does."""
    gives = {fact.name: fact.gives for fact in facts(arch, input)}
    found = {}
    for head in arch.heads:
        try:
            found[head.name] = list(walk(f"{arch.name}, head {head.name}", head.rows, gives[head.after]))
        except ArchError as error:
            least = least_side(arch, (input or arch.input)[0], heads=True)
            raise ArchError(f"{error}; {least} px is the least with auxiliary heads") from error
    return found


def walk(name: str, rows: Sequence[Row], shape: Shape) -> Iterator[Fact]:
    """The facts of `rows`, one after another, from an image of shape `shape`; `name` is for the error."""
    for row in rows:
        try:
            fact = replace(tried(row.spec, shape), name=row.name)
        except ArchError as error:
            raise ArchError(f"{name}, row {row.name}: {error}") from error
        except (RuntimeError, ValueError, IndexError) as error:  # what torch raises when sizes do not meet
            raise ArchError(f"{name}, row {row.name}: {unfit(row.spec, shape)}") from error
        yield fact
        shape = fact.gives


@lru_cache(maxsize=10_000)  # a search for the least size, a fit and a ledger walk the same rows again and again
def tried(spec: Spec, shape: Shape) -> Fact:
    """The facts of a row, without its name, from its module on torch's meta device, where a tensor is a shape."""
    macs = 0

    def count(module: nn.Module, _: Any, gives: torch.Tensor) -> None:
        nonlocal macs
        weight = module.weight
        assert isinstance(weight, torch.Tensor)
        macs += weight.numel() * gives.shape[2:].numel()  # each weight works once at each pixel of what goes out

    with torch.device("meta"), torch.no_grad():
        module = spec.make(shape).eval()
        for part in module.modules():
            if isinstance(part, WEIGHTED):
                part.register_forward_hook(count)
        with Shapes():
            gives = tuple(module(torch.empty(1, *shape)).shape[1:])
    params = sum(p.numel() for p in module.parameters() if p.requires_grad)
    return Fact("", shape, gives, params, macs, depth(module))


def unfit(spec: Spec, shape: Shape) -> str:
    """Why `spec` cannot take a map of `shape`, in words."""
    window, pad = sides(getattr(spec, "k", 0)), sides(getattr(spec, "p", 0))
    if len(shape) == 3 and any(side + 2 * p < k for side, p, k in zip(shape[1:], pad, window, strict=True)):
        return f"a {size(shape)} map is smaller than its {size(window)} window"
    return f"it cannot take {'a ' + size(shape) + ' map' if len(shape) > 1 else f'{shape[0]} features'}"


def sides(side: int | tuple[int, int]) -> tuple[int, int]:
    """Height and width of a kernel or a padding."""
    return side if isinstance(side, tuple) else (side, side)


def least_side(arch: Arch, channels: int, heads: bool = False) -> int:
    """The side, in px, of the smallest square picture that the table, and with `heads` its auxiliary heads, takes; 0 when
    it takes none.
    """

    def runs(side: int) -> bool:
        try:
            gives = {fact.name: fact.gives for fact in walk(arch.name, arch.rows, (channels, side, side))}
            return all(list(walk(head.name, head.rows, gives[head.after])) for head in arch.heads if heads)
        except ArchError:
            return False

    return first_true(runs)


def first_true(holds: Callable[[int], bool]) -> int:
    """The least n from 1 to MOST_PX at which `holds(n)`, which once true stays true; 0 when there is none."""
    if not holds(MOST_PX):
        return 0
    low, high = 0, MOST_PX
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def build(arch: Arch, input: Shape | None = None, seed: int = 0, scheme: str | None = None) -> Network:
    """The network of `arch`, initialised, for images of shape `input`.

    `scheme` is one of blocks.init; without it, the one its activations ask for.
    Raises ArchError, naming the row and the least square size that runs, when the table cannot take the images.
    """
    takes = {fact.name: fact.takes for fact in facts(arch, input)}
    with torch.random.fork_rng(devices=[]):  # torch fills a new layer from the global generator; put that back
        rows = {row.name: row.spec.make(takes[row.name]) for row in arch.rows}
        heads: dict[str, nn.Module] = {}
        for head, found in zip(arch.heads, head_facts(arch, input).values(), strict=True):
            parts = [(row.name, row.spec.make(fact.takes)) for row, fact in zip(head.rows, found, strict=True)]
            heads[head.name] = nn.Sequential(OrderedDict(parts))
    net = Network(replace(arch, input=input or arch.input), rows, heads)
    initialise(net, scheme or default_scheme(arch), seed)
    return net


def default_scheme(arch: Arch) -> str:
    """He's scheme where a row rectifies, Xavier's where none does."""
    return "he" if any(getattr(spec, "act", "") == "relu" for spec in specs(arch)) else "xavier"


def specs(arch: Arch) -> Iterator[Spec]:
    """Every spec of the trunk, those inside other specs included."""
    return (spec for row in arch.rows for spec in parts(row.spec))


def has_batch_norm(arch: Arch) -> bool:
    return any(getattr(spec, "norm", "none").startswith("bn") for spec in specs(arch))


def classifier(arch: Arch) -> Row:
    """The row whose width is the number of classes: the last one that has a width."""
    return last_with_width(arch.rows)


def last_with_width(rows: Sequence[Row]) -> Row:
    wide = [row for row in rows if hasattr(row.spec, "out")]
    if not wide:
        raise ArchError('no row has a width, so none tells classes apart; Dense = { out = 10, act = "none" } would')
    return wide[-1]


def departing(arch: Arch, *lines: str, without: Sequence[str] = ()) -> tuple[str, ...]:
    """What `arch` departs in, and `lines`; of each topic, the words before a colon, the last line only, and none of the
    topics `without`.
    """
    by_topic = {line.partition(":")[0]: line for line in (*arch.differs, *lines)}
    return tuple(line for topic, line in by_topic.items() if topic not in without)


def with_spec(arch: Arch, name: str, spec: Spec) -> Arch:
    """The same table with other cells in the row called `name`."""
    return replace(arch, rows=tuple(replace(row, spec=spec) if row.name == name else row for row in arch.rows))


def unprinted(arch: Arch, of: Arch | None = None) -> Arch:
    """`arch`, made from the table `of`, without what no longer holds of its print: a paper prints none of its variants.

    Sizes stay where they are still given; counts where row and input are still those of `of`.
    """
    before = {} if of is None else {row.name: (row.spec, f.takes) for row, f in zip(of.rows, facts(of), strict=True)}
    rows, same = [], bool(before)
    for row, fact in zip(arch.rows, facts(arch), strict=True):
        kept = before.get(row.name) == (row.spec, fact.takes)
        rows.append(
            replace(row, out=row.out if row.out == fact.gives else None, prints=row.prints if kept else NOTHING)
        )
        same &= kept
    return replace(arch, rows=tuple(rows), prints=arch.prints if same and len(rows) == len(before) else NOTHING)


def depth(module: nn.Module) -> int:
    """Layers with weights on the longest way through `module`: the number in "ResNet-50"."""
    if isinstance(module, (*WEIGHTED, Subsample2d, RbfOutput)):
        return 1
    if isinstance(module, Residual):
        return depth(module.body)
    parts = [depth(part) for part in (module.branches.values() if isinstance(module, Branches) else module.children())]
    return max(parts) if isinstance(module, Branches) else sum(parts)


def layers(arch: Arch) -> int:
    """Layers with weights on the longest way through the table; shortcuts are not on it."""
    return sum(fact.layers for fact in facts(arch))


def digest(arch: Arch) -> str:
    """SHA-256 of what decides the network: its input, and the rows' names and cells; not the names or printed sizes."""
    lines = [f"input {size(arch.input)}", *(f"{row.name} {cells(row.spec)}" for row in arch.rows)]
    for head in arch.heads:
        lines += [f"head {head.name} after {head.after} weight {head.weight:g}"]
        lines += [f"{row.name} {cells(row.spec)}" for row in head.rows]
    return sha256("\n".join(lines).encode()).hexdigest()


def cells(spec: Spec) -> str:
    """A spec as one line; a cell at its default is left out, so that a new kind of cell changes no old table.

    >>> from konvolut.blocks.basic import Conv
    >>> cells(Conv(96, 11, s=4))
    'Conv out=96 k=11 s=4'
    """
    words = [type(spec).__name__]
    for field in fields(spec):
        value = getattr(spec, field.name)
        if field.default is MISSING or value != field.default:
            words.append(f"{field.name}={cell(value)}")
    return " ".join(words)


def cell(value: object) -> str:
    """One cell as text: specs in brackets, the parts of a tuple with commas between them."""
    if isinstance(value, Spec):
        return f"({cells(value)})"
    return f"({', '.join(map(cell, value))})" if isinstance(value, tuple) else str(value)


def size(shape: Shape) -> str:
    """A shape as it is printed.

    >>> size((3, 224, 224))
    '3x224x224'
    """
    return "x".join(map(str, shape))
