"""`konvolut classic DATA`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from konvolut.errors import KonvolutError

if TYPE_CHECKING:
    from konvolut.classic.course import Course

LARGE = 64  # px: larger pictures are made this small where no size is asked for
LEAST = 16  # px: and smaller ones this large


@click.command(epilog="Example:  konvolut classic photos/ --features words --kernel chi2")
@click.argument("data")
@click.option("--features", default="hog", show_default=True, help="raw, pca, patches, words, hog, moments, contours.")
@click.option("--kernel", default="rbf", show_default=True, help="linear, polynomial, rbf, chi2 or intersection.")
@click.option("--machine", default="svm", show_default=True, help="svm, ridge, logistic or neighbours.")
@click.option(
    "--c", type=float, help="How hard it tries (of neighbours: how many); left out, the best of three on validation."
)
@click.option("--size", type=int, help="px; left out, the pictures' own, between 16 and 64.")
@click.option(
    "--exclude", type=click.Path(), metavar="FILE", help="Names to leave out; `check --quarantine` lists them."
)
@click.option("--seed", type=int, default=0, help="Same seed, same answers.  [default: 0]")
@click.option("--out", type=click.Path(path_type=Path), help="Run folder; left out, the next runs/NAME-N.")
@click.option("--json", "as_text", is_flag=True, help="Print the result as JSON.")
@click.pass_context
def command(context: click.Context, /, data: str, as_text: bool, **wishes: Any) -> None:
    """What came before nets: features made by hand, a kernel, and a machine that solves a convex problem."""
    context.exit(follow(prepare(data, wishes), as_text))


def prepare(data: str, wishes: dict[str, Any]) -> "Course":
    """The course that the words ask for. Raises KonvolutError where the extra is missing."""
    try:
        from konvolut.classic.course import Course, Pipeline
    except ModuleNotFoundError as error:
        raise KonvolutError(
            f"{error.name} is not installed, and this needs it; pip install 'konvolut[classic]'"
        ) from None
    from konvolut.images.preprocess import InputSpec
    from konvolut.images.sources import open_images
    from konvolut.training.plan import refuse
    from konvolut.training.sizes import look

    pipeline = Pipeline(**{name: wishes[name] for name in ("features", "kernel", "machine", "c", "seed")})
    refuse({}, wishes["size"], None)
    images = open_images(data, exclude=wishes["exclude"])
    seen = look(images)
    size, reasons = wishes["size"], list[str]()
    if size is None:
        size = min(max(4 * -(-seen.side // 4), LEAST), LARGE)
        why = "the pictures' own" if size == seen.side else f"theirs is {seen.side} px"
        reasons.append(f"size {size} px: {why}")
    return Course(images, pipeline, InputSpec(size=size, channels=1 if seen.grey else 3), wishes["out"], tuple(reasons))


def follow(course: "Course", as_text: bool) -> int:
    """Fit, with progress on stderr; write the report, say what came of it. 1 where it was not solved to the end."""
    from shlex import quote

    from rich.console import Console

    from konvolut.cli.out import as_json, duration, percent
    from konvolut.language import _
    from konvolut.lens.report import write_report

    note = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
    images = course.images
    counts = ", ".join(f"{role} {len(split)}" for role, split in images.splits.items())
    note.print(
        _("{name}: {k} classes; pictures: {counts}").format(name=images.name, k=len(images.classes), counts=counts)
    )
    for line in images.notes:
        note.print(f"  {line}")
    with note.status("") as status:
        for stage in course:
            status.update(stage)
            if not note.is_terminal:
                note.print(stage)
    run = course.run
    assert run is not None
    report = write_report(run, images, run.evaluation(), None, [])
    card = run.card
    if as_text:
        as_json({"run": str(run.path), "report": str(report), "seconds": card.seconds, **card.results, **card.classic})
        return int(not course.solved)
    for line in card.reasons:
        note.print(f"  {line}")
    split, found = list(card.results.items())[-1]
    low, high = found["interval"]
    click.echo(
        _("accuracy {accuracy} on {n} {split} pictures (95 % interval {low} to {high})").format(
            accuracy=percent(found["accuracy"]), n=found["n"], split=split, low=percent(low), high=percent(high)
        )
    )
    if split == "train":
        click.echo(_("these are the pictures it learnt from; the figure says nothing about new ones"))
    for line in card.outcome:
        click.echo(line)
    click.echo(_("trained in {time}").format(time=duration(card.seconds)))
    click.echo(_("run folder  {path}").format(path=run.path))
    click.echo(_("report      {path}").format(path=report))
    click.echo(_("next:"))
    click.echo(f"  konvolut report {quote(str(run.path))}")
    left_out = f" --set exclude={quote(card.data['exclude'])}" if card.data["exclude"] else ""
    click.echo(f"  konvolut train {quote(card.data['where'])}{left_out}")
    return int(not course.solved)
