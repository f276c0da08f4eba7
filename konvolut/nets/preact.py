"""Pre-activation ResNet. He, Zhang, Ren, Sun, Identity Mappings in Deep Residual Networks, arXiv:1603.05027.

Figure 1b and the appendix: norm and activation stand before each convolution, and once more after the last block.
"""

from collections.abc import Sequence

from konvolut.blocks.basic import Conv, Dense, GlobalAvgPool, MaxPool
from konvolut.blocks.norm import Norm
from konvolut.blocks.residual import Basic, Bottleneck, Stage
from konvolut.blocks.spec import NOTHING, Prints, Row
from konvolut.errors import ArchError
from konvolut.nets.arch import Arch
from konvolut.nets.columns import column, own
from konvolut.nets.resnet import CIFAR, columns
from konvolut.types import Shape

PRINTED = {164: 1.7, 1001: 10.2}  # depth: millions of numbers, table 4 and section 5


def preact_cifar(
    depth: int = 164,
    *,
    widths: Sequence[int] | None = None,
    input: Shape | None = None,
    classes: int | None = None,
) -> Arch:
    """164 and 1001 have 9n + 2 layers in bottlenecks (appendix); 110 has 6n + 2, its shortcuts option A. `widths` of the
    three stages are the paper's where they are left out; the stem is as wide as the inside of the first stage's blocks.

    Raises ArchError for another depth, other than three widths, or pictures that are too small.
    """
    block: type[Basic] | type[Bottleneck]
    if depth in PRINTED or (depth - 2) % 6:  # 164 and 110 are both 9n + 2 and 6n + 2
        n, rest = divmod(depth - 2, 9)
        block, printed, shortcut = Bottleneck, (64, 128, 256), "B"
    else:
        n, rest = divmod(depth - 2, 6)
        block, printed, shortcut = Basic, CIFAR, "A"
    if rest or n < 1:
        raise ArchError(f"preact-{depth}: the CIFAR nets have 9n + 2 layers, like 164 and 1001, or 6n + 2, like 110")
    a, b, c = column(f"preact-{depth}: widths", printed if widths is None else widths, printed)
    stem = a if block is Basic else a // 4
    # fmt: off
    rows = (
        #              kernels or blocks, width                               output, as section 5 implies
        Row("conv1",   Conv(stem, 3, p=1, act="none", bias=False),            (stem, 32, 32)),
        Row("stage1",  Stage(n, block(a, shortcut=shortcut, pre=True)),       (a, 32, 32)),
        Row("stage2",  Stage(n, block(b, shortcut=shortcut, pre=True), s=2),  (b, 16, 16)),
        Row("stage3",  Stage(n, block(c, shortcut=shortcut, pre=True), s=2),  (c, 8, 8)),
        Row("norm",    Norm("bn", act="relu")),
        Row("gap",     GlobalAvgPool(),                                       (c,)),
        Row("fc",      Dense(10, act="none"),                                 (10,)),
    )
    # fmt: on
    prints = Prints(params=PRINTED[depth] * 1e6) if depth in PRINTED else NOTHING
    arch = Arch(f"preact-{depth}", "arXiv:1603.05027, appendix, table 4", (3, 32, 32), rows, prints=prints)
    return own(arch, input, classes, **({"widths": (a, b, c)} if (a, b, c) != printed else {}))


def preact(
    depth: int = 18,
    *,
    blocks: Sequence[int] | None = None,
    widths: Sequence[int] | None = None,
    input: Shape | None = None,
    classes: int | None = None,
) -> Arch:
    """The ImageNet nets of ResNet's table 1 with pre-activation; a norm follows conv1 as there. `blocks` and `widths` of the
    four stages, where others are wanted, and what is raised, as for `resnet`.
    """
    block, wide, counts, stem, cells = columns(f"preact-{depth}", depth, blocks, widths)
    (c2, c3, c4, c5), (n2, n3, n4, n5) = wide, counts
    # fmt: off
    rows = (
        Row("conv1",   Conv(stem, 7, s=2, p=3, norm="bn", bias=False),        (stem, 112, 112)),
        Row("pool1",   MaxPool(3, 2, 1)),
        Row("conv2_x", Stage(n2, block(c2, pre=True)),                        (c2, 56, 56)),
        Row("conv3_x", Stage(n3, block(c3, pre=True), s=2),                   (c3, 28, 28)),
        Row("conv4_x", Stage(n4, block(c4, pre=True), s=2),                   (c4, 14, 14)),
        Row("conv5_x", Stage(n5, block(c5, pre=True), s=2),                   (c5, 7, 7)),
        Row("norm",    Norm("bn", act="relu")),
        Row("gap",     GlobalAvgPool(),                                       (c5,)),
        Row("fc",      Dense(1000, act="none"),                               (1000,)),
    )
    # fmt: on
    differs = ("the paper prints ImageNet results for 152 and 200 layers; these depths follow ResNet's table 1",)
    name = f"preact-{2 + (2 if block is Basic else 3) * sum(counts)}"
    arch = Arch(name, "arXiv:1603.05027, figure 1b, section 5", (3, 224, 224), rows, differs)
    return own(arch, input, classes, **cells)
