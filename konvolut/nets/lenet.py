"""LeNet-5. LeCun, Bottou, Bengio, Haffner, Gradient-Based Learning Applied to Document Recognition, Proc. IEEE 1998.

Section II.B, figure 2 and table I. It learns 60,000 numbers, 1,516 of them in C3, whose maps each see a part of S2.
The edition @d2l is that of Dive into Deep Learning, its sections on LeNet and on batch normalization.
"""

from konvolut.blocks.basic import AvgPool, Conv, Dense
from konvolut.blocks.lenet import Rbf, SparseConv, Subsample
from konvolut.blocks.spec import Prints, Row
from konvolut.nets.arch import Arch

# Table I by columns: for each map of C3, the maps of S2 that it sees.
TABLE_I = (
    *((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5)),
    *((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5)),
    *((0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5)),
    (0, 1, 2, 3, 4, 5),
)


def lenet() -> Arch:
    act = "scaled tanh"
    # fmt: off
    rows = (
        #             maps, kernel                     output, as figure 2 prints, and numbers learnt, as the text does
        Row("C1",     Conv(6, 5, act=act),             (6, 28, 28),  Prints(params=156)),
        Row("S2",     Subsample(2),                    (6, 14, 14),  Prints(params=12)),
        Row("C3",     SparseConv(TABLE_I, 5),          (16, 10, 10), Prints(params=1_516)),
        Row("S4",     Subsample(2),                    (16, 5, 5),   Prints(params=32)),
        Row("C5",     Conv(120, 5, act=act),           (120, 1, 1),  Prints(params=48_120)),
        Row("F6",     Dense(84, act=act),              (84,),        Prints(params=10_164)),
        Row("output", Rbf(10, scale=84.0),             (10,)),
    )
    # fmt: on
    differs = (
        "codes: hashed signs, not the 7x12 bitmaps drawn in figure 3",
        "logits: minus the mean squared distances, for softmax; the paper sums, and adds a class of rubbish (eq. 9)",
    )
    source = "LeCun et al. 1998, section II.B, figure 2, table I"
    return Arch("lenet", source, (1, 32, 32), rows, differs, prints=Prints(params=60_000))


def lenet_d2l() -> Arch:
    act = "sigmoid"
    # fmt: off
    rows = (
        Row("conv1", Conv(6, 5, p=2, act=act),         (6, 28, 28)),
        Row("pool1", AvgPool(2, 2),                    (6, 14, 14)),
        Row("conv2", Conv(16, 5, act=act),             (16, 10, 10)),
        Row("pool2", AvgPool(2, 2),                    (16, 5, 5)),
        Row("fc3",   Dense(120, act=act),              (120,)),
        Row("fc4",   Dense(84, act=act),               (84,)),
        Row("fc5",   Dense(10, act="none"),            (10,)),
    )
    # fmt: on
    differs = (
        "activation: sigmoid",
        "pools: plain averages",
        "conv2: every map sees all of pool1",
        "output: a dense layer of classes",
    )
    return Arch("lenet@d2l", "Dive into Deep Learning, section 7.6", (1, 28, 28), rows, differs)


def lenet_bn_d2l() -> Arch:
    act = "sigmoid"
    rows = (
        Row("conv1", Conv(6, 5, act=act, norm="bn")),
        Row("pool1", AvgPool(2, 2)),
        Row("conv2", Conv(16, 5, act=act, norm="bn")),
        Row("pool2", AvgPool(2, 2)),
        Row("fc3", Dense(120, act=act, norm="bn"), (120,)),
        Row("fc4", Dense(84, act=act, norm="bn"), (84,)),
        Row("fc5", Dense(10, act="none"), (10,)),
    )
    differs = ("conv1: no padding, unlike the book's own LeNet, so it is not that net with batch norm alone",)
    return Arch("lenet-bn@d2l", "Dive into Deep Learning, section 8.5", (1, 28, 28), rows, differs)
