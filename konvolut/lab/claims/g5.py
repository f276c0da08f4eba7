"""G5: GoogLeNet is Inception blocks in a row (S30)."""

from collections.abc import Iterator

from konvolut.blocks.inception import Inception
from konvolut.lab.study import Check, Claim, Exact
from konvolut.language import later
from konvolut.nets.arch import layers
from konvolut.nets.catalogue import named

CLAIM = Claim(
    id="G5",
    sentence="S30",
    text=later("GoogLeNet is many Inception blocks, one after another."),
    expected="exact",
    why=later("Table 1: two, five and two blocks, 22 layers with weights."),
)


def checks() -> Iterator[Check]:
    arch = named("googlenet")
    blocks = [row.name for row in arch.rows if isinstance(row.spec, Inception)]
    yield Check("Inception blocks", 9, len(blocks))
    for stage, count in (("3", 2), ("4", 5), ("5", 2)):
        yield Check(f"blocks of stage {stage}", count, sum(name.startswith(stage) for name in blocks))
    yield Check("layers with weights", 22, layers(arch))


STUDY = Exact(claim=CLAIM, checks=checks)
