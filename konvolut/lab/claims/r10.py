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
    for name in ("vgg-16", "googlenet", "resnet-34"):
        arch = named(name)
        for block in ("vgg", "nin", "inception", "residual"):
            other = sizes(swap_block(arch, block))
            same = sum(one in other for one in sizes(arch))
            yield Check(f"{name} of {block} blocks: stages that end in the same maps", len(sizes(arch)), same)


STUDY = Exact(claim=CLAIM, checks=checks)
