"""A net's table beside what its paper prints: sizes, learnt numbers, work, sight and memory, row by row."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from konvolut.blocks.spec import Row, Spec
from konvolut.errors import ArchError
from konvolut.lens.audit import Claim, claims, totals
from konvolut.lens.cost import NONE, Keeps, Memory, row_keeps, shallow
from konvolut.lens.field import Field, through
from konvolut.nets.arch import Arch, Fact, facts, head_facts, least_side, size
from konvolut.types import Shape

Sight = tuple[Field, Field] | None  # along the height and the width; None: a place sees all of the picture


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the table for one picture."""

    fact: Fact
    params_share: float  # of the net's
    macs_share: float
    sees: Sight
    kept: int  # bytes a picture that the row adds to what the backward pass needs, numbers of 32 bits
    pair: int  # bytes a picture, the largest input and output of one of its layers
    prints: Shape | None  # the size the paper prints
    claims: tuple[Claim, ...]  # all that the paper prints; none for pictures of another size

    @property
    def name(self) -> str:
        return self.fact.name

    @property
    def takes(self) -> Shape:
        return self.fact.takes

    @property
    def gives(self) -> Shape:
        return self.fact.gives

    @property
    def params(self) -> int:
        return self.fact.params

    @property
    def macs(self) -> int:
        return self.fact.macs

    @property
    def agrees(self) -> bool | None:
        """None where the paper prints nothing, or has pictures of another size."""
        return all(claim.agrees for claim in self.claims) if self.claims else None


@dataclass(frozen=True, slots=True)
class Annex:
    """An auxiliary head: a small table on what a row of the trunk gives, there in training only."""

    name: str
    after: str  # the trunk's row
    weight: float  # of its loss, beside the trunk's 1
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Ledger:
    """All rows of a net, where they were read and where they depart from it."""

    arch: Arch
    input: Shape
    lines: tuple[Line, ...]
    heads: tuple[Annex, ...]
    totals: tuple[Claim, ...]  # what the paper prints of the whole net

    @property
    def net(self) -> str:
        return self.arch.name

    @property
    def source(self) -> str:
        return self.arch.source

    @property
    def differs(self) -> tuple[str, ...]:
        return self.arch.differs

    @property
    def least(self) -> int:
        """The side, in px, of the smallest square picture that the table takes; it takes some seconds to find."""
        return least_side(shallow(self.arch), self.input[0])

    @property
    def least_trained(self) -> int:
        """The same with the auxiliary heads, which training has."""
        return least_side(shallow(self.arch), self.input[0], heads=True)

    @property
    def params(self) -> int:
        return sum(line.params for line in self.lines)

    @property
    def macs(self) -> int:
        return sum(line.macs for line in self.lines)

    @property
    def claims(self) -> tuple[Claim, ...]:
        """Every printed cell: the trunk's, the heads', the whole net's."""
        lines = (*self.lines, *(line for head in self.heads for line in head.lines))
        return (*(claim for line in lines for claim in line.claims), *self.totals)

    @property
    def disagreements(self) -> tuple[Claim, ...]:
        return tuple(claim for claim in self.claims if not claim.agrees)

    @property
    def wrong(self) -> tuple[str, ...]:
        """The names of the rows of which the paper prints what the table does not give."""
        return tuple(dict.fromkeys(claim.row for claim in self.disagreements))

    def memory(self, batch: int) -> Memory:
        """What `batch` pictures need; 1 or more."""
        others = [line for head in self.heads for line in head.lines]
        kept = sum(line.kept for line in (*self.lines, *others))
        return Memory(batch, self.params, sum(o.params for o in others), kept, max(line.pair for line in self.lines))


def ledger(arch: Arch, input: Shape | None = None) -> Ledger:
    """Hold every row of `arch` against its paper, for one picture of shape `input`.

    Raises ArchError, naming the row and the least square size, when the table does not take such pictures.
    """
    shape = input or arch.input
    held = shape == arch.input  # a paper says nothing about pictures of another size
    rows = list(facts(arch, input))
    lines, ends = entries(arch.rows, rows, held, Behind((Field(), Field())))
    place = {row.name: number for number, row in enumerate(arch.rows)}
    heads = []
    for head, found in zip(arch.heads, head_facts(arch, input).values(), strict=True):
        at = place[head.after]
        shared = ends[at].keeps.leaves or (at + 1 < len(ends) and ends[at + 1].keeps.enters > 0)
        start = replace(ends[at], keeps=replace(ends[at].keeps, leaves=shared))  # what the trunk keeps is kept once
        head_lines, _ = entries(head.rows, found, held, start, f"{head.name}.")
        heads.append(Annex(head.name, head.after, head.weight, head_lines))
    return Ledger(arch, shape, lines, tuple(heads), tuple(totals(arch, rows)) if held else ())


@dataclass(frozen=True, slots=True)
class Behind:
    """Where the next row stands: what a place sees, and what the row before it keeps."""

    sees: Sight
    keeps: Keeps = NONE


