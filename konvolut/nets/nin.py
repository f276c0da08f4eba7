"""Network in Network. Lin, Chen, Yan, arXiv:1312.4400.

Section 3 and figure 2 give the shape but no width and no map size; the widths and the names of the layers are those of
the models that the authors published for Caffe. A cccp layer (cascaded cross-channel pooling) is a 1x1 convolution.
"""

from konvolut.blocks.basic import AvgPool, Conv, Dropout, GlobalAvgPool, MaxPool
from konvolut.blocks.mlpconv import mlpconv
from konvolut.blocks.spec import Row
from konvolut.nets.arch import Arch

RECTIFIED = "the maps of the classes are rectified, as in the authors' model; a class may then never learn"


def nin(classes: int = 1000) -> Arch:
    rows = (
        *mlpconv("conv1", Conv(96, 11, s=4), cccp1=96, cccp2=96),
        Row("pool1", MaxPool(3, 2, ceil=True)),
        *mlpconv("conv2", Conv(256, 5, p=2), cccp3=256, cccp4=256),
        Row("pool2", MaxPool(3, 2, ceil=True)),
        *mlpconv("conv3", Conv(384, 3, p=1), cccp5=384, cccp6=384),
        Row("pool3", MaxPool(3, 2, ceil=True)),
        Row("drop3", Dropout(0.5)),
        *mlpconv("conv4", Conv(1024, 3, p=1), cccp7=1024, cccp8=classes),
        Row("gap", GlobalAvgPool(), (classes,)),
    )
    return Arch("nin", "arXiv:1312.4400, section 3; the authors' ImageNet model", (3, 224, 224), rows, (RECTIFIED,))


def nin_cifar(classes: int = 10) -> Arch:
    rows = (
        *mlpconv("conv1", Conv(192, 5, p=2), cccp1=160, cccp2=96),
        Row("pool1", MaxPool(3, 2, ceil=True)),
        Row("drop1", Dropout(0.5)),
        *mlpconv("conv2", Conv(192, 5, p=2), cccp3=192, cccp4=192),
        Row("pool2", AvgPool(3, 2, ceil=True)),
        Row("drop2", Dropout(0.5)),
        *mlpconv("conv3", Conv(192, 3, p=1), cccp5=192, cccp6=classes),
        Row("gap", GlobalAvgPool(), (classes,)),
    )
    return Arch("nin-cifar", "arXiv:1312.4400, section 4; the authors' CIFAR-10 model", (3, 32, 32), rows, (RECTIFIED,))
