"""Variants of a net: functions from a table to a table."""

from collections.abc import Callable
from dataclasses import fields, replace

from konvolut.blocks.act import ACTS
from konvolut.blocks.basic import Dense, Dropout
from konvolut.blocks.lenet import SparseConv
from konvolut.blocks.norm import MAP_NORMS, Norm
from konvolut.blocks.residual import Stage
from konvolut.blocks.spec import Row, Spec, chosen, throughout
from konvolut.errors import ArchError
from konvolut.nets.arch import Arch, classifier, departing, last_with_width, unprinted, with_spec
from konvolut.nets.names import GRAMMAR, parsed

PLACES = {"output": "before the activation", "after": "after it", "input": "before the layer"}


def with_classes(arch: Arch, classes: int) -> Arch:
    """The same table for `classes` classes, its auxiliary heads too.

    Raises ArchError when there are fewer than two.
    """
    if classes < 2:
        raise ArchError(f"{arch.name}: classes = {classes}; a classifier tells 2 or more apart")
    row = classifier(arch)
    if has(row.spec, "out", classes):
        return arch
    table = unprinted(with_spec(arch, row.name, replace(row.spec, out=classes)), arch)
    table = replace(table, differs=departing(table, without=("classes",)))
    heads = []
    for head in arch.heads:
        last = last_with_width(head.rows)
        rows = (replace(r, spec=replace(r.spec, out=classes), out=None) if r == last else r for r in head.rows)
        heads.append(replace(head, rows=tuple(rows)))
    return replace(table, heads=tuple(heads))


def with_norm(arch: Arch, norm: str, at: str = "output", *, dense: bool = False, bias: bool = False) -> Arch:
    """The same table with every convolution normalised by `norm` ("bn", "lrn" or "none"), and with `dense` every hidden
    dense layer too.

    `at` puts a batch norm on the output before the activation, "after" it, or on the "input". A normalised convolution
    has no bias, since batch norm subtracts it, unless `bias` keeps it; the classifier stays as it is; rows of local
    response normalisation go. Normalising twice is normalising once. Ioffe and Szegedy 2015, section 3.2.
    """
    chosen("norm", norm, MAP_NORMS)
    chosen("at", at, PLACES)
    place = "after" if norm == "lrn" else at

    def normed(spec: Spec) -> Spec:
        if not hasattr(spec, "at") or (isinstance(spec, Dense) and not dense):
            return spec
        if getattr(spec, "pre", False) and place != "output":
            raise ArchError("its blocks normalise before they convolve as they are; +bn alone would work")
        if (getattr(spec, "norm", norm), spec.at) == (norm, place):
            return spec
        kept = {"bias": (bias and spec.bias) or not norm.startswith("bn")} if hasattr(spec, "bias") else {}
        return replace(spec, norm=norm, at=place, **kept)

    changed = hidden(arch, normed)
    rows = tuple(r for r in changed.rows if not (isinstance(r.spec, Norm) and r.spec.norm == "lrn" and norm != "lrn"))
    if norm == "none":  # a row of its own keeps its activation
        rows = tuple(replace(r, spec=replace(r.spec, norm=norm)) if isinstance(r.spec, Norm) else r for r in rows)
    if (rows, changed.heads) == (arch.rows, arch.heads):
        return arch
    name = renamed(arch.name, norm=norm, at=at if at != "output" else "")
    differs = departing(arch, without=() if norm == "lrn" else ("local response norms",))
    return unprinted(replace(changed, name=name, rows=rows, differs=differs), arch)


def without_heads(arch: Arch) -> Arch:
    """The trunk alone, as it answers after training."""
    return replace(arch, heads=())


def with_activation(arch: Arch, act: str) -> Arch:
    """The same table with the activation `act` in every hidden row that has one; the classifier keeps its own."""
    chosen("act", act, ACTS)

    def active(spec: Spec) -> Spec:
        return spec if getattr(spec, "act", "none") == "none" else replace(spec, act=act)

    return noted(arch, hidden(arch, active), f"activation: {act} in the hidden rows")


def without_last_activation(arch: Arch) -> Arch:
    """The same table with a linear classifier row.

    NiN's authors rectify the maps of the classes too (relu12 of their model): a class whose map is zero everywhere
    then gets no gradient, and may never come back.
    """
    row = classifier(arch)
    cell = "last" if hasattr(row.spec, "last") else "act"
    if getattr(row.spec, cell, "none") == "none":
        return arch
    changed = with_spec(arch, row.name, replace(row.spec, **{cell: "none"}))
    return noted(arch, changed, f"class maps: no activation after {row.name}")


def with_dropout(arch: Arch, share: float) -> Arch:
    """The same table dropping `share` wherever it drops; where it drops nowhere, before its classifier.

    A share of 0 takes every dropout away. Raises ArchError when `share` is not a share.
    """
    if not 0 <= share < 1:
        raise ArchError(f"{arch.name}: dropout = {share}; it is a share of the inputs, from 0 to less than 1")
    last = classifier(arch)
    drops = [
        row for row in arch.rows if isinstance(row.spec, Dropout) or (isinstance(row.spec, Dense) and row.spec.drop)
    ]
    rows: list[Row] = []
    for row in arch.rows:
        if isinstance(row.spec, Dropout):
            rows += [replace(row, spec=Dropout(share))] if share else []
        elif isinstance(row.spec, Dense) and (row in drops or (not drops and row == last)):
            rows.append(replace(row, spec=replace(row.spec, drop=share)))
        elif not drops and row == last and share:
            rows += [Row("drop", Dropout(share)), row]
        else:
            rows.append(row)
    return noted(arch, replace(arch, rows=tuple(rows)), f"dropout: {share:g}")


