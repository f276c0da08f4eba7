"""GoogLeNet. Szegedy et al., Going Deeper with Convolutions, arXiv:1409.4842, table 1; norms and heads as in figure 3.

The edition @d2l is that of Dive into Deep Learning, @torchvision that of the published weights.
"""

from collections.abc import Sequence
from dataclasses import replace

from konvolut.blocks.basic import AdaptivePool, AvgPool, Conv, Dense, GlobalAvgPool, MaxPool
from konvolut.blocks.inception import Inception
from konvolut.blocks.norm import TF, Norm
from konvolut.blocks.spec import Prints, Row, Series, Spec
from konvolut.errors import ArchError
from konvolut.nets.arch import Arch, Head
from konvolut.nets.columns import column, own
from konvolut.nets.variants import with_norm
from konvolut.types import Shape

POOL = MaxPool(3, 2, ceil=True)  # the printed 112 -> 56 -> 28 -> 14 -> 7 needs the last, incomplete window


def printed(kilo: float, mega: float) -> Prints:
    """Table 1's last two columns; its "K" numbers are of 1,024, as rows 3a and conv2 show, its "M" operations of 10^6."""
    return Prints(params=kilo * 1024, macs=mega * 1e6, kilo=1024)


Widths = tuple[int, int, int, int, int, int]  # of an Inception row, in the order of table 1


def googlenet(
    table: Sequence[Sequence[Widths]] | None = None, *, input: Shape | None = None, classes: int | None = None
) -> Arch:
    """Table 1; or, from a `table` of one's own, its stem and head with other Inception rows between: for each stage, a pool
    before the next, rows of six widths. Such a table has no auxiliary heads.

    Raises ArchError for an empty stage or a row that is not six widths, or pictures that are too small.
    """
    arch = paper() if table is None else with_table(paper(), table)
    return own(arch, input, classes)


def with_table(arch: Arch, table: Sequence[Sequence[Widths]]) -> Arch:
    like, rows = (64, 96, 128, 16, 32, 32), list(arch.rows[:6])  # up to pool2
    if not table or not all(table) or max(map(len, table)) > 26:
        raise ArchError(
            f"googlenet: stages of {[len(stage) for stage in table]} rows; each has 1 to 26, like 2, 5 and 2"
        )
    for number, stage in enumerate(table, start=3):
        if number > 3:
            rows.append(Row(f"pool{number - 1}", POOL))
        for letter, widths in zip("abcdefghijklmnopqrstuvwxyz", stage, strict=False):
            n1x1, r3x3, n3x3, r5x5, n5x5, proj = column(f"googlenet: row {number}{letter}", widths, like)
            rows.append(Row(f"{number}{letter}", Inception(n1x1, r3x3, n3x3, r5x5, n5x5, proj)))
    changed = replace(arch, rows=(*rows, *arch.rows[-2:]), heads=(), differs=(*arch.differs, "no auxiliary heads"))
    return own(changed, table=" | ".join(f"{len(stage)} rows" for stage in table))


