"""G4: the 1x1 reductions make it cheap (S29)."""

from collections.abc import Iterator
from dataclasses import replace

from konvolut.blocks.basic import Conv, MaxPool
from konvolut.blocks.inception import Inception, Paths
from konvolut.lab.study import Check, Claim, Exact
from konvolut.language import later
from konvolut.nets.arch import Fact, facts, tried
from konvolut.nets.catalogue import named

CLAIM = Claim(
    id="G4",
    sentence="S29",
    text=later("It is the 1x1 convolutions before the 3x3 and the 5x5 that make the block cheap."),
    expected="exact",
    why=later("Without them row 3a would have 2.4 times the weights."),
)


def conv(out: int, k: int) -> Conv:
    return Conv(out, k, p=k // 2, bias=False)


def without_reductions(spec: Inception, fact: Fact) -> Fact:
    """The block with each 3x3, 5x5 and pool on what comes in, all its widths kept."""
    ways = (
        ("1x1", (conv(spec.n1x1, 1),)),
        ("3x3", (conv(spec.n3x3, 3),)),
        ("5x5", (conv(spec.n5x5, 5),)),
        ("pool", (MaxPool(3, 1, 1), conv(spec.proj, 1))),
    )
    return tried(Paths(ways), fact.takes)


def checks() -> Iterator[Check]:
    arch = named("googlenet")
    blocks = {
        row.name: (fact, without_reductions(row.spec, fact), tried(replace(row.spec, bias=False), fact.takes).params)
        for row, fact in zip(arch.rows, facts(arch), strict=True)
        if isinstance(row.spec, Inception)
    }
    block, bare, weights = blocks["3a"]
    yield Check("3a without reductions: weights", 393_216, bare.params)  # 192 x (64 + 9 x 128 + 25 x 32 + 32)
    yield Check("times those of 3a", 2.4, bare.params / weights, 0.05)
    yield Check("it gives as many maps", block.gives[0], bare.gives[0])
    most = max(bare.params / weights for _, bare, weights in blocks.values())
    yield Check(
        "of all nine blocks, at most times", 5.2, most, 0.05
    )  # counted by a program that shares nothing with this


STUDY = Exact(claim=CLAIM, checks=checks)
