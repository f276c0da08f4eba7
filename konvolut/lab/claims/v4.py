"""V4: blocks make a regular family (S21)."""

from collections.abc import Iterator

from konvolut.blocks.basic import Conv, MaxPool
from konvolut.lab.study import Check, Claim, Exact
from konvolut.language import later
from konvolut.nets.arch import facts, layers
from konvolut.nets.catalogue import named

CLAIM = Claim(
    id="V4",
    sentence="S21",
    text=later("Repeated blocks make a family of nets, from VGG-11 to VGG-19."),
    expected="exact",
    why=later("It is the construction: every block keeps the map and its pool halves it."),
)

PRINTED = {"vgg-11": 11, "vgg-13": 13, "vgg-16": 16, "vgg-19": 19}  # layers with weights, table 1
NUMBERS = {"vgg-11": 132_863_336, "vgg-13": 133_047_848, "vgg-16": 138_357_544, "vgg-19": 143_667_240}


def checks() -> Iterator[Check]:
    for name, depth in PRINTED.items():
        arch = named(name)
        rows = list(zip(arch.rows, facts(arch), strict=True))
        yield Check(f"{name}: layers with weights", depth, layers(arch))
        yield Check(f"{name}: numbers learnt", NUMBERS[name], sum(fact.params for _, fact in rows))
        kept = [fact.takes[1:] == fact.gives[1:] for row, fact in rows if isinstance(row.spec, Conv)]
        halved = [fact.takes[1] == 2 * fact.gives[1] for row, fact in rows if isinstance(row.spec, MaxPool)]
        yield Check(f"{name}: convolutions that keep height and width", len(kept), sum(kept))
        yield Check(f"{name}: pools that halve them", 5, sum(halved))


STUDY = Exact(claim=CLAIM, checks=checks)
