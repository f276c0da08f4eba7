"""N1: what a convolution and the first dense layer after the convolutions cost (S22)."""

from collections.abc import Iterator
from math import prod

from konvolut.blocks.basic import Conv
from konvolut.lab.study import Check, Claim, Exact
from konvolut.language import later
from konvolut.nets.arch import Arch, facts, sides
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


def weights(arch: Arch, row: str) -> int:
    """Learnt numbers of a row less its biases, of which there is one an output."""
    fact = next(f for f in facts(arch) if f.name == row)
    return fact.params - fact.gives[0]


def takes(arch: Arch, row: str) -> Shape:
    return next(f.takes for f in facts(arch) if f.name == row)


def checks() -> Iterator[Check]:
    lenet, book, vgg = named("lenet"), named("alexnet@d2l"), named("vgg-16")
    yield Check("LeNet, first layer after the last pool", 48_000, weights(lenet, "C5"))
    yield Check("AlexNet of the lectures, first dense layer", 26_214_400, weights(book, "fc6"))
    yield Check("VGG-16, first dense layer", 102_760_448, weights(vgg, "fc6"))
    yield Check("AlexNet of 2012, whose last map is 6x6", 37_748_736, weights(named("alexnet"), "fc6"))
    for arch in (book, vgg):
        for row in arch.rows:
            if isinstance(row.spec, Conv):
                c_in = takes(arch, row.name)[0]
                said = prod((c_in, row.spec.out, *sides(row.spec.k)))
                yield Check(f"{arch.name} {row.name}: c_in x c_out x k x k", said, weights(arch, row.name))


STUDY = Exact(claim=CLAIM, checks=checks)