def with_stochastic_depth(arch: Arch, last: float = 0.5) -> Arch:
    """The same table whose residual blocks take part in a training step by chance: block l of L with probability
    1 - l / L * (1 - last). Huang et al. 2016, eq. 4.

    Raises ArchError when `last` is no probability, or no row has residual blocks.
    """
    if not 0 < last <= 1:
        raise ArchError(f"{arch.name}: last = {last}; it is the last block's chance to take part, above 0, at most 1")
    if not any(map(leaves_out, arch.rows)):
        raise ArchError(f"{arch.name}: no row of residual blocks; stochastic depth leaves out such blocks")
    return noted(
        arch, replace(arch, rows=surviving(arch.rows, last)), f"stochastic depth: the last block survives with {last:g}"
    )


def regularised(arch: Arch, dropout: float = -1.0, drop_path: float = 0.0) -> Arch:
    """`with_dropout` where `dropout` is a share, `with_stochastic_depth` where `drop_path` is above 0.

    `drop_path` is the chance that the last residual block sits a step out. Raises ArchError as those do.
    """
    arch = with_dropout(arch, dropout) if dropout >= 0 else arch
    return with_stochastic_depth(arch, 1 - drop_path) if drop_path else arch


def surviving(rows: tuple[Row, ...], last: float) -> tuple[Row, ...]:
    """The rows with a chance for each residual block, falling in equal steps to that of the `last` one."""
    of = sum(row.spec.repeat for row in rows if leaves_out(row))  # type: ignore[attr-defined]
    done, found = 0, []
    for row in rows:
        if leaves_out(row):
            assert isinstance(row.spec, Stage)
            numbers = range(done + 1, done + row.spec.repeat + 1)
            done += row.spec.repeat
            row = replace(row, spec=replace(row.spec, survive=tuple(1 - n / of * (1 - last) for n in numbers)))
        found.append(row)
    return tuple(found)


def leaves_out(row: Row) -> bool:
    """Has the row blocks that a shortcut passes by?"""
    return isinstance(row.spec, Stage) and row.spec.block.shortcut != "none"


def narrow(arch: Arch, divisor: int) -> Arch:
    """The same table with its convolutions `divisor` times narrower; dense rows and the classifier keep their widths.

    Raises ArchError, naming the row, when a width does not divide.
    """
    if divisor < 1:
        raise ArchError(f"{arch.name}: widths cannot be divided by {divisor}; 2 would halve them")
    if divisor == 1:
        return arch

    def narrowed(spec: Spec) -> Spec:
        if isinstance(spec, SparseConv):
            raise ArchError("its connection table fixes its width; it cannot be divided")
        widths = {name: getattr(spec, name) for name in getattr(spec, "WIDTHS", ())}
        for name, width in widths.items():
            if width % divisor:
                raise ArchError(f"{name} = {width} does not divide by {divisor}")
        return replace(spec, **{name: width // divisor for name, width in widths.items()})

    before = parsed(arch.name).divisor if GRAMMAR.fullmatch(arch.name) else 1
    return unprinted(replace(hidden(arch, narrowed), name=renamed(arch.name, divisor=before * divisor)), arch)


def hidden(arch: Arch, change: Callable[[Spec], Spec]) -> Arch:
    """The same table with `change` made to the specs of all rows but the classifiers, those inside specs included."""

    def changed(rows: tuple[Row, ...], where: str) -> tuple[Row, ...]:
        last, found = last_with_width(rows), []
        for row in rows:
            try:
                found.append(row if row == last else replace(row, spec=throughout(row.spec, change)))
            except ArchError as error:
                raise ArchError(f"{where}, row {row.name}: {error}") from None
        return tuple(found)

    heads = (replace(head, rows=changed(head.rows, f"{arch.name}, {head.name}")) for head in arch.heads)
    return replace(arch, rows=changed(arch.rows, arch.name), heads=tuple(heads))


def noted(arch: Arch, changed: Arch, words: str) -> Arch:
    """`changed`, saying in words what makes it another than `arch`, if anything does."""
    return arch if changed == arch else unprinted(replace(changed, differs=departing(arch, words)), arch)


def renamed(name: str, **parts: object) -> str:
    """`name` with other parts; a name of the user's own that is none of ours gets them at its end."""
    if GRAMMAR.fullmatch(name):
        return str(replace(parsed(name), **parts))  # type: ignore[arg-type]
    return " ".join([name, *(f"{part}={value}" for part, value in parts.items() if value)])


def called(name: str, words: str) -> str:
    """`name` with words behind its base: vgg-16/4 and "nin blocks" is "vgg-16 nin blocks/4"."""
    return renamed(name, base=f"{parsed(name).base} {words}") if GRAMMAR.fullmatch(name) else f"{name} {words}"


def has(spec: Spec, name: str, value: object) -> bool:
    """Is the cell `name` of `spec` already `value`?"""
    return any(field.name == name and getattr(spec, name) == value for field in fields(spec))