def paper() -> Arch:
    # fmt: off
    rows = (
        #                      #1x1  #3x3r #3x3  #5x5r #5x5  proj      output, params, ops, as table 1 prints
        Row("conv1",  Conv(64, 7, s=2, p=3),                           (64, 112, 112), printed(2.7, 34)),
        Row("pool1",  POOL,                                            (64, 56, 56)),
        Row("norm1",  Norm("lrn")),
        Row("conv2",  Series((Conv(64, 1), Conv(192, 3, p=1))),        (192, 56, 56),  printed(112, 360)),
        Row("norm2",  Norm("lrn")),
        Row("pool2",  POOL,                                            (192, 28, 28)),
        Row("3a",     Inception( 64,    96, 128,    16,  32,   32),    (256, 28, 28),  printed(159, 128)),
        Row("3b",     Inception(128,   128, 192,    32,  96,   64),    (480, 28, 28),  printed(380, 304)),
        Row("pool3",  POOL,                                            (480, 14, 14)),
        Row("4a",     Inception(192,    96, 208,    16,  48,   64),    (512, 14, 14),  printed(364, 73)),
        Row("4b",     Inception(160,   112, 224,    24,  64,   64),    (512, 14, 14),  printed(437, 88)),
        Row("4c",     Inception(128,   128, 256,    24,  64,   64),    (512, 14, 14),  printed(463, 100)),
        Row("4d",     Inception(112,   144, 288,    32,  64,   64),    (528, 14, 14),  printed(580, 119)),
        Row("4e",     Inception(256,   160, 320,    32, 128,  128),    (832, 14, 14),  printed(840, 170)),
        Row("pool4",  POOL,                                            (832, 7, 7)),
        Row("5a",     Inception(256,   160, 320,    32, 128,  128),    (832, 7, 7),    printed(1072, 54)),
        Row("5b",     Inception(384,   192, 384,    48, 128,  128),    (1024, 7, 7),   printed(1388, 71)),
        Row("gap",    GlobalAvgPool(),                                 (1024,)),
        Row("fc",     Dense(1000, act="none", drop=0.4),               (1000,),        printed(1000, 1)),
    )
    # fmt: on
    differs = (
        "local response norms: the paper gives no constants; AlexNet's are used, where the authors of Caffe's "
        "model have k = 1 and a fifth of alpha",
        "conv1: table 1 gives 2.7K numbers and 34M operations; a dense 7x7 convolution to 64 maps has 9.4K and 118M",
    )
    head = (
        Row("pool", AvgPool(5, 3)),
        Row("conv", Conv(128, 1)),
        Row("fc1", Dense(1024)),
        Row("fc2", Dense(1000, act="none", drop=0.7)),
    )
    heads = (
        Head("aux1", "4a", (replace(head[0], out=(512, 4, 4)), *head[1:])),  # sizes and widths: section 5
        Head("aux2", "4d", (replace(head[0], out=(528, 4, 4)), *head[1:])),
    )
    return Arch("googlenet", "arXiv:1409.4842, table 1, figure 3", (3, 224, 224), rows, differs, heads)


def googlenet_d2l() -> Arch:
    """No local response norm, no dropout, no heads; every pool is padded, where the paper's windows may be incomplete."""
    prints: dict[str, Shape] = {
        "pool1": (64, 24, 24), "pool2": (192, 12, 12), "pool3": (480, 6, 6), "pool4": (832, 3, 3), "gap": (1024,), "fc": (10,),
    }  # fmt: skip
    others: dict[str, Spec] = {"fc": Dense(10, act="none")}
    keep = [row for row in googlenet().rows if not isinstance(row.spec, Norm)]
    specs = [MaxPool(3, 2, 1) if row.spec == POOL else others.get(row.name, row.spec) for row in keep]
    rows = tuple(Row(row.name, spec, prints.get(row.name)) for row, spec in zip(keep, specs, strict=True))
    differs = (
        "local response norms: none", "dropout: none", "auxiliary heads: none", "pools: padded", "pictures: grey, of 96 px",
    )  # fmt: skip
    return Arch("googlenet@d2l", "Dive into Deep Learning, section 8.4", (1, 96, 96), rows, differs)


def googlenet_torchvision() -> Arch:
    arch = with_norm(googlenet(), TF)
    others: dict[str, Spec] = {"pool4": MaxPool(2, 2, ceil=True), "fc": Dense(1000, act="none", drop=0.2)}

    def cells(row: Row) -> Spec:
        return replace(row.spec, k5=3) if isinstance(row.spec, Inception) else others.get(row.name, row.spec)

    rows = tuple(Row(row.name, cells(row), row.out) for row in arch.rows)
    heads = tuple(replace(head, rows=(Row("pool", AdaptivePool(4)), *head.rows[1:])) for head in arch.heads)
    differs = (
        "norms: batch norm where the paper has local response norm", "5x5: 3x3 in its place", "pool4: 2x2", "dropout: 0.2",
    )  # fmt: skip
    source = "arXiv:1409.4842, table 1; torchvision's model"
    return Arch("googlenet@torchvision", source, arch.input, rows, differs, heads)
