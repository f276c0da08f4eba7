"""`konvolut nets [PATTERN]`."""

import click


@click.command(epilog="Example:  konvolut nets 'resnet*'")
@click.argument("pattern", default="*")
@click.option("--json", "machine", is_flag=True, help="Print the list as JSON.")
@click.pass_context
def command(context: click.Context, pattern: str, machine: bool) -> None:
    """The nets there are, with what their tables come to."""
    from dataclasses import asdict
    from fnmatch import fnmatch

    from konvolut.cli.out import as_json, as_table
    from konvolut.nets.listing import stored

    found = [net for net in stored() if fnmatch(net.name, pattern) or pattern in net.name]
    if machine:
        as_json([asdict(net) for net in found])
    elif found:
        as_table(
            (
                {
                    "net": n.name,
                    "input": n.input,
                    "parameters": f"{n.params:,}",
                    "MACs": f"{n.macs:,}",
                    "source": n.source,
                }
                for n in found
            ),
            right=("parameters", "MACs"),
        )
    else:
        click.echo(f"no net matches {pattern!r}", err=True)
        context.exit(1)
