"""ResNet. He, Zhang, Ren, Sun, Deep Residual Learning for Image Recognition, arXiv:1512.03385.

Table 1 for ImageNet, section 4.2 for CIFAR-10. The stride of a bottleneck is on its first 1x1 ("v1"); the edition
@torchvision has it on the 3x3 ("v1.5"). The edition @d2l is that of Dive into Deep Learning.
"""

from collections.abc import Sequence

from konvolut.blocks.basic import Conv, Dense, GlobalAvgPool, MaxPool
from konvolut.blocks.residual import SHORTCUTS, Basic, Bottleneck, Stage
from konvolut.blocks.spec import NOTHING, Prints, Row, chosen
from konvolut.errors import ArchError
from konvolut.nets.arch import Arch
from konvolut.nets.columns import column, own
from konvolut.types import Shape

BASIC, BOTTLENECK = (64, 128, 256, 512), (256, 512, 1024, 2048)  # widths of conv2_x to conv5_x
TABLE_1 = {  # depth: widths, blocks in each, billions of multiply-adds as printed
    18: (BASIC, (2, 2, 2, 2), 1.8),
    34: (BASIC, (3, 4, 6, 3), 3.6),
    50: (BOTTLENECK, (3, 4, 6, 3), 3.8),
    101: (BOTTLENECK, (3, 4, 23, 3), 7.6),
    152: (BOTTLENECK, (3, 8, 36, 3), 11.3),
}
CIFAR = (16, 32, 64)  # widths of the three stages of section 4.2
TABLE_6 = {20: 0.27, 32: 0.46, 44: 0.66, 56: 0.85, 110: 1.7, 1202: 19.4}  # depth: millions of numbers


def resnet(
    depth: int = 50,
    *,
    shortcut: str = "B",
    strider: int = 1,
    blocks: Sequence[int] | None = None,
    widths: Sequence[int] | None = None,
    bias: bool = False,
    input: Shape | None = None,
    classes: int | None = None,
) -> Arch:
    """`shortcut` is an option of section 4.1 (A, B, C), or "none" for the plain net; `strider` the convolution of a
    bottleneck that strides; `blocks` and `widths` of the four stages, where others than table 1's are wanted: the stem is
    then as wide as the inside of the first stage's blocks.

    Raises ArchError for a depth that table 1 does not have, columns of another length, or pictures that are too small.
    """
    kind, wide, counts, stem, cells = columns(f"resnet-{depth}", depth, blocks, widths)
    chosen("shortcut", shortcut, SHORTCUTS)
    if strider not in (1, 2):
        raise ArchError(
            f"resnet-{depth}: strider = {strider}; the first or the second convolution of a bottleneck strides"
        )
    extra = {"strider": strider} if strider == 2 and kind is Bottleneck else {}
    extra |= {"bias": bias} if bias else {}

    def stage(number: int, s: int) -> Stage:
        if kind is Basic:
            return Stage(counts[number], Basic(wide[number], shortcut=shortcut, bias=bias), s)
        return Stage(counts[number], Bottleneck(wide[number], shortcut=shortcut, bias=bias, strider=strider), s)

    c2, c3, c4, c5 = wide
    # fmt: off
    rows = (
        #              kernels or blocks, width                               output, as table 1 prints
        Row("conv1",   Conv(stem, 7, s=2, p=3, norm="bn", bias=bias),         (stem, 112, 112)),
        Row("pool1",   MaxPool(3, 2, 1)),
        Row("conv2_x", stage(0, 1),                                           (c2, 56, 56)),
        Row("conv3_x", stage(1, 2),                                           (c3, 28, 28)),
        Row("conv4_x", stage(2, 2),                                           (c4, 14, 14)),
        Row("conv5_x", stage(3, 2),                                           (c5, 7, 7)),
        Row("gap",     GlobalAvgPool(),                                       (c5,)),
        Row("fc",      Dense(1000, act="none"),                               (1000,)),
    )
    # fmt: on
    name = name_of(2 + (2 if kind is Basic else 3) * sum(counts), shortcut, "B")
    billions = TABLE_1[depth][2]
    told = shortcut == "B" or (
        shortcut == "none" and depth <= 34
    )  # table 1 has the projections of B; figure 3 plain-34
    prints = Prints(macs=billions * 1e9) if told else NOTHING
    return own(
        Arch(name, "arXiv:1512.03385, table 1", (3, 224, 224), rows, prints=prints), input, classes, **cells, **extra
    )


