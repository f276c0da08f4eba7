"""G3: an Inception block is cheaper than one 3x3 or 5x5 (S29)."""

from collections.abc import Iterator

from konvolut.blocks.basic import Conv
from konvolut.blocks.inception import Inception
from konvolut.lab.study import Check, Claim, Exact
from konvolut.language import later
from konvolut.nets.arch import facts, tried
from konvolut.nets.catalogue import named

CLAIM = Claim(
    id="G3",
    sentence="S29",
    text=later("An Inception block has fewer numbers and less work than a single 3x3 or 5x5 convolution."),
    expected="exact",
    why=later("The lectures give row 3a, 192 maps to 256 at 28 px: 0.16, 0.44 and 1.22 M; 128, 346 and 963 M."),
)


BIASES = 64 + 96 + 128 + 16 + 32 + 32  # of row 3a, one a map of each convolution; the lectures count weights only


def checks() -> Iterator[Check]:
    # the lectures cut 1.2288 M weights and 346.8 M multiply-adds off after the last digit shown, hence a whole unit there
    block = next(fact for fact in facts(named("googlenet")) if fact.name == "3a")
    single = {k: tried(Conv(256, k, p=k // 2, bias=False), block.takes) for k in (3, 5)}
    yield Check("3a: millions of weights", 0.16, (block.params - BIASES) / 1e6, 0.005)
    yield Check("3x3: millions of weights", 0.44, single[3].params / 1e6, 0.005)
    yield Check("5x5: millions of weights", 1.22, single[5].params / 1e6, 0.01)
    yield Check("3a: millions of multiply-adds", 128, block.macs / 1e6, 0.5)
    yield Check("3x3: millions of multiply-adds", 346, single[3].macs / 1e6, 1)
    yield Check("5x5: millions of multiply-adds", 963, single[5].macs / 1e6, 0.5)
    cheaper = 0
    for row, fact in zip(named("googlenet").rows, facts(named("googlenet")), strict=True):
        if isinstance(row.spec, Inception):
            one = tried(Conv(fact.gives[0], 3, p=1), fact.takes)
            cheaper += fact.params < one.params and fact.macs < one.macs
    yield Check("of nine blocks, those cheaper than one 3x3", 9, cheaper)


STUDY = Exact(claim=CLAIM, checks=checks)
