"""VGG. Simonyan, Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, arXiv:1409.1556.

Table 1, columns A to E. The paper prints one map: the 7x7 that the first dense layer takes (section 3.2).
"""

from konvolut.blocks.basic import Conv, Dense, MaxPool
from konvolut.blocks.spec import Row, chosen
from konvolut.nets.arch import Arch

WIDTHS = (64, 128, 256, 512, 512)  # of the five groups
KERNELS = {  # the kernel of every convolution, group by group
    "A": ("3", "3", "33", "33", "33"),  # 11 layers with weights
    "B": ("33", "33", "33", "33", "33"),  # 13
    "C": ("33", "33", "331", "331", "331"),  # 16
    "D": ("33", "33", "333", "333", "333"),  # 16
    "E": ("33", "33", "3333", "3333", "3333"),  # 19
}
NAMES = {"A": "vgg-11", "B": "vgg-13", "C": "vgg-16c", "D": "vgg-16", "E": "vgg-19"}


def vgg(column: str = "D", classes: int = 1000) -> Arch:
    """`column` is a letter of table 1."""
    rows: list[Row] = []
    for group, (kernels, width) in enumerate(zip(chosen("column", column, KERNELS), WIDTHS, strict=True), start=1):
        for number, k in enumerate(map(int, kernels), start=1):
            rows.append(Row(f"conv{group}_{number}", Conv(width, k, p=k // 2)))
        rows.append(Row(f"pool{group}", MaxPool(2, 2), (512, 7, 7) if group == 5 else None))
    rows += [
        Row("fc6", Dense(4096), (4096,)),
        Row("fc7", Dense(4096, drop=0.5), (4096,)),
        Row("fc8", Dense(classes, act="none", drop=0.5), (classes,)),
    ]
    return Arch(NAMES[column], f"arXiv:1409.1556, table 1, column {column}", (3, 224, 224), tuple(rows))
