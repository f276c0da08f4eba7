"""Inception-v3. Szegedy et al., Rethinking the Inception Architecture for Computer Vision, arXiv:1512.00567.

Table 1 and figures 5 to 7, 10; widths as in torchvision's model, which the published weights fit. A 5x5 becomes two 3x3,
a 7x7 becomes 1x7 and 7x1, and at the end 3x3 becomes 1x3 beside 3x1.
"""

from functools import partial

from konvolut.blocks.basic import AdaptivePool, AvgPool, Conv, Dense, GlobalAvgPool, MaxPool
from konvolut.blocks.inception import Paths
from konvolut.blocks.norm import TF
from konvolut.blocks.spec import Row
from konvolut.nets.arch import Arch, Head

conv = partial(Conv, norm=TF, bias=False)
MEAN = AvgPool(3, 1, 1)
WIDE, TALL = (1, 7), (7, 1)  # px, height and width


def figure_5(pool: int) -> Paths:
    """Two 3x3 in the place of a 5x5; one torchvision's 5x5 is kept."""
    return Paths((
        ("1x1", (conv(64, 1),)),
        ("5x5", (conv(48, 1), conv(64, 5, p=2))),
        ("3x3dbl", (conv(64, 1), conv(96, 3, p=1), conv(96, 3, p=1))),
        ("pool", (MEAN, conv(pool, 1))),
    ))  # fmt: skip


def figure_6(width: int) -> Paths:
    """7x7 taken apart into 1x7 and 7x1."""
    return Paths((
        ("1x1", (conv(192, 1),)),
        ("7x7", (conv(width, 1), conv(width, WIDE, p=(0, 3)), conv(192, TALL, p=(3, 0)))),
        ("7x7dbl", (
            conv(width, 1), conv(width, TALL, p=(3, 0)), conv(width, WIDE, p=(0, 3)), conv(width, TALL, p=(3, 0)),
            conv(192, WIDE, p=(0, 3)),
        )),
        ("pool", (MEAN, conv(192, 1))),
    ))  # fmt: skip


def figure_7() -> Paths:
    """3x3 taken apart into 1x3 beside 3x1."""
    split = Paths((("a", (conv(384, (1, 3), p=(0, 1)),)), ("b", (conv(384, (3, 1), p=(1, 0)),))))
    return Paths((
        ("1x1", (conv(320, 1),)),
        ("3x3", (conv(384, 1), split)),
        ("3x3dbl", (conv(448, 1), conv(384, 3, p=1), split)),
        ("pool", (MEAN, conv(192, 1))),
    ))  # fmt: skip


def inception_v3() -> Arch:
    # Figure 10: the map is halved by a convolution and a pool beside each other.
    halve_a = Paths((
        ("3x3", (conv(384, 3, s=2),)),
        ("3x3dbl", (conv(64, 1), conv(96, 3, p=1), conv(96, 3, s=2))),
        ("pool", (MaxPool(3, 2),)),
    ))  # fmt: skip
    halve_b = Paths((
        ("3x3", (conv(192, 1), conv(320, 3, s=2))),
        ("7x7x3", (conv(192, 1), conv(192, WIDE, p=(0, 3)), conv(192, TALL, p=(3, 0)), conv(192, 3, s=2))),
        ("pool", (MaxPool(3, 2),)),
    ))  # fmt: skip
    # fmt: off
    rows = (
        #             width, kernel                    output, as table 1 prints
        Row("conv1a", conv(32, 3, s=2),                (32, 149, 149)),
        Row("conv2a", conv(32, 3),                     (32, 147, 147)),
        Row("conv2b", conv(64, 3, p=1),                (64, 147, 147)),
        Row("pool1",  MaxPool(3, 2),                   (64, 73, 73)),
        Row("conv3b", conv(80, 1)),
        Row("conv4a", conv(192, 3)),
        Row("pool2",  MaxPool(3, 2),                   (192, 35, 35)),
        Row("5b",     figure_5(32)),
        Row("5c",     figure_5(64)),
        Row("5d",     figure_5(64),                    (288, 35, 35)),
        Row("6a",     halve_a,                         (768, 17, 17)),
        Row("6b",     figure_6(128)),
        Row("6c",     figure_6(160)),
        Row("6d",     figure_6(160)),
        Row("6e",     figure_6(192),                   (768, 17, 17)),
        Row("7a",     halve_b,                         (1280, 8, 8)),
        Row("7b",     figure_7()),
        Row("7c",     figure_7(),                      (2048, 8, 8)),
        Row("gap",    GlobalAvgPool(),                 (2048,)),
        Row("fc",     Dense(1000, act="none", drop=0.5), (1000,)),
    )
    # fmt: on
    head = Head(
        "aux",
        "6e",
        (
            Row("pool", AvgPool(5, 3), (768, 5, 5)),
            Row("conv0", conv(128, 1), (128, 5, 5)),
            Row("conv1", conv(768, 5), (768, 1, 1)),
            Row("gap", AdaptivePool(1), (768, 1, 1)),
            Row("fc", Dense(1000, act="none"), (1000,)),
        ),
        weight=0.4,
    )  # fmt: skip
    differs = (
        "stem: after pool1 table 1 has 3x3 convolutions to 80, to 192 with stride 2 and to 288 maps; the published model a "
        "1x1 to 80, a 3x3 to 192 and a max pool",
        "5x5: one stays in 5b to 5d, as in the published model",
    )
    source = "arXiv:1512.00567, table 1; torchvision's model"
    return Arch("inception-v3@torchvision", source, (3, 299, 299), rows, differs, (head,))
