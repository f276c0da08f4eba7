"""Variants of a net: functions from a table to a table."""

from collections.abc import Callable
from dataclasses import fields, replace

from konvolut.blocks.basic import ACTS, Dense, Dropout
from konvolut.blocks.lenet import SparseConv
from konvolut.blocks.norm import MAP_NORMS, Lrn
from konvolut.blocks.spec import Row, Spec, chosen
from konvolut.errors import ArchError
from konvolut.nets.arch import Arch, classifier, unprinted, with_spec


def with_classes(arch: Arch, classes: int) -> Arch:
    """The same table for `classes` classes.

    Raises ArchError when there are fewer than two.
    """
    if classes < 2:
        raise ArchError(f"{arch.name}: classes = {classes}; a classifier tells 2 or more apart")
    row = classifier(arch)
    if has(row.spec, "out", classes):
        return arch
    return unprinted(with_spec(arch, row.name, replace(row.spec, out=classes)))


def with_norm(arch: Arch, norm: str) -> Arch:
    """The same table with every convolution normalised by `norm` ("bn", "lrn" or "none"), before its activation for bn.

    A normalised convolution has no bias, since batch norm subtracts it; the classifier stays as it is; rows of local
    response normalisation go. Normalising twice is normalising once. Ioffe and Szegedy 2015, section 3.2.
    """
    chosen("norm", norm, MAP_NORMS)

    def normed(row: Row) -> Row:
        if isinstance(row.spec, Dense) or not hasattr(row.spec, "norm") or row.spec.norm == norm:
            return row
        return replace(row, spec=replace(row.spec, norm=norm, bias=norm != "bn"))

    rows = hidden(arch, normed)
    rows = tuple(row for row in rows if not isinstance(row.spec, Lrn) or norm == "lrn")
    return arch if rows == arch.rows else replace(arch, name=f"{arch.name}+{norm}", rows=rows)


def with_activation(arch: Arch, act: str) -> Arch:
    """The same table with the activation `act` in every hidden row that has one; the classifier keeps its own."""
    chosen("act", act, ACTS)

    def active(row: Row) -> Row:
        if getattr(row.spec, "act", "none") == "none":
            return row
        return replace(row, spec=replace(row.spec, act=act))

    return noted(arch, hidden(arch, active), f"the activation of hidden rows is {act}")


def without_last_activation(arch: Arch) -> Arch:
    """The same table with a linear classifier row.

    NiN's authors rectify the maps of the classes too (relu12 of their model): a class whose map is zero everywhere
    then gets no gradient, and may never come back.
    """
    row = classifier(arch)
    if getattr(row.spec, "act", "none") == "none":
        return arch
    changed = with_spec(arch, row.name, replace(row.spec, act="none"))
    return noted(arch, changed.rows, f"no activation after {row.name}")


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
    return noted(arch, tuple(rows), f"dropout {share:g}")


def narrow(arch: Arch, divisor: int) -> Arch:
    """The same table with its convolutions `divisor` times narrower; dense rows and the classifier keep their widths.

    Raises ArchError, naming the row, when a width does not divide.
    """

    def narrowed(row: Row) -> Row:
        names: tuple[str, ...] = getattr(row.spec, "WIDTHS", ())
        widths = {name: getattr(row.spec, name) for name in names}
        if isinstance(row.spec, SparseConv):
            raise ArchError(f"{arch.name}, row {row.name}: its connection table fixes its width; it cannot be divided")
        for name, width in widths.items():
            if width % divisor:
                raise ArchError(f"{arch.name}, row {row.name}: {name} = {width} does not divide by {divisor}")
        return replace(row, spec=replace(row.spec, **{name: width // divisor for name, width in widths.items()}))

    if divisor < 1:
        raise ArchError(f"{arch.name}: widths cannot be divided by {divisor}; 2 would halve them")
    if divisor == 1:
        return arch
    base, *norms = arch.name.split("+")
    name = "+".join([f"{base}/{divisor}", *norms])
    return unprinted(replace(arch, name=name, rows=hidden(arch, narrowed)))


def hidden(arch: Arch, change: Callable[[Row], Row]) -> tuple[Row, ...]:
    """The rows of `arch`, all but the classifier changed."""
    last = classifier(arch)
    return tuple(row if row == last else change(row) for row in arch.rows)


def noted(arch: Arch, rows: tuple[Row, ...], words: str) -> Arch:
    """`arch` with `rows`, and what they change in words, when they change something."""
    return arch if rows == arch.rows else replace(arch, rows=rows, differs=(*arch.differs, words))


def has(spec: Spec, name: str, value: object) -> bool:
    """Is the cell `name` of `spec` already `value`?"""
    return any(field.name == name and getattr(spec, name) == value for field in fields(spec))
