"""`konvolut lab list|show|run|published|chapter`."""

from pathlib import Path

import click

from konvolut.cli import published
from konvolut.language import CODES, _


@click.group(epilog="Example:  konvolut lab run A15")
def command() -> None:
    """Hold a claim of the lecture notes against what happens."""


@command.command(name="list")
@click.option("--json", "machine", is_flag=True, help="Print the list as JSON.")
def list_(machine: bool) -> None:
    """The claims that can be run, and the last verdict here."""
    from konvolut.cli.out import as_json, as_table
    from konvolut.lab.index import overview, shown

    rows = overview()
    as_json(rows) if machine else as_table(map(shown, rows))


@command.command()
@click.argument("claim")
@click.option("--json", "machine", is_flag=True, help="Print the design as JSON.")
def show(claim: str, machine: bool) -> None:
    """What the study of CLAIM compares, and its last result here."""
    from konvolut.cli.out import as_json
    from konvolut.lab.index import study
    from konvolut.lab.words import design, plain_design, told

    found = study(claim)
    if machine:
        as_json(plain_design(found))
        return
    click.echo(design(found))
    if lines := told(found):
        click.echo(lines)


@command.command()
@click.argument("claim")
@click.option("--seeds", type=int, help="Seeds an arm, at least 3.  [default: the study's own]")
@click.option("--tier", default="quick", show_default=True, help="glance (a minute, 3 seeds), quick, or full.")
@click.option("--data", help="Ask it on these pictures: a folder, or any other DATA.")
@click.option("--jobs", type=int, help="Processes at once.  [default: one a core]")
@click.option("--json", "machine", is_flag=True, help="Print the result as JSON.")
def run(claim: str, seeds: int | None, tier: str, data: str | None, jobs: int | None, machine: bool) -> None:
    """Run the study of CLAIM and say what came of it."""
    from konvolut.cli.experiment import follow
    from konvolut.lab.index import study

    follow(study(claim), seeds, jobs, machine, tier, data)


@command.command()
@click.option("--lang", type=click.Choice(CODES), help="Which language the page opens in.  [default: the reader's]")
@click.option("--out", type=click.Path(path_type=Path), default="chapter.html", show_default=True, help="Where to.")
def chapter(lang: str | None, out: Path) -> None:
    """Write the lectures' chapter: every sentence, and what became of it."""
    from konvolut.lab.chapter import write_chapter

    asked = lang or click.get_current_context().find_root().params.get("lang")  # konvolut --lang zh lab chapter
    click.echo(_("chapter     {path}").format(path=write_chapter(out, asked)))


command.add_command(published.command, "published")
