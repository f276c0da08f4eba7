"""Tables as plain data and as TOML files: a net of one's own is a file of rows, each with its spec by name.

    name = "mine"
    input = [3, 32, 32]                                    # channels, height, width

    [[rows]]
    name = "conv1"
    Conv = { out = 16, k = 3, p = 1 }
    gives = [16, 32, 32]                                   # the size a paper prints, where one does

    [[rows]]
    name = "stage1"
    Stage = { repeat = 3, block = { Basic = { out = 32 } }, s = 2 }

Cells left out have their defaults. Auxiliary heads are [[heads]] with name, after, weight and rows of their own.
"""

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec

from konvolut.blocks.basic import AdaptivePool, AvgPool, Conv, Dense, Dropout, GlobalAvgPool, MaxPool, Side
from konvolut.blocks.inception import Inception, Paths
from konvolut.blocks.lenet import Rbf, SparseConv, Subsample
from konvolut.blocks.mlpconv import Mlpconv
from konvolut.blocks.norm import Norm
from konvolut.blocks.residual import Basic, Bottleneck, Stage
from konvolut.blocks.spec import NOTHING, Prints, Row, Series, Spec
from konvolut.errors import ArchError, nearest
from konvolut.nets.arch import Arch, Head, facts, head_facts, last_with_width, size

SPECS: dict[str, type[Any]] = {
    spec.__name__: spec
    for spec in (
        *(Conv, MaxPool, AvgPool, AdaptivePool, GlobalAvgPool, Dropout, Dense, Norm, Series, Mlpconv, Paths, Inception),
        *(Basic, Bottleneck, Stage, SparseConv, Subsample, Rbf),
    )
}
MOST = 65_536  # maps, px or blocks: a larger number is a slip, and would be walked all the same
EXAMPLE = "Conv = { out = 16, k = 3 }"
Plain = dict[str, Any]  # what JSON and TOML hold


def read_table(path: Path | str) -> Arch:
    """The table of a TOML file; without a `name` it is called as its file is.

    Raises ArchError, naming the file and the row, when there is no such file, it is not TOML, a spec or a cell is
    unknown or wrongly typed, or the rows do not fit each other.
    """
    path = Path(path)
    try:
        plain = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ArchError(f"{path}: {error.strerror or error}; a table is a TOML file with [[rows]]") from error
    except (ValueError, RecursionError) as error:  # not UTF-8, not TOML, or nested without end
        raise ArchError(f"{path}: not TOML: {error}") from error
    try:
        arch = from_plain({"name": path.stem, "source": path.name, **plain})
        fitting(arch)
    except ArchError as error:
        raise ArchError(f"{path}: {error}") from error
    return arch


def fitting(arch: Arch) -> None:
    """Raises ArchError, naming the row, when a row, of a head too, cannot take what it is given."""
    fit: list[str] = []
    try:
        fit.extend(fact.name for fact in facts(arch))
        head_facts(arch)
    except (AssertionError, TypeError, KeyError, OverflowError) as error:  # cells that contradict each other
        where = f"row {arch.rows[len(fit)].name}" if len(fit) < len(arch.rows) else "heads"
        raise ArchError(
            f"{arch.name}, {where}: its cells do not go together ({' '.join(str(error).split())})"
        ) from error


def classifying(arch: Arch) -> None:
    """Raises ArchError when the table, or a head, does not end in two or more classes, or they differ in how many."""
    *_, last = facts(arch)
    ends = {"the trunk": last.gives} | {f"head {name}": found[-1].gives for name, found in head_facts(arch).items()}
    for where, gives in ends.items():
        if len(gives) != 1 or gives[0] < 2 or gives != last.gives:
            wants = size(last.gives) if len(last.gives) == 1 and last.gives[0] > 1 else "two or more"
            raise ArchError(f"{arch.name}: {where} ends in {size(gives)}, not in {wants} classes")
    last_with_width(arch.rows)


def write_table(arch: Arch) -> str:
    """The text of a TOML file that `read_table` reads as the same table."""
    plain = to_plain(arch)
    lines = [f"{key} = {toml(value)}" for key, value in plain.items() if key not in ("rows", "heads")]
    for row in plain["rows"]:
        lines += ["", "[[rows]]", *(f"{key} = {toml(value)}" for key, value in row.items())]
    for head in plain.get("heads", ()):
        lines += ["", "[[heads]]", *(f"{key} = {toml(value)}" for key, value in head.items() if key != "rows")]
        for row in head["rows"]:
            lines += ["", "[[heads.rows]]", *(f"{key} = {toml(value)}" for key, value in row.items())]
    return "\n".join(lines) + "\n"


