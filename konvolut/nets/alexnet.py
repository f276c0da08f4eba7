"""AlexNet. Krizhevsky, Sutskever, Hinton, ImageNet Classification with Deep Convolutional Neural Networks, NIPS 2012.

Section 3.5 and figure 2. The split over two GPUs is groups=2 in conv2, conv4 and conv5. The edition @d2l is that of Dive
into Deep Learning; @torchvision has the widths of Krizhevsky, One Weird Trick, arXiv:1404.5997.
"""

from collections.abc import Sequence

from konvolut.blocks.basic import AdaptivePool, Conv, Dense, MaxPool
from konvolut.blocks.spec import NOTHING, Prints, Row
from konvolut.errors import ArchError
from konvolut.nets.arch import Arch
from konvolut.nets.columns import column, own
from konvolut.types import Shape

WIDTHS, DENSE = (96, 256, 384, 384, 256), (4096, 4096)  # kernels of conv1 to conv5, neurons of fc6 and fc7


def alexnet(
    widths: Sequence[int] = WIDTHS,
    dense: Sequence[int] = DENSE,
    *,
    groups: int = 2,
    input: Shape | None = None,
    classes: int | None = None,
) -> Arch:
    """`widths` of conv1 to conv5 and `dense` of fc6 and fc7; `groups` = 1 gives every map sight of every map, as if one
    GPU had held the net. Raises ArchError for columns of another length, widths that do not split, too small pictures.
    """
    if groups not in (1, 2):
        raise ArchError(f"alexnet: groups = {groups}; 2 as in the paper, or 1")
    c1, c2, c3, c4, c5 = column("alexnet: widths", widths, WIDTHS)
    f6, f7 = column("alexnet: dense", dense, DENSE)
    # fmt: off
    rows = (
        #            kernels, size, stride, pad                                output, as figure 2 prints
        Row("conv1", Conv(c1, 11, s=4, norm="lrn", at="after"),                (96, 55, 55)),
        Row("pool1", MaxPool(3, 2)),
        Row("conv2", Conv(c2, 5, p=2, groups=groups, norm="lrn", at="after"),  (256, 27, 27)),
        Row("pool2", MaxPool(3, 2)),
        Row("conv3", Conv(c3, 3, p=1),                                         (384, 13, 13)),
        Row("conv4", Conv(c4, 3, p=1, groups=groups),                          (384, 13, 13)),
        Row("conv5", Conv(c5, 3, p=1, groups=groups),                          (256, 13, 13)),
        Row("pool5", MaxPool(3, 2)),
        Row("fc6",   Dense(f6),                                                (4096,)),
        Row("fc7",   Dense(f7, drop=0.5),                                      (4096,)),
        Row("fc8",   Dense(1000, act="none", drop=0.5),                        (1000,)),
    )
    # fmt: on
    differs = [
        "pictures: the paper says 224x224; its 55x55 maps need 227x227",
        "local response norms: the paper's, k = 2; Caffe's model has k = 1 and a fifth of alpha",
    ]
    if groups == 1:
        differs.append("groups: none; the paper splits conv2, conv4 and conv5 over two GPUs")
    name = "alexnet" if groups == 2 else "alexnet-ungrouped"
    total = Prints(params=60e6) if groups == 2 else NOTHING  # section 1
    source = "Krizhevsky et al. 2012, section 3.5, figure 2"
    arch = Arch(name, source, (3, 227, 227), rows, tuple(differs), prints=total)
    cells = {"widths": (c1, c2, c3, c4, c5), "dense": (f6, f7)} if (*widths, *dense) != (*WIDTHS, *DENSE) else {}
    return own(arch, input, classes, **cells)


def alexnet_d2l() -> Arch:
    # fmt: off
    rows = (
        Row("conv1", Conv(96, 11, s=4, p=1),           (96, 54, 54)),
        Row("pool1", MaxPool(3, 2),                    (96, 26, 26)),
        Row("conv2", Conv(256, 5, p=2),                (256, 26, 26)),
        Row("pool2", MaxPool(3, 2),                    (256, 12, 12)),
        Row("conv3", Conv(384, 3, p=1),                (384, 12, 12)),
        Row("conv4", Conv(384, 3, p=1),                (384, 12, 12)),
        Row("conv5", Conv(256, 3, p=1),                (256, 12, 12)),
        Row("pool5", MaxPool(3, 2),                    (256, 5, 5)),
        Row("fc6",   Dense(4096),                      (4096,)),
        Row("fc7",   Dense(4096, drop=0.5),            (4096,)),
        Row("fc8",   Dense(10, act="none", drop=0.5),  (10,)),
    )
    # fmt: on
    differs = (
        "groups: none",
        "local response norms: none",
        "pictures: grey",
        "maps: 5x5 before fc6 where the paper has 6x6",
    )
    return Arch("alexnet@d2l", "Dive into Deep Learning, section 8.1", (1, 224, 224), rows, differs)


def alexnet_torchvision() -> Arch:
    # fmt: off
    rows = (
        Row("conv1", Conv(64, 11, s=4, p=2),           (64, 55, 55)),
        Row("pool1", MaxPool(3, 2)),
        Row("conv2", Conv(192, 5, p=2),                (192, 27, 27)),
        Row("pool2", MaxPool(3, 2)),
        Row("conv3", Conv(384, 3, p=1),                (384, 13, 13)),
        Row("conv4", Conv(256, 3, p=1),                (256, 13, 13)),
        Row("conv5", Conv(256, 3, p=1),                (256, 13, 13)),
        Row("pool5", MaxPool(3, 2)),
        Row("gap",   AdaptivePool(6),                  (256, 6, 6)),
        Row("fc6",   Dense(4096, drop=0.5),            (4096,)),
        Row("fc7",   Dense(4096, drop=0.5),            (4096,)),
        Row("fc8",   Dense(1000, act="none"),          (1000,)),
    )
    # fmt: on
    differs = (
        "widths: those of 2014",
        "groups: none",
        "local response norms: none",
        "dropout: before fc6 and fc7, not after",
    )
    return Arch("alexnet@torchvision", "arXiv:1404.5997, section 5; torchvision's model", (3, 224, 224), rows, differs)
