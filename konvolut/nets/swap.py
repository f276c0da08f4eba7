"""The same skeleton with other blocks: stem, widths, resolutions and head stay, what fills the stages is exchanged."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from konvolut.blocks.basic import Conv, MaxPool
from konvolut.blocks.inception import Inception
from konvolut.blocks.mlpconv import Mlpconv
from konvolut.blocks.residual import Basic, Stage
from konvolut.blocks.spec import Row, Spec, chosen, parts
from konvolut.errors import ArchError
from konvolut.nets.arch import Arch, Fact, facts, sides, size, unprinted
from konvolut.nets.stages import stages
from konvolut.nets.variants import called

CELLS = ("act", "norm", "at", "bias")  # how a layer is dressed: a new block takes them from the one it replaces


def swap_block(arch: Arch, block: str) -> Arch:
    """The same skeleton with `block`s in every stage: "vgg" (3x3 convolutions), "nin" (mlpconv layers), "inception"
    (row 3a's proportions), "residual" (two 3x3 and a shortcut) or "plain" (the same without it).

    A stage has about as many layers with weights as before, all as wide as the map it gives, and the activation and norm
    of its first row; one that strides still does. A stage already made of such blocks stays as it is; a residual one
    keeps its kind of block where only the shortcut comes or goes. Auxiliary heads stand at the maps they stood at.
    Raises ArchError, naming the row, when a stage changes the size of its map otherwise.
    """
    make = chosen("block", block, BLOCKS)
    found, rows, done, heads = list(facts(arch)), [], 0, {}
    for number, run in enumerate(sections(arch), start=1):
        old = arch.rows[run.start : run.stop]
        new = old if made_of(old) == block else make(f"stage{number}", old, found[run.start : run.stop], arch.name)
        rows += [*arch.rows[done : run.start], *new]
        heads[old[-1].name] = new[-1].name
        done = run.stop
    rows += arch.rows[done:]
    if tuple(rows) == arch.rows:
        return arch
    moved = tuple(replace(head, after=heads.get(head.after, head.after)) for head in arch.heads)
    differs = (*arch.differs, f"{block} blocks in its stages")
    name = called(arch.name, f"{block} blocks")
    return unprinted(replace(arch, name=name, rows=tuple(rows), heads=moved, differs=differs), arch)


def sections(arch: Arch) -> list[range]:
    """The stages, cut after each row that an auxiliary head stands on."""
    after = {head.after for head in arch.heads}
    found = []
    for run in stages(arch):
        ends = [place + 1 for place in run if arch.rows[place].name in after or place + 1 == run.stop]
        found += [range(start, end) for start, end in zip([run.start, *ends], ends, strict=False)]
    return found


def made_of(rows: Sequence[Row]) -> str:
    """The name of the blocks that a stage is made of, "" for none of ours."""
    kinds = {kind(row.spec) for row in rows}
    if kinds == {"conv"}:
        kernels = [sides(row.spec.k)[0] for row in rows]  # type: ignore[attr-defined]
        if len(rows) > 2 and set(kernels[1:]) == {1}:  # the authors' NiN has each 1x1 in a row of its own
            return "nin"
        return "vgg" if kernels[0] == 3 and set(kernels) <= {1, 3} else ""
    return kinds.pop() if len(kinds) == 1 else ""


def kind(spec: Spec) -> str:
    if isinstance(spec, Stage):
        return "plain" if spec.block.shortcut == "none" else "residual"
    return {Conv: "conv", Mlpconv: "nin", Inception: "inception"}.get(type(spec), "")


def vgg_rows(name: str, old: Sequence[Row], found: Sequence[Fact], where: str) -> list[Row]:
    width, s = found[-1].gives[0], stride(old, found, where)
    first = Conv(width, 3, p=1, **dress(old))
    rest = [replace(first, s=1)] * (blocks(found, 1) - 1)
    return numbered(name, [replace(first, s=s), *rest])


def nin_rows(name: str, old: Sequence[Row], found: Sequence[Fact], where: str) -> list[Row]:
    width, s = found[-1].gives[0], stride(old, found, where)
    first = Mlpconv(width, 3, p=1, **dress(old))
    rest = [first] * (blocks(found, 3) - 1)
    return numbered(name, [replace(first, s=s), *rest])


def inception_rows(name: str, old: Sequence[Row], found: Sequence[Fact], where: str) -> list[Row]:
    width, s = found[-1].gives[0], stride(old, found, where)
    block = Inception(*in_proportion(width, f"{where}, row {old[-1].name}"), **dress(old))
    pool = [Row(f"{name}_pool", MaxPool(3, s, 1))] if s > 1 else []  # an Inception block itself never strides
    return [*pool, *numbered(name, [block] * blocks(found, 2))]


def residual_rows(name: str, old: Sequence[Row], found: Sequence[Fact], where: str) -> list[Row]:
    return residual(name, old, found, where, "B")


def plain_rows(name: str, old: Sequence[Row], found: Sequence[Fact], where: str) -> list[Row]:
    return residual(name, old, found, where, "none")


def residual(name: str, old: Sequence[Row], found: Sequence[Fact], where: str, shortcut: str) -> list[Row]:
    spec = old[0].spec
    if isinstance(spec, Stage):
        return [Row(old[0].name, replace(spec, block=replace(spec.block, shortcut=shortcut), survive=()))]
    width, s, cells = found[-1].gives[0], stride(old, found, where), dress(old)
    pre = cells["at"] == "pre"
    block = Basic(width, shortcut=shortcut, **{**cells, "pre": pre, "at": "output" if pre else cells["at"]})
    return [Row(name, Stage(blocks(found, 2), block, s))]


Maker = Callable[[str, Sequence[Row], Sequence[Fact], str], list[Row]]
BLOCKS: dict[str, Maker] = {
    "vgg": vgg_rows,
    "nin": nin_rows,
    "inception": inception_rows,
    "residual": residual_rows,
    "plain": plain_rows,
}


def numbered(name: str, specs: Sequence[Spec]) -> list[Row]:
    return [Row(f"{name}_{number}", spec) for number, spec in enumerate(specs, start=1)]


def blocks(found: Sequence[Fact], layers: int) -> int:
    """How many blocks of so many layers come nearest to the layers of the stage; 1 at the least."""
    return max(1, round(sum(fact.layers for fact in found) / layers))


def stride(old: Sequence[Row], found: Sequence[Fact], where: str) -> int:
    """The stride of the stage, px. Raises ArchError when its map has another size than striding alone gives."""
    spec = old[0].spec
    s: int = getattr(spec, "s", 1)
    takes, gives = found[0].takes, found[-1].gives
    if gives[1:] != tuple(-(-side // s) for side in takes[1:]):
        raise ArchError(
            f"{where}, row {old[-1].name}: its stage turns {size(takes)} into {size(gives)}; "
            f"only a stage that keeps its map, or strides with padding, can hold other blocks"
        )
    return s


def dress(old: Sequence[Row]) -> dict[str, Any]:
    """The cells of how the first row's first layer is dressed: activation, norm, its place and the bias."""
    spec = next(part for part in parts(old[0].spec) if hasattr(part, "at"))
    cells = {name: getattr(spec, name) for name in CELLS}
    return {**cells, "at": "pre"} if getattr(spec, "pre", False) else cells


def in_proportion(width: int, where: str) -> tuple[int, int, int, int, int, int]:
    """The six widths of an Inception block `width` maps wide, in the proportions of GoogLeNet's row 3a.

    >>> in_proportion(256, "")
    (64, 96, 128, 16, 32, 32)
    """
    if width < 4:
        raise ArchError(f"{where}: {width} maps cannot be shared out over the four ways of an Inception block; 4 can")
    n1x1, r3x3, r5x5, n5x5 = (max(1, round(width * part / 256)) for part in (64, 96, 16, 32))
    return n1x1, r3x3, width - n1x1 - 2 * n5x5, r5x5, n5x5, n5x5  # what rounding leaves goes to the 3x3
