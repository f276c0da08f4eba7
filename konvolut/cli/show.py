"""`konvolut show NET`."""

import click


@click.command(epilog="Example:  konvolut show googlenet")
@click.argument("net")
@click.option("--json", "machine", is_flag=True, help="Print the table as JSON.")
def command(net: str, machine: bool) -> None:
    """The table of NET, row by row, beside what its paper prints."""
    from konvolut.cli.out import as_json, as_table
    from konvolut.lens.ledger import as_rows, ledger
    from konvolut.nets.catalogue import named

    arch = named(net)
    rows = as_rows(ledger(arch))
    if machine:
        as_json({"net": arch.name, "source": arch.source, "differs": arch.differs, "rows": rows})
        return
    click.echo(f"{arch.name}  {arch.source}")
    as_table(rows, right=("params", "params share", "MACs", "MACs share"))
    for departure in arch.differs:
        click.echo(f"differs: {departure}")