Columns = tuple[type[Basic] | type[Bottleneck], tuple[int, ...], tuple[int, ...], int, dict[str, tuple[int, ...]]]


def columns(where: str, depth: int, blocks: Sequence[int] | None, widths: Sequence[int] | None) -> Columns:
    """The kind of block, the widths and blocks of the four stages, the stem's width, and which columns are one's own."""
    if depth not in TABLE_1:
        raise ArchError(f"{where}: table 1 has {', '.join(map(str, TABLE_1))} layers")
    printed, repeats, _ = TABLE_1[depth]
    kind = Basic if printed == BASIC else Bottleneck
    wide = column(f"{where}: widths", printed if widths is None else widths, printed)
    counts = column(f"{where}: blocks", repeats if blocks is None else blocks, repeats)
    cells = {"blocks": counts} if counts != repeats else {}
    cells |= {"widths": wide} if wide != printed else {}
    return kind, wide, counts, wide[0] if kind is Basic else wide[0] // 4, cells


def resnet_cifar(
    depth: int = 20,
    *,
    shortcut: str = "A",
    widths: Sequence[int] = CIFAR,
    input: Shape | None = None,
    classes: int | None = None,
) -> Arch:
    """Section 4.2: 6n + 2 layers, option A throughout; `widths` of the three stages, the first also the stem's.

    Raises ArchError for another depth, other than three widths, or pictures that are too small.
    """
    a, b, c = column(f"resnet-{depth}: widths", widths, CIFAR)
    n, rest = divmod(depth - 2, 6)
    if rest or n < 1:
        raise ArchError(f"resnet-{depth}: the CIFAR nets have 6n + 2 layers, like 20, 32 and 110")
    # fmt: off
    rows = (
        #              kernels or blocks, width                               output, as section 4.2 prints
        Row("conv1",   Conv(a, 3, p=1, norm="bn", bias=False),                (a, 32, 32)),
        Row("stage1",  Stage(n, Basic(a, shortcut=shortcut)),                 (a, 32, 32)),
        Row("stage2",  Stage(n, Basic(b, shortcut=shortcut), s=2),            (b, 16, 16)),
        Row("stage3",  Stage(n, Basic(c, shortcut=shortcut), s=2),            (c, 8, 8)),
        Row("gap",     GlobalAvgPool(),                                       (c,)),
        Row("fc",      Dense(10, act="none"),                                 (10,)),
    )
    # fmt: on
    millions = TABLE_6.get(depth) if shortcut == "A" else None
    prints = Prints(params=millions * 1e6) if millions else NOTHING
    name, source = name_of(depth, shortcut, "A"), "arXiv:1512.03385, section 4.2, table 6"
    cells = {"widths": (a, b, c)} if (a, b, c) != CIFAR else {}
    return own(Arch(name, source, (3, 32, 32), rows, prints=prints), input, classes, **cells)


def resnet_torchvision(depth: int = 50) -> Arch:
    """With two layers a block it is the paper's own; with three, the 3x3 strides."""
    arch = resnet(depth, strider=2)
    differs = () if depth < 50 else ('stride: on the 3x3 of a bottleneck, not on its first 1x1 ("v1.5")',)
    return Arch(f"resnet-{depth}@torchvision", f"{arch.source}; torchvision's model", arch.input, arch.rows, differs)


def resnet_d2l(depth: int = 18) -> Arch:
    arch = resnet(depth, shortcut="B bare", bias=True)
    rows = (*(Row(row.name, row.spec) for row in arch.rows[:-1]), Row("fc", Dense(10, act="none"), (10,)))
    differs = ("biases: in every convolution", "projections: without batch norm", "pictures: grey, of 96 px")
    return Arch(f"resnet-{depth}@d2l", "Dive into Deep Learning, section 8.6", (1, 96, 96), rows, differs)


def name_of(depth: int, shortcut: str, usual: str) -> str:
    """The name of a net: resnet-34, resnet-34-c, plain-34."""
    if shortcut == "none":
        return f"plain-{depth}"
    return f"resnet-{depth}" if shortcut == usual else f"resnet-{depth}-{shortcut.lower()}"
