"""LeNet-5. LeCun, Bottou, Bengio, Haffner, Gradient-Based Learning Applied to Document Recognition, Proc. IEEE 1998.

Section II.B, figure 2 and table I. It learns 60,000 numbers, 1,516 of them in C3, whose maps each see a part of S2.
"""

from konvolut.blocks.basic import Conv, Dense
from konvolut.blocks.lenet import Rbf, SparseConv, Subsample
from konvolut.blocks.spec import Row
from konvolut.nets.arch import Arch

# Table I by columns: for each map of C3, the maps of S2 that it sees.
TABLE_I = (
    *((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5)),
    *((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5)),
    *((0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5)),
    (0, 1, 2, 3, 4, 5),
)


def lenet(classes: int = 10) -> Arch:
    act = "scaled tanh"
    # fmt: off
    rows = (
        #             maps, kernel                     output, as figure 2 prints
        Row("C1",     Conv(6, 5, act=act),             (6, 28, 28)),
        Row("S2",     Subsample(2),                    (6, 14, 14)),
        Row("C3",     SparseConv(TABLE_I, 5),          (16, 10, 10)),
        Row("S4",     Subsample(2),                    (16, 5, 5)),
        Row("C5",     Conv(120, 5, act=act),           (120, 1, 1)),
        Row("F6",     Dense(84, act=act),              (84,)),
        Row("output", Rbf(classes, scale=84.0),        (classes,)),
    )
    # fmt: on
    differs = (
        "the codes of the classes are hashed signs, not the 7x12 bitmaps drawn in figure 3",
        "logits are minus the mean squared distances, for softmax; the paper sums, and adds a class of rubbish (eq. 9)",
    )
    return Arch("lenet", "LeCun et al. 1998, section II.B, figure 2, table I", (1, 32, 32), rows, differs)