def entries(
    rows: Sequence[Row], found: Sequence[Fact], held: bool, behind: Behind, prefix: str = ""
) -> tuple[tuple[Line, ...], list[Behind]]:
    """The lines of `rows`, and where the row after each would stand. prefix: before their names in the claims."""
    params, macs = sum(fact.params for fact in found), sum(fact.macs for fact in found)
    lines, ends = [], []
    for row, fact in zip(rows, found, strict=True):
        keeps = row_keeps(row.spec, fact.takes)
        kept, behind = keeps.after(behind.keeps), Behind(sight(row.spec, fact.takes, behind.sees), keeps)
        lines.append(
            Line(
                fact,
                params_share=fact.params / params if params else 0.0,
                macs_share=fact.macs / macs if macs else 0.0,
                sees=behind.sees,
                kept=kept,
                pair=keeps.pair,
                prints=row.out if held else None,
                claims=tuple(claims(row, fact, prefix + row.name)) if held else (),
            )
        )
        ends.append(behind)
    return tuple(lines), ends


def sight(spec: Spec, takes: Shape, seen: Sight) -> Sight:
    """What a place behind a row sees; None: all of the picture."""
    if seen is None or len(takes) == 1:
        return None
    with torch.device("meta"):
        module = spec.make(takes)
    down, along = (through(module, seen[axis], axis, places=takes[1 + axis]) for axis in (0, 1))
    return (down, along) if down and along else None


def picture_size(text: str) -> Shape:
    """Channels, height and width in px from words like 3x96x96.

    Raises ArchError for anything else.
    """
    found = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if found is None:
        raise ArchError(f"input {text!r}; it is channels x height x width, like 3x96x96")
    return tuple(map(int, found.groups()))


def as_rows(ledger: Ledger) -> list[dict[str, str]]:
    """The ledger as text, the total last; the keys are the column heads, without those that no row has an entry for."""
    lines = [
        {
            "row": line.name,
            "takes": size(line.takes),
            "gives": size(line.gives),
            "params": f"{line.params:,}",
            "params share": f"{line.params_share:.1%}",
            "MACs": f"{line.macs:,}",
            "MACs share": f"{line.macs_share:.1%}",
            "sees px": seen(line.sees),
            "step px": stride(line.sees),
            "kept MiB": mib(line.kept),
            "paper": size(line.prints) if line.prints else "",
            **printed(line.claims),
            "agrees": {True: "yes", False: "NO", None: ""}[line.agrees],
        }
        for line in ledger.lines
    ]
    held = [claim.agrees for claim in ledger.claims]
    total = {
        "row": "total",
        "takes": size(ledger.lines[0].takes),
        "gives": size(ledger.lines[-1].gives),
        "params": f"{ledger.params:,}",
        "params share": "100.0%" if ledger.params else "",
        "MACs": f"{ledger.macs:,}",
        "MACs share": "100.0%" if ledger.macs else "",
        "sees px": "",
        "step px": "",
        "kept MiB": mib(sum(line.kept for line in ledger.lines)),
        "paper": "",
        **printed(ledger.totals),
        "agrees": f"{sum(held)} of {len(held)}" if held else "",
    }
    rows = [*lines, total]
    empty = {key for key in ("paper params", "paper MACs") if not any(row[key] for row in rows)}
    return [{key: cell for key, cell in row.items() if key not in empty} for row in rows]


def printed(found: Sequence[Claim]) -> dict[str, str]:
    """The printed counts among `found`, one that disagrees marked; nothing where none is printed."""
    cells = {claim.cell: short(claim.printed, claim.kilo) + ("" if claim.agrees else " !") for claim in found}
    return {f"paper {cell}": cells.get(cell, "") for cell in ("params", "MACs")}


def short(value: Shape | float, kilo: int = 1000) -> str:
    """A size, or a count in thousands, millions or billions of four digits; `kilo` is the thousand that is meant.

    >>> [short(n) for n in (156, 9_472, 1_097_728, 34e6, 15_470_264_320)]
    ['156', '9.472K', '1.098M', '34M', '15.47G']
    >>> [short(n * 1024, 1024) for n in (2.7, 463, 1072)]
    ['2.7K', '463K', '1072K']
    """
    if isinstance(value, tuple):
        return size(value)
    if kilo != 1000 and abs(value) >= kilo:
        return f"{value / kilo:.4g}K"  # as such a table prints it, millions too
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "K")):
        if abs(value) >= unit:
            return f"{value / unit:.4g}{letter}"
    return f"{value:.4g}"


def seen(sees: Sight) -> str:
    """The receptive field in px; both sides where they differ."""
    return "all" if sees is None else both_sides(sees[0].size, sees[1].size)


def stride(sees: Sight) -> str:
    """The px of the input between neighbouring places; both where they differ."""
    return "" if sees is None else both_sides(sees[0].stride, sees[1].stride)


def both_sides(down: int, along: int) -> str:
    return str(down) if down == along else f"{down}x{along}"


def mib(number: int) -> str:
    """Bytes in MiB, to what can be told apart in a table."""
    return f"{number / 2**20:.2f}" if number < 99.5 * 2**20 else f"{number / 2**20:,.0f}"
