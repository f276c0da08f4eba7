"""G4: the 1x1 reductions make it cheap (S29)."""

from collections.abc import Iterator

from konvolut.blocks.basic import Conv, MaxPool
from konvolut.blocks.inception import Paths
from konvolut.lab.study import Check, Claim, Exact
from konvolut.language import later
from konvolut.nets.arch import facts, tried
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


def checks() -> Iterator[Check]:
    block = next(fact for fact in facts(named("googlenet")) if fact.name == "3a")
    naive = Paths((
        ("1x1", (conv(64, 1),)), ("3x3", (conv(128, 3),)), ("5x5", (conv(32, 5),)), ("pool", (MaxPool(3, 1, 1), conv(32, 1))),
    ))  # fmt: skip
    bare = tried(naive, block.takes)
    yield Check("3a without reductions: weights", 393_216, bare.params)  # 192 x (64 + 9 x 128 + 25 x 32 + 32)
    yield Check("times those of 3a", 2.4, bare.params / (block.params - 368), 0.05)
    yield Check("it gives as many maps", block.gives[0], bare.gives[0])


STUDY = Exact(claim=CLAIM, checks=checks)
