"""Network in Network. Lin, Chen, Yan, arXiv:1312.4400.

Section 3 and figure 2 give the shape but no width and no map size; the widths and the names of the layers are those of
the models that the authors published for Caffe. A cccp layer (cascaded cross-channel pooling) is a 1x1 convolution.
The edition @d2l is that of Dive into Deep Learning.
"""

from collections.abc import Sequence

from konvolut.blocks.basic import AvgPool, Conv, Dropout, GlobalAvgPool, MaxPool
from konvolut.blocks.mlpconv import Mlpconv, mlpconv
from konvolut.blocks.spec import Row
from konvolut.errors import ArchError
from konvolut.nets.arch import Arch
from konvolut.nets.columns import own
from konvolut.types import Shape

RECTIFIED = "class maps: rectified, as in the authors' model; a class may then never learn"


def nin(
    blocks: Sequence[tuple[int, int, int, int]] | None = None, *, input: Shape | None = None, classes: int | None = None
) -> Arch:
    """The authors' net; or, from `blocks` of one's own, one laid out as the book does: (width, kernel, stride, pad) of each
    mlpconv block, a 3x3 pool with stride 2 behind it, and at the end dropout and a block as wide as there are classes.

    Raises ArchError for a block that is not four such numbers, or pictures that are too small.
    """
    if blocks is not None:
        return own(nin_of(blocks), input, classes)
    rows = (
        *mlpconv("conv1", Conv(96, 11, s=4), cccp1=96, cccp2=96),
        Row("pool1", MaxPool(3, 2, ceil=True)),
        *mlpconv("conv2", Conv(256, 5, p=2), cccp3=256, cccp4=256),
        Row("pool2", MaxPool(3, 2, ceil=True)),
        *mlpconv("conv3", Conv(384, 3, p=1), cccp5=384, cccp6=384),
        Row("pool3", MaxPool(3, 2, ceil=True)),
        Row("drop3", Dropout(0.5)),
        *mlpconv("conv4", Conv(1024, 3, p=1), cccp7=1024, cccp8=1000),
        Row("gap", GlobalAvgPool(), (1000,)),
    )
    source = "arXiv:1312.4400, section 3; the authors' ImageNet model"
    return own(Arch("nin", source, (3, 224, 224), rows, (RECTIFIED,)), input, classes)


def nin_of(blocks: Sequence[tuple[int, int, int, int]]) -> Arch:
    rows: list[Row] = []
    for number, block in enumerate(blocks, start=1):
        if len(block) != 4 or not all(type(one) is int for one in block) or min(block[:3]) < 1 or block[3] < 0:
            raise ArchError(f"nin: block {number} = {block}; it is (width, kernel, stride, pad), like (96, 11, 4, 0)")
        width, k, s, p = block
        rows += [Row(f"block{number}", Mlpconv(width, k, s, p)), Row(f"pool{number}", MaxPool(3, 2))]
    end = len(blocks) + 1
    rows += [
        Row(f"drop{end - 1}", Dropout(0.5)),
        Row(f"block{end}", Mlpconv(1000, 3, p=1)),
        Row("gap", GlobalAvgPool()),
    ]
    differs = (f"blocks = {tuple(map(tuple, blocks))}", RECTIFIED)
    return Arch(
        "nin-own",
        "arXiv:1312.4400, section 3; laid out as in Dive into Deep Learning, section 8.3",
        (3, 224, 224),
        tuple(rows),
        differs,
    )


def nin_cifar() -> Arch:
    rows = (
        *mlpconv("conv1", Conv(192, 5, p=2), cccp1=160, cccp2=96),
        Row("pool1", MaxPool(3, 2, ceil=True)),
        Row("drop1", Dropout(0.5)),
        *mlpconv("conv2", Conv(192, 5, p=2), cccp3=192, cccp4=192),
        Row("pool2", AvgPool(3, 2, ceil=True)),
        Row("drop2", Dropout(0.5)),
        *mlpconv("conv3", Conv(192, 3, p=1), cccp5=192, cccp6=10),
        Row("gap", GlobalAvgPool(), (10,)),
    )
    return Arch("nin-cifar", "arXiv:1312.4400, section 4; the authors' CIFAR-10 model", (3, 32, 32), rows, (RECTIFIED,))


def nin_d2l() -> Arch:
    # fmt: off
    rows = (
        #             width, kernel, stride, pad       output, as the book prints
        Row("block1", Mlpconv(96, 11, s=4),            (96, 54, 54)),
        Row("pool1",  MaxPool(3, 2),                   (96, 26, 26)),
        Row("block2", Mlpconv(256, 5, p=2),            (256, 26, 26)),
        Row("pool2",  MaxPool(3, 2),                   (256, 12, 12)),
        Row("block3", Mlpconv(384, 3, p=1),            (384, 12, 12)),
        Row("pool3",  MaxPool(3, 2),                   (384, 5, 5)),
        Row("drop3",  Dropout(0.5)),
        Row("block4", Mlpconv(10, 3, p=1),             (10, 5, 5)),
        Row("gap",    GlobalAvgPool(),                 (10,)),
    )
    # fmt: on
    differs = ("the whole fourth block is as wide as there are classes", RECTIFIED)
    return Arch("nin@d2l", "Dive into Deep Learning, section 8.3", (1, 224, 224), rows, differs)
