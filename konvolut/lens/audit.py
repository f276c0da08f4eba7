"""What a paper prints of a net, cell by cell, held against what its table gives."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod

from konvolut.blocks.basic import Conv
from konvolut.blocks.spec import Prints, Row, Spec
from konvolut.nets.arch import Arch, Fact, sides
from konvolut.types import Shape

# Papers print two or three digits, round or cut them, and leave out biases and norms: the prints that are known to be
# right are up to 2.4 % off (1M operations for 1,024,000, table 1 of GoogLeNet), the known errors 5.2 % and more (1072K
# for 1,043,456 in its row 5a). Anything between the two tells them apart.
TOLERANCE = 0.03  # of what is counted
MOST = 64  # maps a depthwise convolution makes of each; more than any net of these years


@dataclass(frozen=True, slots=True)
class Claim:
    """One printed cell, and what the table gives for it."""

    row: str  # "total" for the whole net
    cell: str  # size, params or MACs
    printed: Shape | float
    found: Shape | int
    kilo: int = 1000  # what the print's "K" stands for
    fits: int | None = None  # the multiplier of a separable convolution of which the print is right; see `separable`

    @property
    def off(self) -> float:
        """How far the print is from what was counted, as a share of the count; 0 for sizes."""
        if isinstance(self.printed, tuple) or isinstance(self.found, tuple):
            return 0.0
        return (self.printed - self.found) / self.found if self.found else float(self.printed != 0)

    @property
    def agrees(self) -> bool:
        """A size to the pixel, a count within TOLERANCE."""
        return self.printed == self.found if self.cell == "size" else abs(self.off) <= TOLERANCE


def claims(row: Row, fact: Fact, name: str) -> Iterator[Claim]:
    """Every cell that is printed of `row`, which is called `name`; `fact` is what it gives."""
    if row.out is not None:
        yield Claim(name, "size", row.out, fact.gives)
    counted = list(counts(name, row.prints, fact.params, fact.macs))
    times = None if all(claim.agrees for claim in counted) else separable(row.spec, row.prints, fact)
    for claim in counted:
        yield claim if claim.agrees else replace(claim, fits=times)


def totals(arch: Arch, facts: Sequence[Fact]) -> Iterator[Claim]:
    """What is printed of the whole net."""
    yield from counts("total", arch.prints, sum(fact.params for fact in facts), sum(fact.macs for fact in facts))


def counts(name: str, prints: Prints, params: int, macs: int) -> Iterator[Claim]:
    if prints.params is not None:
        yield Claim(name, "params", prints.params, params, prints.kilo)
    if prints.macs is not None:
        yield Claim(name, "MACs", prints.macs, macs)


def separable(spec: Spec, prints: Prints, fact: Fact) -> int | None:
    """The multiplier with which a depthwise-separable convolution of the row's kernel would cost what is printed.

    Each map gives `multiplier` maps by a kernel of its own, and a 1x1 convolution joins all of them: without biases,
    k * k * c * multiplier + c * multiplier * out weights, each at work once a pixel. None when the row is no
    convolution, its paper does not print both counts, or no multiplier comes within TOLERANCE of both.
    """
    if not isinstance(spec, Conv) or prints.params is None or prints.macs is None:
        return None
    comes, out, kernel = fact.takes[0], fact.gives[0], prod(sides(spec.k))
    for times in range(1, MOST + 1):
        weights = comes * times * (kernel + out)
        if all(claim.agrees for claim in counts("", prints, weights, weights * prod(fact.gives[1:]))):
            return times
    return None
