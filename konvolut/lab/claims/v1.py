"""V1: dense layers are too dear to grow a net by (S18)."""

from collections.abc import Iterator

from konvolut.blocks.basic import Dense
from konvolut.lab.study import Check, Claim, Exact
from konvolut.language import later
from konvolut.nets.arch import Arch, facts
from konvolut.nets.catalogue import named

CLAIM = Claim(
    id="V1",
    sentence="S18",
    text=later("Growing a net by dense layers costs too much."),
    expected="conditional",
    why=later("Dense layers hold nearly all the numbers of AlexNet and VGG, but do a few hundredths of the work."),
)

# Shares of the dense rows in per cent, counted by programs that share nothing with this one: numbers learnt.
SHARES = {"alexnet": 96.2, "vgg-11": 93.1, "vgg-16": 89.4, "vgg-19": 86.1}


def dense_share(arch: Arch, what: str) -> float:
    """Of the net's numbers ("params") or multiply-adds ("macs"), the share in dense rows, in per cent."""
    pairs = [
        (isinstance(row.spec, Dense), getattr(fact, what)) for row, fact in zip(arch.rows, facts(arch), strict=True)
    ]
    return float(100 * sum(n for dense, n in pairs if dense) / sum(n for _, n in pairs))


def checks() -> Iterator[Check]:
    for name, said in SHARES.items():
        arch = named(name)
        yield Check(
            f"{name}: dense rows' share of the numbers, %", said, dense_share(arch, "params"), 0.05, "numbers learnt"
        )
        most = float(dense_share(arch, "macs") > 50)
        yield Check(f"{name}: they do most of the work (1 yes, 0 no)", 1, most, about="multiply-adds")


STUDY = Exact(claim=CLAIM, checks=checks)
