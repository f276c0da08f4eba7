"""VGG. Simonyan, Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, arXiv:1409.1556.

Table 1, columns A to E; table 2 prints how much each learns. The paper prints one map: the 7x7 that the first dense layer
takes (section 3.2). The edition @d2l is that of Dive into Deep Learning, section 8.2.
"""

from collections.abc import Sequence
from dataclasses import replace

from konvolut.blocks.basic import AdaptivePool, Conv, Dense, MaxPool
from konvolut.blocks.spec import NOTHING, Prints, Row, chosen
from konvolut.errors import ArchError
from konvolut.nets.arch import Arch

WIDTHS = (64, 128, 256, 512, 512)  # of the five groups
COLUMNS = {  # the kernel of every convolution, group by group; its name; the millions of numbers of table 2
    "A": (("3", "3", "33", "33", "33"), "vgg-11", 133),
    "A-LRN": (("3", "3", "33", "33", "33"), "vgg-11-lrn", 133),
    "B": (("33", "33", "33", "33", "33"), "vgg-13", 133),
    "C": (("33", "33", "331", "331", "331"), "vgg-16c", 134),
    "D": (("33", "33", "333", "333", "333"), "vgg-16", 138),
    "E": (("33", "33", "3333", "3333", "3333"), "vgg-19", 144),
}


def vgg(
    convs: Sequence[int] | None = None,
    widths: Sequence[int] = WIDTHS,
    *,
    column: str = "D",
    input: tuple[int, int, int] = (3, 224, 224),
    classes: int = 1000,
) -> Arch:
    """`column` is a letter of table 1; or give `convs`, the number of 3x3 convolutions of each group, and `widths`."""
    if convs is not None:
        if len(convs) != len(widths) or min(convs, default=0) < 1:
            raise ArchError(f"vgg: convs = {tuple(convs)}, widths = {tuple(widths)}; each group needs both, 1 or more")
        groups = [("3" * n, width) for n, width in zip(convs, widths, strict=True)]
        name, prints = f"vgg-{sum(convs) + 3}-own", NOTHING
        source = "arXiv:1409.1556, section 2.1; convolutions " + " ".join(
            f"{n}x{w}" for n, w in zip(convs, widths, strict=True)
        )
    else:
        kernels, name, millions = chosen("column", column, COLUMNS)
        groups, prints = list(zip(kernels, WIDTHS, strict=True)), Prints(params=millions * 1e6)
        source = f"arXiv:1409.1556, table 1, column {column}"
    rows: list[Row] = []
    for group, (kernels_of, width) in enumerate(groups, start=1):
        for number, k in enumerate(map(int, kernels_of), start=1):
            rows.append(Row(f"conv{group}_{number}", Conv(width, k, p=k // 2)))
        rows.append(Row(f"pool{group}", MaxPool(2, 2), (512, 7, 7) if convs is None and group == 5 else None))
    if column == "A-LRN" and convs is None:
        rows[0] = Row("conv1_1", Conv(64, 3, p=1, norm="lrn", at="after"))
    rows += [
        Row("fc6", Dense(4096), (4096,)),
        Row("fc7", Dense(4096, drop=0.5), (4096,)),
        Row("fc8", Dense(classes, act="none", drop=0.5), (classes,)),
    ]
    return Arch(name, source, input, tuple(rows), prints=prints)


def vgg_d2l(column: str = "A") -> Arch:
    arch = vgg(column=column, input=(1, 224, 224), classes=10)
    source, differs = f"Dive into Deep Learning, section 8.2; column {column}", ("grey pictures and 10 classes",)
    pools = {f"pool{n}": (width, 224 >> n, 224 >> n) for n, width in enumerate(WIDTHS, start=1)}  # as the book prints
    rows = tuple(replace(row, out=pools.get(row.name, row.out)) for row in arch.rows)
    return Arch(f"{arch.name}@d2l", source, arch.input, rows, differs)


def vgg_torchvision(column: str = "D") -> Arch:
    arch = vgg(column=column)
    dense = next(number for number, row in enumerate(arch.rows) if row.name == "fc6")
    rows = (*arch.rows[:dense], Row("gap", AdaptivePool(7), (512, 7, 7)), *arch.rows[dense:])
    source, differs = f"{arch.source}; torchvision's model", ("maps of any size are pooled to 7x7 before fc6",)
    return Arch(f"{arch.name}@torchvision", source, arch.input, rows, differs)
