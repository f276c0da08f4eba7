"""A net's table beside what its paper prints: sizes, learnt numbers and work, row by row."""

from dataclasses import dataclass

from konvolut.nets.arch import Arch, facts, size
from konvolut.types import Shape


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the table for one picture."""

    name: str
    takes: Shape
    gives: Shape
    params: int  # numbers it learns
    macs: int  # multiply-accumulates of its convolutions and dense layers
    params_share: float  # of the net's
    macs_share: float
    prints: Shape | None  # the size the paper prints
    agrees: bool | None  # None where the paper prints none, or has pictures of another size


@dataclass(frozen=True, slots=True)
class Ledger:
    """All rows of a net, where they were read and where they depart from it."""

    net: str
    source: str
    input: Shape
    lines: tuple[Line, ...]
    differs: tuple[str, ...]

    @property
    def params(self) -> int:
        return sum(line.params for line in self.lines)

    @property
    def macs(self) -> int:
        return sum(line.macs for line in self.lines)

    @property
    def wrong(self) -> tuple[str, ...]:
        """The names of the rows that give another size than their paper prints."""
        return tuple(line.name for line in self.lines if line.agrees is False)


def ledger(arch: Arch, input: Shape | None = None) -> Ledger:
    """Hold every row of `arch` against its paper, for one picture of shape `input`.

    Raises ArchError, naming the row and the least square size, when the table does not take such pictures.
    """
    rows = list(facts(arch, input))
    shape = input or arch.input
    params, macs = sum(row.params for row in rows), sum(row.macs for row in rows)
    lines = []
    for row, fact in zip(arch.rows, rows, strict=True):
        known = row.out is not None and shape == arch.input
        shares = (fact.params / params if params else 0.0, fact.macs / macs if macs else 0.0)
        agrees = row.out == fact.gives if known else None
        lines.append(Line(fact.name, fact.takes, fact.gives, fact.params, fact.macs, *shares, row.out, agrees))
    return Ledger(arch.name, arch.source, shape, tuple(lines), arch.differs)


def as_rows(ledger: Ledger) -> list[dict[str, str]]:
    """The ledger as text, the total last; the keys are the column heads."""
    rows = [
        {
            "row": line.name,
            "takes": size(line.takes),
            "gives": size(line.gives),
            "params": f"{line.params:,}",
            "params share": f"{line.params_share:.1%}",
            "MACs": f"{line.macs:,}",
            "MACs share": f"{line.macs_share:.1%}",
            "paper": size(line.prints) if line.prints else "",
            "agrees": {True: "yes", False: "NO", None: ""}[line.agrees],
        }
        for line in ledger.lines
    ]
    first, last = ledger.lines[0], ledger.lines[-1]
    held = [line.agrees for line in ledger.lines if line.agrees is not None]
    total = {
        "row": "total",
        "takes": size(first.takes),
        "gives": size(last.gives),
        "params": f"{ledger.params:,}",
        "params share": "100.0%" if ledger.params else "",
        "MACs": f"{ledger.macs:,}",
        "MACs share": "100.0%" if ledger.macs else "",
        "paper": "",
        "agrees": f"{sum(held)} of {len(held)}" if held else "",
    }
    return [*rows, total]
