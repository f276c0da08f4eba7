"""`konvolut check DATA`."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from konvolut.images.check import Report


@click.command(epilog="Example:  konvolut check photos/ --html check.html")
@click.argument("data")
@click.option("--html", type=click.Path(), metavar="FILE", help="Write a page with contact sheets.")
@click.option("--size", type=click.IntRange(1, 1024), help="Its preview's side, in px.  [default: 64]")
@click.option("--json", "machine", is_flag=True, help="Print what was found as JSON.")
@click.option(
    "--list",
    "what",
    type=click.Choice(("bad", "duplicates", "leaks")),
    help="Print only the paths of these, one a line.",
)
@click.option(
    "--quarantine", type=click.Path(), metavar="FILE", help="List what `train --set exclude=FILE` leaves out."
)
@click.pass_context
def command(
    context: click.Context,
    data: str,
    html: str | None,
    size: int | None,
    machine: bool,
    what: str | None,
    quarantine: str | None,
) -> None:
    """What is wrong with the pictures of DATA. Changes none of them; exit status 1 when anything was found.

    --list bad: what cannot be read, or is blank. duplicates: of equal or nearly equal pictures, all but one. leaks: what a
    later split holds too. Paths may hold spaces: xargs -d '\\n' takes them as they are. In one that holds a line feed, it
    is written \\n, a carriage return \\r, and a backslash \\\\.
    """
    from pathlib import Path

    from konvolut.cli.out import as_json
    from konvolut.images.contact import replaceable as replaceable_page
    from konvolut.images.contact import write_page
    from konvolut.images.quarantine import replaceable as replaceable_list
    from konvolut.images.quarantine import write

    if machine and what:
        raise click.UsageError("--json and --list both say what is printed; give one of them")
    if size is not None and html is None:
        raise click.UsageError("--size is of the preview on a page; give --html FILE too")
    if quarantine is not None:
        replaceable_list(Path(quarantine))
    if html is not None:
        replaceable_page(Path(html))
    report = checked(data)
    if quarantine is not None:
        write(Path(quarantine), report.quarantine, (f"found by konvolut check {data}",))
    if html is not None:
        write_page(report, Path(html), size or 64)
    if machine:
        as_json(report.as_numbers())
    elif what:
        paths(report, what)
    else:
        summary(report, html, quarantine)
    context.exit(1 if report.findings else 0)


def checked(data: str) -> "Report":
    """The report, with a bar on stderr while it is made, where stderr is a terminal."""
    from konvolut.cli.progress import counting
    from konvolut.images.check import check
    from konvolut.language import _

    with counting() as bar:
        task = bar.add_task(_("looking at the pictures"), total=None)

        def told(done: int, of: int) -> None:
            bar.update(task, completed=done, total=of)
            if done == of:
                bar.update(task, description=_("comparing them"))

        return check(data, told)


def paths(report: "Report", what: str) -> None:
    """Plain paths, a line each, byte for byte as the system spells them unless that would be two lines."""
    import os

    from konvolut.images.quarantine import on_one_line

    for name in report.listed(what):
        click.echo(os.fsencode(on_one_line(report.listing.called(name))))


CLASSES = 20  # printed; the page and --json have all
EXAMPLES = 3  # of each kind of finding
BAR = 30  # characters of the longest bar


def summary(report: "Report", html: str | None, quarantine: str | None) -> None:
    """Counts, what was found, worst first, and what a user would type next."""
    from shlex import quote

    from konvolut.cli.out import as_table
    from konvolut.images.check import SPLITS, WORDS, joined
    from konvolut.language import _

    most = max((sum(held.values()) for held in report.counts.values()), default=1)
    shown = list(report.counts.items())[:CLASSES]
    as_table(
        [
            {
                _("class"): label,
                **{_(SPLITS[role]): held[role] for role in report.roles},
                " ": "█" * max(1, round(BAR * sum(held.values()) / most)),
            }
            for label, held in shown
        ],
        right=[_(SPLITS[role]) for role in report.roles],
    )
    if len(report.counts) > len(shown):
        click.echo(_("and {n} more classes").format(n=len(report.counts) - len(shown)))
    formats = ", ".join(f"{name} {count}" for name, count in report.tally(lambda header: header.format).items())
    modes = ", ".join(f"{name} {count}" for name, count in report.tally(lambda header: header.mode).items())
    click.echo(
        _("{n} pictures, {k} classes").format(n=len(report.seen), k=len(report.counts))
        + ("" if report.drawn or not formats else f"; {formats}")
        + (f"; {modes}" if modes else "")
    )
    if sizes := report.sizes():
        small, middle, large = (f"{width} x {height}" for width, height in sizes)
        click.echo(
            _("sizes from {small} to {large} px, the middle one {middle}").format(
                small=small, large=large, middle=middle
            )
        )
    for finding in report.findings:
        click.echo(_(WORDS[finding.kind]).format(n=finding.count))
        reasons = finding.reasons or ("",) * finding.count
        for group, reason in zip(finding.groups[:EXAMPLES], reasons[:EXAMPLES], strict=True):
            if finding.kind == "unreadable":
                line = reason
            else:
                line = joined(finding, group, EXAMPLES)
                line += f"  ({reason})" if reason else ""
            click.echo("  " + " ".join(line.split()))
        if finding.count > EXAMPLES:
            click.echo("  " + _("and {n} more").format(n=finding.count - EXAMPLES))
    if not report.findings:
        click.echo(_("nothing was found"))
    if html is not None:
        click.echo(_("page        {path}").format(path=html))
    if quarantine is not None:
        click.echo(_("quarantine  {path}").format(path=quarantine))
    click.echo(_("next:"))
    data = quote(report.where)
    if quarantine is not None:
        click.echo(f"  konvolut train {data} --set exclude={quote(quarantine)}")
    elif report.quarantine:
        click.echo(f"  konvolut check {data} --quarantine exclude.txt")
    for role, label in report.lost:
        what = (
            _("that list leaves out every training picture of {label}: shorten it, or add some").format(
                label=repr(label)
            )
            if label
            else _("that list leaves out every picture of {role}: shorten it, or remove that part").format(role=role)
        )
        click.echo(f"  {what}")
    if report.findings and html is None:
        click.echo(f"  konvolut check {data} --html check.html")
    if quarantine is None and not report.quarantine:
        click.echo(f"  konvolut train {data}")
