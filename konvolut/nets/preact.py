"""Pre-activation ResNet. He, Zhang, Ren, Sun, Identity Mappings in Deep Residual Networks, arXiv:1603.05027.

Figure 1b and the appendix: norm and activation stand before each convolution, and once more after the last block.
"""

from konvolut.blocks.basic import Conv, Dense, GlobalAvgPool, MaxPool
from konvolut.blocks.norm import Norm
from konvolut.blocks.residual import Basic, Bottleneck, Stage
from konvolut.blocks.spec import NOTHING, Prints, Row
from konvolut.errors import ArchError
from konvolut.nets.arch import Arch
from konvolut.nets.resnet import BASIC, TABLE_1

PRINTED = {164: 1.7, 1001: 10.2}  # depth: millions of numbers, table 4 and section 5


def preact_cifar(depth: int = 164) -> Arch:
    """164 and 1001 have 9n + 2 layers in bottlenecks (appendix); 110 has 6n + 2, its shortcuts option A."""
    n, rest = divmod(depth - 2, 9)
    block: type[Basic] | type[Bottleneck]
    block, widths, shortcut = Bottleneck, (64, 128, 256), "B"
    if rest:
        n, rest = divmod(depth - 2, 6)
        block, widths, shortcut = Basic, (16, 32, 64), "A"
    if rest or n < 1:
        raise ArchError(f"preact-{depth}: the CIFAR nets have 9n + 2 layers, like 164 and 1001, or 6n + 2, like 110")
    a, b, c = widths
    # fmt: off
    rows = (
        #              kernels or blocks, width                               output, as section 5 implies
        Row("conv1",   Conv(16, 3, p=1, act="none", bias=False),              (16, 32, 32)),
        Row("stage1",  Stage(n, block(a, shortcut=shortcut, pre=True)),       (a, 32, 32)),
        Row("stage2",  Stage(n, block(b, shortcut=shortcut, pre=True), s=2),  (b, 16, 16)),
        Row("stage3",  Stage(n, block(c, shortcut=shortcut, pre=True), s=2),  (c, 8, 8)),
        Row("norm",    Norm("bn", act="relu")),
        Row("gap",     GlobalAvgPool(),                                       (c,)),
        Row("fc",      Dense(10, act="none"),                                 (10,)),
    )
    # fmt: on
    prints = Prints(params=PRINTED[depth] * 1e6) if depth in PRINTED else NOTHING
    return Arch(f"preact-{depth}", "arXiv:1603.05027, appendix, table 4", (3, 32, 32), rows, prints=prints)


def preact(depth: int = 18) -> Arch:
    """The ImageNet nets of ResNet's table 1 with pre-activation; a norm follows conv1 as there."""
    if depth not in TABLE_1:
        raise ArchError(f"preact-{depth}: ResNet's table 1 has {', '.join(map(str, TABLE_1))} layers")
    widths, counts, _ = TABLE_1[depth]
    block = Basic if widths == BASIC else Bottleneck
    (c2, c3, c4, c5), (n2, n3, n4, n5) = widths, counts
    # fmt: off
    rows = (
        Row("conv1",   Conv(64, 7, s=2, p=3, norm="bn", bias=False),          (64, 112, 112)),
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
    return Arch(f"preact-{depth}", "arXiv:1603.05027, figure 1b, section 5", (3, 224, 224), rows, differs)
