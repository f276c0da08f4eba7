"""N1: what a convolution and the first dense layer after the convolutions cost (S22)."""

from collections.abc import Iterator
from math import prod

from konvolut.blocks.basic import Conv, Dense, MaxPool
from konvolut.blocks.spec import Row
from konvolut.lab.study import Check, Claim, Exact
from konvolut.language import later
from konvolut.nets.arch import Arch, facts
from konvolut.nets.catalogue import named
from konvolut.types import Shape

CLAIM = Claim(
    id="N1",
    sentence="S22",
    text=later(
        "A convolution has only c_in x c_out x k x k weights; the first dense layer after the convolutions has far more."
    ),
    expected="exact",
    why=later("It is arithmetic: 16x5x5x120, 256x5x5x4096 and 512x7x7x4096."),
)


def book_alexnet() -> Arch:
    """AlexNet's trunk up to its first dense layer as the lectures count it (Dive into Deep Learning, section 8.1).

    Its last map is 5x5; the paper's own is 6x6, which makes that layer larger still.
    """
    rows = (
        Row("conv1", Conv(96, 11, s=4, p=1), (96, 54, 54)),
        Row("pool1", MaxPool(3, 2), (96, 26, 26)),
        Row("conv2", Conv(256, 5, p=2), (256, 26, 26)),
        Row("pool2", MaxPool(3, 2), (256, 12, 12)),
        Row("conv3", Conv(384, 3, p=1), (384, 12, 12)),
        Row("conv4", Conv(384, 3, p=1), (384, 12, 12)),
        Row("conv5", Conv(256, 3, p=1), (256, 12, 12)),
        Row("pool5", MaxPool(3, 2), (256, 5, 5)),
        Row("fc6", Dense(4096), (4096,)),
    )
    return Arch("alexnet of the lectures", "Dive into Deep Learning, section 8.1", (1, 224, 224), rows)


def weights(arch: Arch, row: str) -> int:
    """Learnt numbers of a row less its biases, of which there is one an output."""
    fact = next(f for f in facts(arch) if f.name == row)
    return fact.params - fact.gives[0]


def takes(arch: Arch, row: str) -> Shape:
    return next(f.takes for f in facts(arch) if f.name == row)


def checks() -> Iterator[Check]:
    lenet, book, vgg = named("lenet"), book_alexnet(), named("vgg-16")
    yield Check("LeNet, first layer after the last pool", 48_000, weights(lenet, "C5"))
    yield Check("AlexNet of the lectures, first dense layer", 26_214_400, weights(book, "fc6"))
    yield Check("VGG-16, first dense layer", 102_760_448, weights(vgg, "fc6"))
    yield Check("AlexNet of 2012, whose last map is 6x6", 37_748_736, weights(named("alexnet"), "fc6"))
    for arch in (book, vgg):
        for row in arch.rows:
            if isinstance(row.spec, Conv):
                c_in = takes(arch, row.name)[0]
                said = prod((c_in, row.spec.out, row.spec.k, row.spec.k))
                yield Check(f"{arch.name} {row.name}: c_in x c_out x k x k", said, weights(arch, row.name))


STUDY = Exact(claim=CLAIM, checks=checks)
