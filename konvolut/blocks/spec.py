"""What a row of an architecture table is."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
class Row:
    """One line of a paper's table: its name, its cells and the output size the paper prints."""

    name: str
    spec: Spec
    out: Shape | None = None  # None where the paper prints no size


def chain(specs: Sequence[Spec], channels: int) -> nn.Sequential:
    """The modules of `specs` one after another; each takes as many maps as the one before it gives."""
    modules = []
    for spec in specs:
        modules.append(spec.make((channels, 0, 0)))  # these blocks ask for the width alone, never for the size
        channels = getattr(spec, "out", channels)
    return nn.Sequential(*modules)


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
