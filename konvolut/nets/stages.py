"""Where a table repeats itself: its stages, between the stem and the head."""

from collections.abc import Iterator

from konvolut.blocks.basic import Conv
from konvolut.blocks.inception import Inception, Paths
from konvolut.blocks.mlpconv import Mlpconv
from konvolut.blocks.residual import Basic, Bottleneck, Stage
from konvolut.blocks.spec import Row, Spec, parts
from konvolut.errors import ArchError
from konvolut.nets.arch import Arch, classifier

CONVOLVING = (Conv, Mlpconv)  # a stem may be made of these
REPEATED = (*CONVOLVING, Inception, Paths, Basic, Bottleneck, Stage)


def stages(arch: Arch) -> tuple[range, ...]:
    """The places in `arch.rows` of each stage: rows of one kind, of which only the first may stride.

    A pool, a norm or a dropout stands between stages. The stem is what comes before the first block of several layers,
    or, where convolutions or mlpconv layers fill the stages, a first stage that strides; the head begins at the dense
    rows or, as in NiN, at the stage that gives the classes.
    Raises ArchError when there is no stage.
    """
    found = [run for run in runs(arch.rows) if arch.rows.index(classifier(arch)) >= run.stop]
    specs = [arch.rows[run.start].spec for run in found]
    first = next((number for number, spec in enumerate(specs) if not isinstance(spec, Conv)), 0)
    while first < len(found) - 1 and isinstance(specs[first], CONVOLVING) and strides(specs[first]):
        first += 1
    if not found[first:]:
        kinds = ", ".join(kind.__name__ for kind in REPEATED)
        raise ArchError(f"{arch.name}: no row to repeat between stem and head; such rows are {kinds}")
    return tuple(found[first:])


def runs(rows: tuple[Row, ...]) -> Iterator[range]:
    """The places of each unbroken run of rows of one repeated kind; a row that strides begins another."""
    start = 0
    for number, row in enumerate(rows):
        if not isinstance(row.spec, REPEATED):
            start = number + 1
            continue
        after = rows[number + 1].spec if number + 1 < len(rows) else None
        if type(after) is not type(row.spec) or isinstance(after, Stage) or strides(after):
            yield range(start, number + 1)
            start = number + 1


def strides(spec: Spec) -> bool:
    """Does anything in `spec` move its window by more than 1 px?"""
    return any(getattr(part, "s", 1) > 1 for part in parts(spec))
