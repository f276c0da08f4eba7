"""`konvolut look RUN|NET IMAGE`."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from konvolut.lens.look import Subject


@click.command(epilog="Example:  konvolut look runs/photos-1 cat.jpg --class cat")
@click.argument("what", metavar="RUN|NET")
@click.argument("image")
@click.option("--row", help="Whose maps to show; a block inside a row is ROW.NUMBER.  [default: a few rows]")
@click.option("--channel", type=int, help="Of that row, from 0.  [default: the most active ones]")
@click.option("--class", "label", metavar="NAME", help="A class to explain beside the best one.")
@click.option("--weights", type=click.Path(), metavar="FILE", help="Weights for NET; else it is untrained.")
@click.option("--html", type=click.Path(), help="Where to write the page.  [default: RUN/look.html or NET-look.html]")
@click.option("--json", "machine", is_flag=True, help="Print the numbers as JSON.")
def command(
    what: str,
    image: str,
    row: str | None,
    channel: int | None,
    label: str | None,
    weights: str | None,
    html: str | None,
    machine: bool,
) -> None:
    """Look inside a trained RUN, or a NET, while it answers for IMAGE."""
    from konvolut.cli.out import as_json
    from konvolut.lens.look import look, subject
    from konvolut.lens.look_page import page_of, write_look
    from konvolut.lens.look_told import as_numbers, as_sentences

    if channel is not None and row is None:
        raise click.UsageError("--channel counts in one row; give --row too")
    opened = subject(what) if weights is None else answering(what, weights)
    out = page_of(opened, html)
    found = look(opened, image, row, channel, label)
    path = write_look(found, out)
    if machine:
        as_json({**as_numbers(found), "page": str(path)})
        return
    for line in as_sentences(found):
        click.echo(line)
    click.echo(path)


def answering(what: str, weights: str) -> "Subject":
    """A net, or a run, with the weights of a file in it."""
    from konvolut.lens.look import Subject
    from konvolut.nets.arch import Network, facts
    from konvolut.training.known import known

    opened = known(what, weights)
    assert isinstance(opened.net, Network)
    macs = sum(fact.macs for fact in facts(opened.net.arch))
    return Subject(what, opened.net, opened.spec, opened.classes, macs, weights=weights)
