"""`konvolut report RUN`."""

import click


@click.command(epilog="Example:  konvolut report runs/photos-1")
@click.argument("run")
@click.option("--out", type=click.Path(), help="Where to write it.  [default: RUN/report.html]")
def command(run: str, out: str | None) -> None:
    """Write the report of RUN anew, as one self-contained page; while it trains, what there is so far."""
    from konvolut.lens.report import report_again
    from konvolut.training.run import open_run

    click.echo(report_again(open_run(run), out))
