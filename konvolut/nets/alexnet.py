"""AlexNet. Krizhevsky, Sutskever, Hinton, ImageNet Classification with Deep Convolutional Neural Networks, NIPS 2012.

Section 3.5 and figure 2. The split over two GPUs is groups=2 in conv2, conv4 and conv5.
"""

from konvolut.blocks.basic import Conv, Dense, MaxPool
from konvolut.blocks.spec import Row
from konvolut.nets.arch import Arch


def alexnet(classes: int = 1000, *, groups: int = 2) -> Arch:
    """`groups` = 1 gives every map sight of every map, as if one GPU had held the net."""
    # fmt: off
    rows = (
        #            kernels, size, stride, pad                          output, as figure 2 prints
        Row("conv1", Conv(96, 11, s=4, norm="lrn"),                      (96, 55, 55)),
        Row("pool1", MaxPool(3, 2)),
        Row("conv2", Conv(256, 5, p=2, groups=groups, norm="lrn"),       (256, 27, 27)),
        Row("pool2", MaxPool(3, 2)),
        Row("conv3", Conv(384, 3, p=1),                                  (384, 13, 13)),
        Row("conv4", Conv(384, 3, p=1, groups=groups),                   (384, 13, 13)),
        Row("conv5", Conv(256, 3, p=1, groups=groups),                   (256, 13, 13)),
        Row("pool5", MaxPool(3, 2)),
        Row("fc6",   Dense(4096),                                        (4096,)),
        Row("fc7",   Dense(4096, drop=0.5),                              (4096,)),
        Row("fc8",   Dense(classes, act="none", drop=0.5),               (classes,)),
    )
    # fmt: on
    differs = ["the paper says 224x224 pictures; its 55x55 maps need 227x227"]
    if groups == 1:
        differs.append("no groups: the paper splits conv2, conv4 and conv5 over two GPUs")
    name = "alexnet" if groups == 2 else "alexnet-ungrouped"
    return Arch(name, "Krizhevsky et al. 2012, section 3.5, figure 2", (3, 227, 227), rows, tuple(differs))
