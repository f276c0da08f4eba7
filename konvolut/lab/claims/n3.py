"""N3: NiN needs no dense layer and far fewer numbers (S23)."""

from collections.abc import Iterator
from math import prod

from konvolut.blocks.basic import Conv, Dense
from konvolut.blocks.mlpconv import Mlpconv
from konvolut.lab.study import Check, Claim, Exact
from konvolut.language import later
from konvolut.nets.arch import Arch, facts
from konvolut.nets.catalogue import named

CLAIM = Claim(
    id="N3",
    sentence="S23",
    text=later("NiN has no dense layers at all, and so costs far less."),
    expected="conditional",
    why=later(
        "It learns 23 times fewer numbers than AlexNet and does a fifth less work; its maps take 2.5 times the memory."
    ),
)


def held(arch: Arch) -> int:
    """Numbers in what its convolutions and dense layers give, for one picture."""
    pairs = zip(arch.rows, facts(arch), strict=True)
    times = {Conv: 1, Dense: 1, Mlpconv: 3}  # convolutions in a row
    return sum(times.get(type(row.spec), 0) * prod(fact.gives) for row, fact in pairs)


def checks() -> Iterator[Check]:
    nin, alexnet = named("nin@d2l"), named("alexnet@d2l")
    params, macs = (
        [sum(getattr(f, what) for f in facts(net)) for net in (nin, alexnet)] for what in ("params", "macs")
    )
    yield Check("dense rows of NiN", 0, sum(isinstance(row.spec, Dense) for row in nin.rows), about="numbers learnt")
    yield Check("NiN: numbers learnt", 1_992_166, params[0], about="numbers learnt")
    yield Check("AlexNet: numbers learnt", 46_764_746, params[1], about="numbers learnt")
    yield Check("NiN does less work (1 yes, 0 no)", 1, float(macs[0] < macs[1]), about="multiply-adds")
    yield Check("its maps take less memory (1 yes, 0 no)", 1, float(held(nin) < held(alexnet)), about="memory of maps")


STUDY = Exact(claim=CLAIM, checks=checks)
