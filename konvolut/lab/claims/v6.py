"""V6: AlexNet is irregular, VGG is not (S17)."""

from collections.abc import Iterator
from dataclasses import astuple
from itertools import zip_longest

from konvolut.blocks.basic import Conv
from konvolut.blocks.spec import Spec
from konvolut.lab.study import Check, Claim, Exact
from konvolut.language import later
from konvolut.nets.arch import Arch
from konvolut.nets.catalogue import named

CLAIM = Claim(
    id="V6",
    sentence="S17",
    text=later("AlexNet is irregular: its structure is not clear."),
    expected="exact",
    why=later("Nearly every row of its table is one of a kind; VGG-16 has twice the rows and one kind of convolution."),
)


def kinds(arch: Arch) -> int:
    """Different windows of its convolutions: kernel, stride, padding and groups, whatever their width."""
    return len({(s.k, s.s, s.p, s.groups) for s in (row.spec for row in arch.rows) if isinstance(s, Conv)})


def free(arch: Arch) -> int:
    """Numbers it takes to write the table down: of each row those that differ from the last row of its kind."""
    last: dict[type[Spec], list[int]] = {}
    total = 0
    for row in arch.rows:
        numbers = [cell for cell in astuple(row.spec) if type(cell) is int]  # neither words nor a share nor yes and no
        before = last.get(type(row.spec), [])
        total += sum(one != two for one, two in zip_longest(numbers, before))
        last[type(row.spec)] = numbers
    return total


def checks() -> Iterator[Check]:
    alexnet, vgg = named("alexnet"), named("vgg-16")
    # 11/4, 5 and 3 in two groups, and conv3's 3 without groups; VGG's only window is 3x3
    yield Check("AlexNet: kinds of window in 5 convolutions", 4, kinds(alexnet))
    yield Check("VGG-16: kinds of window in 13 convolutions", 1, kinds(vgg))
    # 5 convolutions, one kind of pool, 3 dense rows; in VGG 4 widths, one pool, 3 dense rows
    yield Check("AlexNet: different rows of 11", 9, len({row.spec for row in alexnet.rows}))
    yield Check("VGG-16: different rows of 21", 8, len({row.spec for row in vgg.rows}))
    # AlexNet: conv1 5 (width, window, stride, padding, groups), conv2 5, conv3 all but the stride, conv4 its groups, conv5
    # its width; 3 for the pools; 4,096 and 1,000. VGG-16: 5, then three new widths; 3; 4,096 and 1,000.
    yield Check("AlexNet: numbers to write its 11 rows", 5 + 5 + 4 + 1 + 1 + 3 + 2, free(alexnet))
    yield Check("VGG-16: numbers to write its 21 rows", 5 + 3 + 3 + 2, free(vgg))


STUDY = Exact(claim=CLAIM, checks=checks)
