"""What `train` shows while it works, and at the end."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from signal import SIGINT, SIGTERM, signal
from time import perf_counter
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from konvolut.cli.out import as_json, duration, percent
from konvolut.errors import RecipeError
from konvolut.images.sources import open_images
from konvolut.lab.published import Place, judged, plain
from konvolut.language import _
from konvolut.lens.ledger import as_rows, ledger
from konvolut.lens.report import write_report
from konvolut.training.course import Course, resume
from konvolut.training.known import refuse_misspelt
from konvolut.training.loop import Epoch, Step
from konvolut.training.plan import plan
from konvolut.training.recipe import Recipe, assignments, changed, read
from konvolut.training.recipes import FAST, NAMED, departures, is_by_the_book
from konvolut.training.run import Run, free_folder, open_run, opened_again
from konvolut.training.world import World


def prepare(data: str | None, stopped: Path | None, wishes: dict[str, Any], world: World) -> Course:
    """The course that the words ask for: a new one, or the rest of a stopped one."""
    how = {"seconds": 60 * wishes.pop("checkpoint_minutes"), "steps": wishes.pop("checkpoint_steps"), "world": world}
    if restarted(wishes["out"]):
        run = open_run(wishes["out"])
        return resume(run, opened_again(run.card, data), world.device, **how)
    if stopped is not None:
        given = [name for name, value in wishes.items() if value]
        if given:
            raise RecipeError(f"--resume {stopped}: a resumed run keeps its settings; leave out --{given[0]}")
        run = open_run(stopped)
        return resume(run, opened_again(run.card, data), world.device, **how)
    if world.size > 1 and wishes["minutes"]:
        raise RecipeError(f"minutes, on {world.size} processes: each would measure another rate; give --epochs")
    refuse_misspelt(wishes["weights"] or "")
    by = NAMED.get(wishes["recipe"])  # a file of such a name is ./d2l
    named = by.recipe(wishes["net"] or "") if by else None
    settings = read(Path(wishes["recipe"])) if wishes["recipe"] not in (None, FAST, *NAMED) else {}
    settings |= assignments(wishes["pairs"])
    settings |= {name: wishes[name] for name in ("epochs", "batch", "lr", "seed") if wishes[name] is not None}
    wanted = changed(named or Recipe(), settings)
    images = open_images(str(data), val=wanted.val, exclude=wanted.exclude or None)
    found = plan(
        images,
        wishes["net"],
        named,
        settings=settings,
        size=by.size(wishes["net"]) if by and wishes["size"] is None else wishes["size"],
        minutes=wishes["minutes"],
        device=world.device,
        weights=wishes["weights"],
    )
    if by:
        found = by.planned(found)
    out = free_folder(wishes["out"], f"{images.name}-{found.name.replace('/', '_')}") if world.main else None
    return Course(images, found, Path(world.told(out)), world.device, **how)


def restarted(out: Path | None) -> bool:
    """Is this torchrun's second try at a line whose first one has begun a run at `out`?"""
    again = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") != "0"
    return again and out is not None and (out / "card.json").exists()


def follow(course: Course, machine: bool) -> None:
    """Train, with progress on stderr; then write the report and say what came of it."""
    world = course.world
    note = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, quiet=not world.main)
    announce(course, note)
    with stopping(course) as caught:
        watch(course, note)
    if course.stop and not course.run.card.results:  # a signal may come when all is done
        note.print(_("stopped; this goes on from the last finished step:"))
        note.print(f"  konvolut train --resume {quote(str(course.run.path))}")
        sys.exit(128 + (caught or [SIGTERM])[0])
    if not world.main:
        return
    run = course.run
    table = as_rows(ledger(course.plan.arch)) if course.plan.arch else []
    report = write_report(run, course.images, run.evaluation(), course.augmented(), table)
    place, lines = among_published(course)
    if machine:
        told = {"run": str(run.path), "report": str(report), "seconds": run.card.seconds, **run.card.results}
        as_json(told | ({"published": plain(place)} if place else {}))
        return
    summary(run, report, lines)


