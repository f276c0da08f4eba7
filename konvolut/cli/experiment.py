"""What `lab run` shows while it works, and at the end."""

from time import perf_counter

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from konvolut.cli.out import as_json, duration
from konvolut.lab.conduct import Result, conduct, save, setting_of, total
from konvolut.lab.page import write_page
from konvolut.lab.study import Measurement, Study, Trained
from konvolut.lab.words import design, verdict
from konvolut.language import _


def follow(
    study: Study, seeds: int | None, jobs: int | None, machine: bool, tier: str = "quick", data: str | None = None
) -> None:
    """Run with progress on stderr; print the verdict, keep every measurement."""
    note = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
    setting = setting_of(study, tier, data, jobs)
    start, many = perf_counter(), total(study, seeds, tier)
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
        console=note, transient=True, disable=not note.is_terminal,
    )  # fmt: skip
    if not machine:
        click.echo(design(study))
    with bar:
        task = bar.add_task(study.claim.id, total=many or None)
        for event in conduct(study, seeds, jobs, setting):
            if isinstance(event, Measurement):
                bar.advance(task)
            else:
                finish(event, perf_counter() - start, machine)


def finish(result: Result, seconds: float, machine: bool) -> None:
    path = save(result)
    page = write_page(result, path.with_suffix(".html"))
    if machine:
        as_json(result.plain())
        return
    click.echo(verdict(result))
    if isinstance(result.study, Trained) and (line := result.study.advice.get(result.verdict.word)):
        click.echo(
            _("so, for these pictures: konvolut train {data} {line}").format(data=result.setting.data, line=line)
        )
    click.echo(_("{time}; every measurement is in {path}").format(time=duration(seconds), path=path))
    click.echo(_("page        {path}").format(path=page))
