"""A dense head as convolutions: the same logits at the table's own size, and a map of them on larger pictures.

A dense layer on a (c, h, w) map is an h x w convolution without padding, one on features a 1x1 convolution. Sermanet et
al., OverFeat, arXiv:1312.6229, section 3.3; Simonyan and Zisserman, arXiv:1409.1556, section 3.2.
"""

from collections.abc import Iterator
from dataclasses import replace

from konvolut.blocks.basic import AdaptivePool, AvgPool, Conv, Dense, Dropout, GlobalAvgPool
from konvolut.blocks.lenet import Rbf
from konvolut.blocks.spec import Row
from konvolut.errors import ArchError
from konvolut.nets.arch import Arch, Fact, Network, build, facts, size, unprinted
from konvolut.nets.variants import called
from konvolut.types import Shape


def as_convolution(arch: Arch, input: Shape | None = None) -> Arch:
    """The same table with its dense rows as convolutions: (n, *input) -> logits (n, classes, 1, 1), larger pictures a map.

    A global average becomes one of the size of its map, dropout inside a dense row a row before it; a pool to a fixed
    side goes, and so do auxiliary heads. `input` is the table's own where it is left out.
    Raises ArchError, naming the row, where no convolution does what it does.
    """
    arch = replace(arch, input=input) if input else arch
    rows = [new for row, fact in zip(arch.rows, facts(arch), strict=True) for new in convolving(row, fact, arch.name)]
    if tuple(rows) == arch.rows:
        return arch
    words = ["dense rows are convolutions, on larger pictures the answer is a map"]
    words += ["no auxiliary heads: they are there for training"] if arch.heads else []
    table = replace(arch, name=called(arch.name, "as convolution"), rows=tuple(rows), heads=())
    return unprinted(replace(table, differs=(*arch.differs, *words)), arch)


def convolved(net: Network, input: Shape | None = None) -> Network:
    """The network of `as_convolution(net.arch)` with the weights of `net`; `input`, where `net` was built for another.

    Raises ArchError, naming the row, where a row has no convolution or the weights are for pictures of another size.
    """
    arch = as_convolution(net.arch, input)
    like = next(net.parameters())
    made = build(arch).to(like.device, like.dtype)  # before the weights come: they keep their every digit
    old = dict(net.named_children())
    for name, part in made.named_children():
        if name not in old:
            continue  # a dropout that stood inside a dense row: it has no weights
        state = old[name].state_dict()
        shapes = {key: value.shape for key, value in part.state_dict().items()}
        if "dense.weight" in state:
            state = {key.replace("dense.", "conv."): value for key, value in state.items()}
            if state["conv.weight"].numel() != shapes["conv.weight"].numel():
                had, wants = (size(tuple(shape)) for shape in (state["conv.weight"].shape, shapes["conv.weight"]))
                raise ArchError(
                    f"{net.arch.name}, row {name}: its weights are {had}, a {size(arch.input)} picture wants {wants}; "
                    f"say the size that the network was built for"
                )
            state["conv.weight"] = state["conv.weight"].view(shapes["conv.weight"])  # (out, c*h*w) -> (out, c, h, w)
        part.load_state_dict(state)
    return made.train(net.training)


def convolving(row: Row, fact: Fact, where: str) -> Iterator[Row]:
    """What stands in the place of `row`, which does `fact`."""
    spec, where = row.spec, f"{where}, row {row.name}"
    if isinstance(spec, Rbf):
        raise ArchError(f"{where}: distances to codes are no convolution; a Dense row would work")
    if isinstance(spec, AdaptivePool):
        if fact.takes != fact.gives:
            raise ArchError(
                f"{where}: it shrinks {size(fact.takes)} to {size(fact.gives)}; only one that does not can go"
            )
    elif isinstance(spec, GlobalAvgPool):
        if len(set(fact.takes[1:])) > 1:
            raise ArchError(f"{where}: a {size(fact.takes)} map is not square; square pictures would work")
        yield replace(row, spec=AvgPool(fact.takes[1], 1))
    elif isinstance(spec, Dense):
        if spec.norm != "none" and spec.at in ("input", "pre") and len(fact.takes) > 1:
            raise ArchError(
                f"{where}: it normalises each pixel apart, a convolution normalises maps; at = 'output' would work"
            )
        if spec.drop:
            yield Row(f"{row.name}_drop", Dropout(spec.drop))
        height, width = fact.takes[1:] if len(fact.takes) > 1 else (1, 1)
        k = height if height == width else (height, width)
        yield replace(row, spec=Conv(spec.out, k, act=spec.act, norm=spec.norm, at=spec.at, bias=spec.bias))
    else:
        yield row
