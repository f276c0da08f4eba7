"""N5: global average pooling gives one number a class (S26)."""

from collections.abc import Iterator

import torch

from konvolut.blocks.basic import GlobalAvgPool
from konvolut.lab.study import Check, Claim, Exact
from konvolut.language import later
from konvolut.nets.arch import facts
from konvolut.nets.catalogue import named

CLAIM = Claim(
    id="N5",
    sentence="S26",
    text=later("Global average pooling gives the answer: as many classes as there are channels coming in."),
    expected="exact",
    why=later("The mean of a map is one number, and does not ask where in the map anything was."),
)


def checks() -> Iterator[Check]:
    for name, classes in (("nin@d2l", 10), ("nin", 1000), ("nin-cifar", 10)):
        *_, gap = facts(named(name))
        yield Check(f"{name}: channels that come in", classes, gap.takes[0])
        yield Check(f"{name}: answers that go out", classes, gap.gives[0])
    dice = torch.Generator().manual_seed(0)
    maps = torch.randn(2, 10, 5, 5, dtype=torch.float64, generator=dice)
    stirred = maps.flatten(2)[:, :, torch.randperm(25, generator=dice)].view_as(maps)
    pool = GlobalAvgPool().make((10, 5, 5))
    yield Check("largest change when the pixels are stirred", 0, float((pool(maps) - pool(stirred)).abs().max()), 1e-12)


STUDY = Exact(claim=CLAIM, checks=checks)
