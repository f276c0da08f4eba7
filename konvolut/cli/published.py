"""`konvolut lab published [NET]`."""

from pathlib import Path

import click


@click.command(epilog="Example:  konvolut lab published resnet-18@d2l --accuracy 0.901")
@click.argument("net", required=False)
@click.option("--accuracy", metavar="X", help="Yours on Fashion-MNIST's test pictures: 0.901, or 90.1%.")
@click.option("--json", "machine", is_flag=True, help="Print the figures as JSON.")
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="Write a page with the runs drawn.")
def command(net: str | None, accuracy: str | None, machine: bool, html: Path | None) -> None:
    """Where a result falls among the published runs of the book Dive into Deep Learning; without one, what they are."""
    from konvolut.cli.out import as_json, as_table
    from konvolut.lab import published

    if accuracy is not None and net is None:
        raise click.UsageError("--accuracy needs the NET that reached it")
    found = published.place(net, published.share(accuracy)) if net is not None and accuracy is not None else None
    rows = list(published.table(net))
    page = published.write_page(html, net or "", found) if html is not None else None
    if machine:
        as_json(published.plain(found) if found else rows)
    elif found:
        click.echo("\n".join(published.told(found)))
    else:
        shown = [published.rounded(row) for row in rows]
        as_table(shown, right=list(shown[0])[2:])
        click.echo(published.about())
    if page and not machine:
        from konvolut.language import _

        click.echo(_("page        {path}").format(path=page))
