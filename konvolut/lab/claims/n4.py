"""N4: NiN blocks and pools alternate (S25)."""

from collections.abc import Iterator
from itertools import pairwise

from konvolut.lab.study import Check, Claim, Exact
from konvolut.language import later
from konvolut.nets.arch import facts
from konvolut.nets.catalogue import named

CLAIM = Claim(
    id="N4",
    sentence="S25",
    text=later("NiN blocks alternate with pools of stride 2: height and width fall, channels rise."),
    expected="conditional",
    why=later("So it is for three blocks; the fourth drops to the number of classes."),
)


def checks() -> Iterator[Check]:
    gives = {fact.name: fact.gives for fact in facts(named("nin@d2l"))}
    blocks, pools = [gives[f"block{n}"] for n in (1, 2, 3, 4)], [gives[f"pool{n}"] for n in (1, 2, 3)]
    for number, (before, after) in enumerate(zip(blocks[:3], pools, strict=True), start=1):
        yield Check(f"pool {number}: side, in px", (before[1] - 3) // 2 + 1, after[1], about="the first three blocks")
    for number, (one, next_) in enumerate(pairwise(blocks[:3]), start=1):
        rises = float(next_[0] > one[0])
        yield Check(
            f"block {number + 1} is wider than block {number} (1 yes, 0 no)", 1, rises, about="the first three blocks"
        )
    yield Check(
        "block 4 is wider than block 3 (1 yes, 0 no)", 1, float(blocks[3][0] > blocks[2][0]), about="the last block"
    )


STUDY = Exact(claim=CLAIM, checks=checks)
