"""ResNet. He, Zhang, Ren, Sun, Deep Residual Learning for Image Recognition, arXiv:1512.03385.

Table 1 for ImageNet, section 4.2 for CIFAR-10. The stride of a bottleneck is on its first 1x1 ("v1").
"""

from konvolut.blocks.basic import Conv, Dense, GlobalAvgPool, MaxPool
from konvolut.blocks.residual import Basic, Bottleneck, Stage
from konvolut.blocks.spec import Row
from konvolut.errors import ArchError
from konvolut.nets.arch import Arch

Widths = tuple[int, int, int, int]

TABLE_1: dict[
    int, tuple[type[Basic] | type[Bottleneck], Widths, Widths]
] = {  # depth: block, widths of conv2_x to conv5_x, blocks in each
    18: (Basic, (64, 128, 256, 512), (2, 2, 2, 2)),
    34: (Basic, (64, 128, 256, 512), (3, 4, 6, 3)),
    50: (Bottleneck, (256, 512, 1024, 2048), (3, 4, 6, 3)),
    101: (Bottleneck, (256, 512, 1024, 2048), (3, 4, 23, 3)),
    152: (Bottleneck, (256, 512, 1024, 2048), (3, 8, 36, 3)),
}


def resnet(depth: int = 50, classes: int = 1000, *, shortcut: str = "B") -> Arch:
    """`shortcut` is an option of section 4.1 (A, B, C), or "none" for the plain net."""
    if depth not in TABLE_1:
        raise ArchError(f"resnet-{depth}: table 1 has {', '.join(map(str, TABLE_1))} layers")
    block, (c2, c3, c4, c5), (n2, n3, n4, n5) = TABLE_1[depth]
    # fmt: off
    rows = (
        #              kernels or blocks, width                               output, as table 1 prints
        Row("conv1",   Conv(64, 7, s=2, p=3, norm="bn", bias=False),          (64, 112, 112)),
        Row("pool1",   MaxPool(3, 2, 1)),
        Row("conv2_x", Stage(block, n2, c2, shortcut=shortcut),               (c2, 56, 56)),
        Row("conv3_x", Stage(block, n3, c3, s=2, shortcut=shortcut),          (c3, 28, 28)),
        Row("conv4_x", Stage(block, n4, c4, s=2, shortcut=shortcut),          (c4, 14, 14)),
        Row("conv5_x", Stage(block, n5, c5, s=2, shortcut=shortcut),          (c5, 7, 7)),
        Row("gap",     GlobalAvgPool(),                                       (c5,)),
        Row("fc",      Dense(classes, act="none"),                            (classes,)),
    )
    # fmt: on
    return Arch(name_of(depth, shortcut, "B"), "arXiv:1512.03385, table 1", (3, 224, 224), rows)


def resnet_cifar(depth: int = 20, classes: int = 10, *, shortcut: str = "A") -> Arch:
    """Section 4.2: 6n + 2 layers, option A throughout."""
    n, rest = divmod(depth - 2, 6)
    if rest or n < 1:
        raise ArchError(f"resnet-{depth}: the CIFAR nets have 6n + 2 layers, like 20, 32 and 110")
    # fmt: off
    rows = (
        #              kernels or blocks, width                               output, as section 4.2 prints
        Row("conv1",   Conv(16, 3, p=1, norm="bn", bias=False),               (16, 32, 32)),
        Row("stage1",  Stage(Basic, n, 16, shortcut=shortcut),                (16, 32, 32)),
        Row("stage2",  Stage(Basic, n, 32, s=2, shortcut=shortcut),           (32, 16, 16)),
        Row("stage3",  Stage(Basic, n, 64, s=2, shortcut=shortcut),           (64, 8, 8)),
        Row("gap",     GlobalAvgPool(),                                       (64,)),
        Row("fc",      Dense(classes, act="none"),                            (classes,)),
    )
    # fmt: on
    return Arch(name_of(depth, shortcut, "A"), "arXiv:1512.03385, section 4.2", (3, 32, 32), rows)


def name_of(depth: int, shortcut: str, usual: str) -> str:
    """The name of a net: resnet-34, resnet-34-c, plain-34."""
    if shortcut == "none":
        return f"plain-{depth}"
    return f"resnet-{depth}" if shortcut == usual else f"resnet-{depth}-{shortcut.lower()}"
