"""The nets' public door: by name, by file or by table, in one call."""

from collections.abc import Iterator
from pathlib import Path

from torch import nn

from konvolut.nets import arch as tables
from konvolut.nets.arch import Arch, Fact
from konvolut.nets.catalogue import named
from konvolut.nets.tables import read_table
from konvolut.nets.variants import with_classes
from konvolut.types import Shape

Net = str | Path | Arch  # a name of the catalogue, a TOML file, or a table


def build(net: Net, classes: int | None = None, input: Shape | None = None, seed: int = 0) -> nn.Sequential:
    """A network, initialised from `seed`: (n, *input) -> logits (n, classes).

    `net` is a name, the path of a TOML file (see `konvolut.nets.tables`) or a table. `classes` and `input` are the
    table's own where they are left out; the table is not altered to suit `input` (see `konvolut.nets.fit`).
    Raises ArchError for an unknown name or an unfit file, or naming the row that cannot take such pictures.
    """
    return tables.build(table(net, classes), input, seed)


def facts(net: Net, classes: int | None = None, input: Shape | None = None) -> Iterator[Fact]:
    """What each row takes, gives, learns and costs, for one image; nothing is allocated."""
    return tables.facts(table(net, classes), input)


def table(net: Net, classes: int | None = None) -> Arch:
    """The table of a name, of a path that ends in .toml, or the one given; for `classes` classes where they are said.

    Raises ArchError when there is no such name, or the file holds no table that fits.
    """
    if isinstance(net, Arch):
        arch = net
    else:
        arch = read_table(net) if isinstance(net, Path) or net.lower().endswith(".toml") else named(net)
    return arch if classes is None else with_classes(arch, classes)
