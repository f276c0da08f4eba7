"""The bar that counts, wherever a command has a number of things to do."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn


def counting(*more: ProgressColumn) -> Progress:
    """What is done, out of how many, `more` columns and the time left; on stderr, where that is a terminal."""
    note = Console(stderr=True, highlight=False, markup=False)
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), *more, TimeRemainingColumn(),
        console=note, transient=True, disable=not note.is_terminal,
    )  # fmt: skip