def toml(value: object) -> str:
    """A plain value on one line of TOML.

    >>> toml({"out": 16, "k": [1, 7], "block": {"Basic": {"s": 2}}})
    '{ out = 16, k = [1, 7], block = { Basic = { s = 2 } } }'
    """
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {toml(one)}" for key, one in value.items()) + " }" if value else "{}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # JSON's escapes are TOML's, but one
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value)


def to_plain(arch: Arch) -> Plain:
    """The table as dictionaries, lists, words and numbers; cells at their defaults are left out."""
    heads = [
        {"name": head.name, "after": head.after, "weight": head.weight, "rows": [plain_row(row) for row in head.rows]}
        for head in arch.heads
    ]
    return {
        "name": arch.name,
        "source": arch.source,
        "input": list(arch.input),
        **({"differs": list(arch.differs)} if arch.differs else {}),
        **plain_prints(arch.prints),
        "rows": [plain_row(row) for row in arch.rows],
        **({"heads": heads} if heads else {}),
    }


def plain_row(row: Row) -> Plain:
    gives = {} if row.out is None else {"gives": list(row.out)}
    return {"name": row.name, **plain_value(row.spec), **gives, **plain_prints(row.prints)}


def plain_prints(prints: Prints) -> Plain:
    cells = {name: getattr(prints, name) for name in ("params", "macs") if getattr(prints, name) is not None}
    cells |= {"kilo": prints.kilo} if prints.kilo != NOTHING.kilo else {}
    return {"prints": cells} if cells else {}


def plain_value(value: Any) -> Any:
    """A cell as plain data; a spec is {its name: its cells}."""
    if is_dataclass(value):
        cells = ((field, getattr(value, field.name)) for field in fields(value))
        kept = {field.name: plain_value(cell) for field, cell in cells if needed(field) or cell != field.default}
        return {type(value).__name__: kept}
    return [plain_value(one) for one in value] if isinstance(value, tuple) else value


def needed(field: "Field[Any]") -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def from_plain(plain: Mapping[str, Any]) -> Arch:
    """The table that `to_plain` wrote, or that somebody wrote by hand; whether its rows fit is for `facts` to say.

    Raises ArchError, naming the row, when a key, a spec or a cell is unknown, missing or of the wrong type.
    """
    name = typed(plain.get("name", ""), str, "a table, name")
    if not name:
        raise ArchError('a table needs a name, like name = "mine"')
    known(name, plain, ("name", "source", "input", "differs", "prints", "rows", "heads"))
    if "input" not in plain:
        raise ArchError(f"{name}: no input; it is channels, height, width, like input = [3, 32, 32]")
    heads = typed(plain.get("heads", []), list[dict[str, Any]], f"{name}, heads")
    return Arch(
        name,
        typed(plain.get("source", "a table of one's own"), str, f"{name}, source"),
        typed(plain["input"], tuple[int, int, int], f"{name}, input"),
        rows_of(plain, name),
        typed(plain.get("differs", []), tuple[str, ...], f"{name}, differs"),
        tuple(head_of(head, name) for head in heads),
        prints_of(plain, name),
    )


def head_of(plain: Mapping[str, Any], where: str) -> Head:
    where = f"{where}, head {plain.get('name', '?')}"
    known(where, plain, ("name", "after", "weight", "rows"))
    name, after = (typed(plain.get(key), str, f"{where}, {key}") for key in ("name", "after"))
    weight = typed(plain.get("weight", 0.3), float, f"{where}, weight")
    if not weight >= 0:
        raise ArchError(f"{where}, weight = {weight:g}; it is the weight of its loss, 0 or more")
    return Head(name, after, rows_of(plain, where), weight)


def rows_of(plain: Mapping[str, Any], where: str) -> tuple[Row, ...]:
    rows = typed(plain.get("rows", []), list[dict[str, Any]], f"{where}, rows")
    if not rows:
        raise ArchError(f"{where}: no rows; one is [[rows]] with a name and a spec, like {EXAMPLE}")
    return tuple(row_of(row, number, where) for number, row in enumerate(rows, start=1))


