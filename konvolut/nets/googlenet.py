"""GoogLeNet. Szegedy et al., Going Deeper with Convolutions, arXiv:1409.4842, table 1; norms as in figure 3."""

from konvolut.blocks.basic import Conv, Dense, GlobalAvgPool, MaxPool
from konvolut.blocks.inception import Inception
from konvolut.blocks.norm import Lrn
from konvolut.blocks.spec import Row
from konvolut.nets.arch import Arch

POOL = MaxPool(3, 2, ceil=True)  # the printed 112 -> 56 -> 28 -> 14 -> 7 needs the last, incomplete window


def googlenet(classes: int = 1000) -> Arch:
    # fmt: off
    rows = (
        #                      #1x1  #3x3r #3x3  #5x5r #5x5  proj   output, as table 1 prints
        Row("conv1",  Conv(64, 7, s=2, p=3),                        (64, 112, 112)),
        Row("pool1",  POOL,                                         (64, 56, 56)),
        Row("norm1",  Lrn()),
        Row("conv2r", Conv(64, 1)),
        Row("conv2",  Conv(192, 3, p=1),                            (192, 56, 56)),
        Row("norm2",  Lrn()),
        Row("pool2",  POOL,                                         (192, 28, 28)),
        Row("3a",     Inception( 64,    96, 128,    16,  32,   32), (256, 28, 28)),
        Row("3b",     Inception(128,   128, 192,    32,  96,   64), (480, 28, 28)),
        Row("pool3",  POOL,                                         (480, 14, 14)),
        Row("4a",     Inception(192,    96, 208,    16,  48,   64), (512, 14, 14)),
        Row("4b",     Inception(160,   112, 224,    24,  64,   64), (512, 14, 14)),
        Row("4c",     Inception(128,   128, 256,    24,  64,   64), (512, 14, 14)),
        Row("4d",     Inception(112,   144, 288,    32,  64,   64), (528, 14, 14)),
        Row("4e",     Inception(256,   160, 320,    32, 128,  128), (832, 14, 14)),
        Row("pool4",  POOL,                                         (832, 7, 7)),
        Row("5a",     Inception(256,   160, 320,    32, 128,  128), (832, 7, 7)),
        Row("5b",     Inception(384,   192, 384,    48, 128,  128), (1024, 7, 7)),
        Row("gap",    GlobalAvgPool(),                              (1024,)),
        Row("fc",     Dense(classes, act="none", drop=0.4),         (classes,)),
    )
    # fmt: on
    differs = (
        "the trunk alone: the two auxiliary classifiers of figure 3 are left out",
        "the paper gives no constants for its local response norms; AlexNet's are used",
        "table 1 gives conv1 2.7K numbers and 34M operations; a dense 7x7 convolution to 64 maps has 9.4K and 118M",
    )
    return Arch("googlenet", "arXiv:1409.4842, table 1, figure 3", (3, 224, 224), rows, differs)
