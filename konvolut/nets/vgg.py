"""VGG. Simonyan, Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, arXiv:1409.1556.

Table 1, columns A to E; table 2 prints how much each learns. The paper prints one map: the 7x7 that the first dense layer
takes (section 3.2). The edition @d2l is that of Dive into Deep Learning, section 8.2.
"""

from collections.abc import Sequence
from dataclasses import replace

from konvolut.blocks.basic import AdaptivePool, Conv, Dense, MaxPool
from konvolut.blocks.spec import Prints, Row, chosen
from konvolut.errors import ArchError
from konvolut.nets import columns
from konvolut.nets.arch import Arch
from konvolut.types import Shape

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
    widths: Sequence[int] | None = None,
    *,
    column: str | None = None,
    input: Shape | None = None,
    classes: int | None = None,
) -> Arch:
    """`column` is a letter of table 1, D where nothing is said; or give `convs`, the number of 3x3 convolutions of each
    group, and their `widths`.

    Raises ArchError for a column that is not there or of another length, or pictures that are too small.
    """
    if column is not None and convs is not None:
        raise ArchError(f"vgg: column = {column!r} and convs = {convs}; one says what the other does, give one of them")
    printed, name, millions = chosen("column", column or "D", COLUMNS)
    kernels: tuple[str, ...] = printed
    cells: dict[str, tuple[int, ...]] = {}
    if convs is not None:
        counts = columns.column("vgg: convs", convs, widths or WIDTHS)
        kernels, name, cells = tuple("3" * n for n in counts), f"vgg-{sum(counts) + 3}", {"convs": counts}
    wide = columns.column("vgg: widths", WIDTHS if widths is None else widths, [1] * len(kernels))
    cells |= {"widths": wide} if wide != WIDTHS else {}
    rows: list[Row] = []
    for group, (sizes, width) in enumerate(zip(kernels, wide, strict=True), start=1):
        for number, k in enumerate(map(int, sizes), start=1):
            rows.append(Row(f"conv{group}_{number}", Conv(width, k, p=k // 2)))
        rows.append(Row(f"pool{group}", MaxPool(2, 2), (512, 7, 7) if group == 5 else None))
    if column == "A-LRN":
        rows[0] = Row("conv1_1", Conv(wide[0], 3, p=1, norm="lrn", at="after"))
    rows += [
        Row("fc6", Dense(4096), (4096,)),
        Row("fc7", Dense(4096, drop=0.5), (4096,)),
        Row("fc8", Dense(1000, act="none", drop=0.5), (1000,)),
    ]
    source = (
        f"arXiv:1409.1556, table 1, column {column or 'D'}"
        if convs is None
        else "arXiv:1409.1556, section 2.1, table 1"
    )
    arch = Arch(name, source, (3, 224, 224), tuple(rows), prints=Prints(params=millions * 1e6))
    return columns.own(arch, input, classes, **cells)


def vgg_d2l(column: str = "A") -> Arch:
    arch = vgg(column=column, input=(1, 224, 224), classes=10)
    source, differs = f"Dive into Deep Learning, section 8.2; column {column}", ("pictures: grey", "classes: 10")
    pools = {f"pool{n}": (width, 224 >> n, 224 >> n) for n, width in enumerate(WIDTHS, start=1)}  # as the book prints
    outs = {**pools, "fc8": (10,)}
    rows = tuple(replace(row, out=outs.get(row.name, row.out)) for row in arch.rows)
    return Arch(f"{arch.name}@d2l", source, arch.input, rows, differs)


def vgg_torchvision(column: str = "D") -> Arch:
    arch = vgg(column=column)
    dense = next(number for number, row in enumerate(arch.rows) if row.name == "fc6")
    rows = (*arch.rows[:dense], Row("gap", AdaptivePool(7), (512, 7, 7)), *arch.rows[dense:])
    source, differs = f"{arch.source}; torchvision's model", ("gap: maps of any size are pooled to 7x7 before fc6",)
    return Arch(f"{arch.name}@torchvision", source, arch.input, rows, differs)
