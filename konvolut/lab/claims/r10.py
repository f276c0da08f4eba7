"""R10: ResNet is the same skeleton with another block (S45)."""

from collections.abc import Iterator

from konvolut.lab.study import Check, Claim, Exact
from konvolut.language import later
from konvolut.nets.arch import Arch, facts
from konvolut.nets.catalogue import named
from konvolut.nets.swap import swap_block
from konvolut.types import Shape

CLAIM = Claim(
    id="R10",
    sentence="S45",
    text=later("ResNet keeps the overall architecture of VGG and GoogLeNet and fills it with residual blocks."),
    expected="exact",
    why=later("Stages, their widths and the sizes of their maps are the same with any of the four blocks."),
)


def sizes(arch: Arch) -> list[Shape]:
    """What its stages give, in their order: the last map of each size."""
    maps = [fact.gives for fact in facts(arch) if len(fact.gives) == 3]
    return [one for one, after in zip(maps, [*maps[1:], ()], strict=True) if one[1:] != after[1:]]


def checks() -> Iterator[Check]:
    nets = {name: named(name) for name in ("vgg-16", "googlenet", "resnet-34")}
    for name, arch in nets.items():
        sides = [shape[1] for shape in sizes(arch)]
        shared = sum(side in sides for side in (112, 56, 28, 14, 7))  # ResNet-34's, He et al. 2015, table 1
        yield Check(f"{name}: of ResNet-34's five sides of maps, those it has", 5, shared)
    for name, arch in nets.items():
        for block in ("vgg", "nin", "inception", "residual"):
            same = float(sizes(swap_block(arch, block)) == sizes(arch))
            yield Check(f"{name} of {block} blocks: all its stages end in the same maps (1 yes, 0 no)", 1, same)


STUDY = Exact(claim=CLAIM, checks=checks)
