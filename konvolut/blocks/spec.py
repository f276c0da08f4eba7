"""What a row of an architecture table is."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

from torch import nn

from konvolut.errors import ArchError, nearest
from konvolut.types import Shape

T = TypeVar("T")


@runtime_checkable
class Spec(Protocol):
    """A row's cells: a frozen dataclass whose fields are the paper's columns, and that knows how to make its module."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def __hash__(self) -> int: ...

    def make(self, shape: Shape) -> nn.Module:
        """The module that takes a batch (n, *shape).

        Raises ArchError, without the row's name, when no module can.
        """
        ...


@dataclass(frozen=True, slots=True)
class Prints:
    """What a paper prints of a row, or of a whole net, beside its size: a claim, held against the count."""

    params: int | float | None = None  # numbers it learns
    macs: int | float | None = None  # multiply-accumulates for one picture
    kilo: int = 1000  # numbers that the paper's "K" stands for


NOTHING = Prints()


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a paper's table: its name, its cells and the output size the paper prints."""

    name: str
    spec: Spec
    out: Shape | None = None  # None where the paper prints no size
    prints: Prints = NOTHING


@dataclass(frozen=True, slots=True)
class Series:
    """Several specs one after another, where a paper's table has them in one row."""

    steps: tuple[Spec, ...]

    def make(self, shape: Shape) -> nn.Module:
        return chain(self.steps, shape[0])

    def maps(self, channels: int) -> int:
        return maps_after(self.steps, channels)


def chain(specs: Sequence[Spec], channels: int) -> nn.Sequential:
    """The modules of `specs` one after another; each takes as many maps as the one before it gives."""
    modules = []
    for spec in specs:
        modules.append(spec.make((channels, 0, 0)))  # these blocks ask for the width alone, never for the size
        channels = maps_after((spec,), channels)
    return nn.Sequential(*modules)


def maps_after(specs: Sequence[Spec], channels: int) -> int:
    """How many maps come out of `specs` when `channels` go in."""
    for spec in specs:
        channels = spec.maps(channels) if hasattr(spec, "maps") else getattr(spec, "out", channels)
    return channels


def parts(spec: Spec) -> Iterator[Spec]:
    """The specs that stand in the cells of `spec`, and in theirs, and `spec` itself, last."""
    for field in fields(spec):
        yield from inside(getattr(spec, field.name))
    yield spec


def inside(value: object) -> Iterator[Spec]:
    if isinstance(value, Spec) and not isinstance(value, type):
        yield from parts(value)
    elif isinstance(value, tuple):
        for one in value:
            yield from inside(one)


def throughout(spec: Spec, change: Callable[[Spec], Spec]) -> Spec:
    """`spec` with `change` made to the specs in its cells, and then to itself."""

    def changed(value: object) -> object:
        if isinstance(value, Spec) and not isinstance(value, type):
            return throughout(value, change)
        return tuple(map(changed, value)) if isinstance(value, tuple) else value

    cells = {field.name: getattr(spec, field.name) for field in fields(spec)}
    others = {name: new for name, old in cells.items() if (new := changed(old)) != old}
    return change(replace(spec, **others) if others else spec)


def in_turn(**steps: nn.Module | None) -> nn.Sequential:
    """The steps that are there, under their names: in_turn(conv=a, norm=None, act=b) is conv, act."""
    return nn.Sequential(OrderedDict((name, step) for name, step in steps.items() if step is not None))


def chosen(field: str, word: str, known: Mapping[str, T]) -> T:
    """known[word].

    Raises ArchError, with the nearest word, when there is none.
    """
    if word not in known:
        raise ArchError(f"{field} = {word!r}{nearest(word, known)}")
    return known[word]
