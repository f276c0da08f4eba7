"""The same table with more or fewer layers in its stages."""

import re
from collections.abc import Sequence
from dataclasses import replace

from konvolut.blocks.residual import Stage
from konvolut.blocks.spec import Row
from konvolut.errors import ArchError
from konvolut.nets.arch import Arch, departing, unprinted
from konvolut.nets.stages import stages
from konvolut.nets.variants import called, surviving


def with_depth(arch: Arch, counts: Sequence[int]) -> Arch:
    """The same table with `counts[i]` blocks in its stage i: rows, or the repeats of a residual stage.

    A stage that grows repeats its last row; one that shrinks loses rows from its end. See `nets.stages` for what a stage
    is. Stochastic depth is spread over the new blocks, with the same chance for the last.
    Raises ArchError when the counts do not fit the stages, the rows no longer fit each other, or an auxiliary head
    would lose its row.
    """
    found = stages(arch)
    now = tuple(held(arch, run) for run in found)
    counts = tuple(counts)
    if len(counts) != len(now) or min(counts) < 1:
        raise ArchError(f"{arch.name}: counts = {counts}; each of {len(now)} stages has 1 or more, like {now}")
    if counts == now:
        return arch
    rows: list[Row] = []
    done = 0
    for run, count in zip(found, counts, strict=True):
        rows += (*arch.rows[done : run.start], *resized(arch.rows[run.start : run.stop], count))
        done = run.stop
    rows += arch.rows[done:]
    names = {row.name for row in rows}
    for head in arch.heads:
        if head.after not in names:
            raise ArchError(
                f"{arch.name}, head {head.name}: counts = {counts} leave out its row {head.after}; {now} keep it"
            )
    chances = [row.spec.survive for row in arch.rows if isinstance(row.spec, Stage) and row.spec.survive]
    table = replace(arch, rows=surviving(tuple(rows), chances[-1][-1]) if chances else tuple(rows))
    words = f"depth: {' '.join(map(str, counts))} blocks in its stages"
    name = called(re.sub(r" depth=[0-9-]+", "", arch.name), f"depth={'-'.join(map(str, counts))}")
    table = replace(table, name=name, differs=departing(arch, words))
    return unprinted(table, arch)


def held(arch: Arch, run: range) -> int:
    """How many blocks a stage holds."""
    spec = arch.rows[run.start].spec
    return spec.repeat if isinstance(spec, Stage) else len(run)


def resized(rows: tuple[Row, ...], count: int) -> tuple[Row, ...]:
    """The rows of one stage with `count` blocks."""
    first, last = rows[0], rows[-1]
    if isinstance(first.spec, Stage):
        return (
            rows
            if first.spec.repeat == count
            else (replace(first, spec=replace(first.spec, repeat=count, survive=())),)
        )
    again = replace(last.spec, s=1) if getattr(last.spec, "s", 1) > 1 else last.spec  # only the first one strides
    names = [last.name]
    while len(rows) + len(names) <= count:
        names.append(following(names[-1]))
    return (*rows[:count], *(Row(name, again) for name in names[1:]))


def following(name: str) -> str:
    """The name of the next row of a stage.

    >>> following("conv3_2"), following("4e"), following("conv2")
    ('conv3_3', '4f', 'conv2_2')
    """
    if found := re.fullmatch(r"(.*_)([0-9]+)", name):
        return f"{found[1]}{int(found[2]) + 1}"
    if re.fullmatch(r"[0-9]+[a-y]", name):
        return name[:-1] + chr(ord(name[-1]) + 1)
    return f"{name}_2"
