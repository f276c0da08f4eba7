"""How answers are printed: words for people, JSON for machines."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click


def as_json(value: Any) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=1))


def as_table(rows: Iterable[Mapping[str, Any]], right: Sequence[str] = ()) -> None:
    """Rows under their keys; the columns in `right` are numbers."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows = list(rows)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for key in rows[0] if rows else ():
        table.add_column(key, justify="right" if key in right else "left", no_wrap=key != "source", overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(value)) for value in row.values()))  # as it is: a class may be called [red]
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 200  # a file or a pipe has no edge to fold at
    console.print(table)


def percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def duration(seconds: float) -> str:
    """
    >>> [duration(s) for s in (4.25, 61, 3700)]
    ['4.2 s', '1 min 01 s', '1 h 01 min']
    """
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