def row_of(plain: Mapping[str, Any], number: int, where: str) -> Row:
    if "name" not in plain:
        raise ArchError(f'{where}, row {number}: no name; each row has one of its own, like name = "conv{number}"')
    name = typed(plain["name"], str, f"{where}, row {number}, name")
    where = f"{where}, row {name}"
    cells = {key: value for key, value in plain.items() if key not in ("name", "gives", "prints")}
    if len(cells) != 1:
        what = f"{len(cells)} specs ({', '.join(cells)})" if cells else "no spec"
        known(where, cells, SPECS)
        raise ArchError(f"{where}: {what}; a row has one, like {EXAMPLE}")
    gives = typed(plain["gives"], tuple[int, ...], f"{where}, gives") if "gives" in plain else None
    return Row(name, spec_of(cells, where), gives, prints_of(plain, where))


def prints_of(plain: Mapping[str, Any], where: str) -> Prints:
    cells = typed(plain.get("prints", {}), dict[str, float], f"{where}, prints")
    known(f"{where}, prints", cells, ("params", "macs", "kilo"))
    return Prints(**{**cells, "kilo": int(cells.get("kilo", NOTHING.kilo))}) if cells else NOTHING


def spec_of(plain: object, where: str, among: Iterable[type[Any]] = SPECS.values()) -> Any:
    """The spec of {its name: its cells}, one of `among`."""
    names = {kind.__name__: kind for kind in among}
    if not isinstance(plain, Mapping) or len(plain) != 1:
        raise ArchError(f"{where}: {plain!r} is no spec; one is its name with its cells, like {{ {EXAMPLE} }}")
    ((name, cells),) = plain.items()
    known(where, plain, names)
    if not isinstance(cells, Mapping):
        raise ArchError(f"{where}: {name} = {cells!r}; its cells stand in braces, like {EXAMPLE}")
    kind = names[name]
    here = f"{where}, {name}"
    known(here, cells, [field.name for field in fields(kind)])
    if missing := [field.name for field in fields(kind) if needed(field) and field.name not in cells]:
        raise ArchError(f"{here}: no {', no '.join(missing)}; its cells are {', '.join(f.name for f in fields(kind))}")
    hints = get_type_hints(kind)
    return kind(**{cell: value_of(value, hints[cell], f"{here}, {cell}") for cell, value in cells.items()})


def value_of(plain: Any, hint: Any, where: str) -> Any:
    """A cell of type `hint`: a spec, some specs, named ways of specs, or a plain value."""
    if hint is Spec:
        return spec_of(plain, where)
    if any(is_dataclass(kind) for kind in get_args(hint)):
        return spec_of(plain, where, get_args(hint))
    if hint == tuple[Spec, ...]:
        return tuple(spec_of(one, where) for one in typed(plain, list[Any], where))
    if hint == tuple[tuple[str, tuple[Spec, ...]], ...]:
        ways = typed(plain, list[tuple[str, list[Any]]], where)
        if unfit := [name for name, _ in ways if not name or "." in name]:
            raise ArchError(f"{where}: a way called {unfit[0]!r}; its name is not empty and has no dot")
        return tuple((name, tuple(spec_of(one, f"{where}, {name}") for one in steps)) for name, steps in ways)
    value = typed(plain, hint, where)
    each = value if isinstance(value, tuple) else (value,)
    cell = where.rpartition(", ")[2]
    least = 0 if cell == "p" else 1  # a padding may be 0; every other whole number counts something
    if hint in (int, Side) and not all(least <= one <= MOST for one in each):
        raise ArchError(f"{where} = {toml(plain)}; it counts from {least} to {MOST}")
    if cell in ("share", "drop") and not 0 <= value < 1:
        raise ArchError(f"{where} = {toml(plain)}; it is a share, from 0 to less than 1")
    if cell == "survive" and not all(0 < one <= 1 for one in each):
        raise ArchError(f"{where} = {toml(plain)}; each is a chance, above 0 and at most 1")
    return value


def typed(plain: Any, hint: Any, where: str) -> Any:
    """`plain` as a value of type `hint`, lists as tuples. Raises ArchError when it is none."""
    try:
        return msgspec.convert(plain, hint)
    except msgspec.ValidationError as error:
        raise ArchError(f"{where} = {toml(plain) if plain is not None else 'nothing'}: {error}") from error


def known(where: str, plain: Mapping[str, Any], names: Iterable[str]) -> None:
    """Raises ArchError, with the nearest, for the first key of `plain` that is none of `names`."""
    names = list(names)
    for key in plain:
        if key not in names:
            raise ArchError(f"{where}: no {key!r}{nearest(key, names)}")
