"""The nets' public door: by name or by table, in one call."""

from collections.abc import Iterator

from torch import nn

from konvolut.nets import arch as tables
from konvolut.nets.arch import Arch, Fact
from konvolut.nets.catalogue import named
from konvolut.nets.variants import with_classes
from konvolut.types import Shape


def build(net: str | Arch, classes: int | None = None, input: Shape | None = None, seed: int = 0) -> nn.Sequential:
    """A network, initialised from `seed`: (n, *input) -> logits (n, classes).

    `classes` and `input` are the table's own where they are left out; the table is not altered to suit `input` (see
    `konvolut.nets.fit`). Raises ArchError for an unknown name, or naming the row that cannot take such pictures.
    """
    return tables.build(table(net, classes), input, seed)


def facts(net: str | Arch, classes: int | None = None, input: Shape | None = None) -> Iterator[Fact]:
    """What each row takes, gives, learns and costs, for one image; nothing is allocated."""
    return tables.facts(table(net, classes), input)


def table(net: str | Arch, classes: int | None) -> Arch:
    arch = named(net) if isinstance(net, str) else net
    return arch if classes is None else with_classes(arch, classes)