@contextmanager
def stopping(course: Course) -> Iterator[list[int]]:
    """While inside, a first SIGINT or SIGTERM lets the step end and be kept; a second ends the process at once."""
    caught: list[int] = []

    def handle(number: int, frame: object) -> None:
        if caught:
            os._exit(128 + number)
        caught.append(number)
        course.stop = True
        os.write(2, f"\n{_('stopping after this step; again to stop at once')}\n".encode())

    before = {number: signal(number, handle) for number in (SIGINT, SIGTERM)}
    try:
        yield caught
    finally:
        for number, old in before.items():
            signal(number, old)


def among_published(course: Course) -> tuple[Place | None, list[str]]:
    """Where a run by the book's recipe falls among the book's own, in words; nothing of any other run."""
    if not is_by_the_book(course.plan):
        return None, []
    accuracy = course.run.card.results.get("test", {}).get("accuracy")
    return judged(course.plan.name, accuracy, course.images, departures(course.plan))


def summary(run: Run, report: Path, lines: Sequence[str] = ()) -> None:
    """Accuracy, time, where things lie, and what a user would type next."""
    role, found = list(run.card.results.items())[-1]
    low, high = found["interval"]
    click.echo(
        _("accuracy {accuracy} on {n} {split} pictures (95 % interval {low} to {high})").format(
            accuracy=percent(found["accuracy"]), n=found["n"], split=role, low=percent(low), high=percent(high)
        )
    )
    for line in (*run.card.outcome, *lines):
        click.echo(line)
    click.echo(_("trained in {time}").format(time=duration(run.card.seconds)))
    click.echo(_("run folder  {path}").format(path=run.path))
    click.echo(_("report      {path}").format(path=report))
    click.echo(_("next:"))
    path, data = quote(str(run.path)), quote(run.card.data["where"])
    for line in (f"predict {path} PICTURE", f"eval {path} {data}", f"report {path}"):
        click.echo(f"  konvolut {line}")


def announce(course: Course, note: Console) -> None:
    """What is trained on what, and what was chosen for the user."""
    images, found = course.images, course.plan
    counts = ", ".join(f"{role} {len(split)}" for role, split in images.splits.items())
    note.print(
        _("{name}: {k} classes; pictures: {counts}").format(name=images.name, k=len(images.classes), counts=counts)
    )
    for line in (*images.notes, *found.reasons, *found.changes, course.keeping(), *course.sharing()):
        note.print(f"  {line}")


def watch(course: Course, note: Console) -> None:
    """One live bar on a terminal; one line an epoch everywhere."""
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[rate]}"), TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"), console=note, transient=True, disable=not note.is_terminal,
    )  # fmt: skip
    done, steps, start = 0, 0, perf_counter()
    with bar:
        task = bar.add_task(_("training"), total=None, rate="", left="")
        for event in course:
            if isinstance(event, Step):
                done += event.tally.seen
                took = perf_counter() - start
                steps += 1
                left = took * (event.of - event.number - 1) / steps
                bar.update(
                    task, total=event.of, completed=event.number + 1,
                    rate=_("{rate} pictures/s").format(rate=round(done / took)),
                    left=_("{time} left").format(time=duration(left)),
                )  # fmt: skip
            elif course.world.main:  # who alone has logged it
                bar.console.print(epoch_line(course, event))
            while course.notes:
                bar.console.print(course.notes.pop(0))


def epoch_line(course: Course, event: Epoch) -> str:
    *_before, entry = course.run.log()
    line = _("epoch {n}/{of}  loss {loss}  train {train}").format(
        n=event.number,
        of=course.plan.recipe.epochs,
        loss=f"{event.tally.loss:.3f}",
        train=percent(event.tally.accuracy),
    )
    if "val_accuracy" in entry:
        line += "  " + _("validation {val}").format(val=percent(entry["val_accuracy"]))
    return line + f"  {duration(event.seconds)}"
