"""`konvolut show NET`."""

import click


@click.command(epilog="Example:  konvolut show googlenet --compare resnet-50")
@click.argument("net")
@click.option("--input", "picture", metavar="CxHxW", help="Pictures of another size, like 3x96x96.")
@click.option("--classes", type=int, help="Another number of classes.")
@click.option("--batch", type=click.IntRange(1), default=32, show_default=True, help="Pictures, to predict memory.")
@click.option("--compare", metavar="NET", help="A second net beside it.")
@click.option("--html", type=click.Path(), help="Draw the net to scale, on a page of its own.")
@click.option("--json", "machine", is_flag=True, help="Print the table as JSON.")
def command(
    net: str, picture: str | None, classes: int | None, batch: int, compare: str | None, html: str | None, machine: bool
) -> None:
    """The table of NET, row by row, beside what its paper prints; NET may be a .toml file."""
    from pathlib import Path

    from konvolut.cli.out import as_json, as_table
    from konvolut.language import _, language
    from konvolut.lens.drawn import write_drawing
    from konvolut.lens.ledger import ledger, picture_size
    from konvolut.lens.ledger_told import RIGHT, as_numbers, brief, brief_heads, sentences, side_by_side
    from konvolut.nets.open import table

    shape = picture_size(picture) if picture else None
    nets = [net, compare] if compare else [net]
    held = [ledger(table(name, classes), shape) for name in nets]
    path = write_drawing(held, Path(html), batch) if html is not None else None
    if machine:
        found = [as_numbers(one, batch) for one in held]
        as_json(found if compare else found[0])
        return
    for one in held:
        click.echo(f"{one.net}  {one.source}")
    if compare:
        as_table(side_by_side(*held), RIGHT)
    else:
        as_table(brief(held[0]), RIGHT)
    for one in held:
        if compare:
            click.echo(f"{one.net}:")
        elif one.heads:
            click.echo(_("auxiliary heads, in training only:"))
            as_table(brief_heads(one), RIGHT)
        for sentence in sentences(one, batch):
            click.echo(sentence if isinstance(sentence, str) else sentence[language()])
    if path:
        click.echo(path)
