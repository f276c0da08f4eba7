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
from konvolut.blocks.spec import Row, Spec
from konvolut.errors import ArchError
from konvolut.types import Shape

MOST_PX = 4096  # no table of this package needs larger pictures; a search for the least size stops here


@dataclass(frozen=True, slots=True)
class Arch:
    """A published architecture: its rows, where they were read, and where this table departs from it."""

    name: str
    source: str
    input: Shape  # channels, height, width
    rows: tuple[Row, ...]
    differs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = [row.name for row in self.rows]
        for name in names:
            if not name or "." in name or hasattr(nn.Sequential, name) or names.count(name) > 1:
                raise ArchError(
                    f"{self.name}, row {name!r}: a row needs a name of its own, without dots, that torch leaves free"
                )


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
        raise ArchError(f"{arch.name}: input = {size(shape)}; it is channels x height x width, like {size(arch.input)}")
    try:
        yield from walk(arch.name, arch.rows, shape)
    except ArchError as error:
        least = least_side(arch, shape[0])
        raise ArchError(f"{error}; {least} px is the least" if least > min(shape[1:]) else str(error)) from error


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
        gives = tuple(module(torch.empty(1, *shape)).shape[1:])
    params = sum(p.numel() for p in module.parameters() if p.requires_grad)
    return Fact("", shape, gives, params, macs, depth(module))


def unfit(spec: Spec, shape: Shape) -> str:
    """Why `spec` cannot take a map of `shape`, in words."""
    window: int = getattr(spec, "k", 0)
    if len(shape) == 3 and min(shape[1:]) + 2 * getattr(spec, "p", 0) < window:
        return f"a {size(shape)} map is smaller than its {window}x{window} window"
    return f"it cannot take {'a ' + size(shape) + ' map' if len(shape) > 1 else f'{shape[0]} features'}"


def least_side(arch: Arch, channels: int) -> int:
    """The side, in px, of the smallest square picture that the table takes; 0 when it takes none."""

    def runs(side: int) -> bool:
        try:
            return bool(list(walk(arch.name, arch.rows, (channels, side, side))))
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


def build(arch: Arch, input: Shape | None = None, seed: int = 0, scheme: str | None = None) -> nn.Sequential:
    """The network of `arch`, initialised, for images of shape `input`: (n, *input) -> logits (n, classes).

    Its parts carry the names of the rows. `scheme` is one of blocks.init; without it, the one its activations ask for.
    Raises ArchError, naming the row and the least square size that runs, when the table cannot take the images.
    """
    takes = [fact.takes for fact in facts(arch, input)]
    with torch.random.fork_rng(devices=[]):  # torch fills a new layer from the global generator; put that back
        rows = [(row.name, row.spec.make(shape)) for row, shape in zip(arch.rows, takes, strict=True)]
    net = nn.Sequential(OrderedDict(rows))
    initialise(net, scheme or default_scheme(arch), seed)
    return net


def default_scheme(arch: Arch) -> str:
    """He's scheme where a row rectifies, Xavier's where none does."""
    return "he" if any(getattr(row.spec, "act", "") == "relu" for row in arch.rows) else "xavier"


def classifier(arch: Arch) -> Row:
    """The row whose width is the number of classes: the last one that has a width."""
    return [row for row in arch.rows if hasattr(row.spec, "out")][-1]


def with_spec(arch: Arch, name: str, spec: Spec) -> Arch:
    """The same table with other cells in the row called `name`."""
    return replace(arch, rows=tuple(replace(row, spec=spec) if row.name == name else row for row in arch.rows))


def unprinted(arch: Arch) -> Arch:
    """The same table without the printed sizes that do not hold in it: a paper prints none of its variants."""
    pairs = zip(arch.rows, facts(arch), strict=True)
    return replace(arch, rows=tuple(row if row.out == f.gives else replace(row, out=None) for row, f in pairs))


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
            words.append(f"{field.name}={value.__name__ if isinstance(value, type) else value}")
    return " ".join(words)


def size(shape: Shape) -> str:
    """A shape as it is printed.

    >>> size((3, 224, 224))
    '3x224x224'
    """
    return "x".join(map(str, shape))
