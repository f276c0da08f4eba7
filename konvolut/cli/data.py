"""`konvolut data list|get|where`."""

import click


@click.group(epilog="Example:  konvolut data get cifar10")
def command() -> None:
    """Public sets of pictures: DATA that has a name, and is downloaded once."""


@command.command(name="list", epilog="Example:  konvolut data list")
@click.option("--json", "machine", is_flag=True, help="Print the list as JSON, with addresses and SHA-256.")
def list_(machine: bool) -> None:
    """The public sets, what they hold, and whether they are in the cache."""
    from konvolut.cli.out import as_json, as_table
    from konvolut.images.public import SETS, held
    from konvolut.language import _

    if machine:
        as_json(
            [
                {
                    "set": name,
                    "holds": one.holds,
                    "cached": held(name),
                    "licence": one.licence,
                    "source": one.home,
                    "files": [
                        {"file": str(file.path), "urls": file.urls, "bytes": file.size, "sha256": file.sha256}
                        for file in one.files
                    ],
                }
                for name, one in SETS.items()
            ]
        )
        return
    as_table(
        (
            {
                "set": name,
                "holds": _(one.holds),
                "download": one.download,
                "cached": _("yes") if held(name) else _("no"),
                "licence": _(one.licence),
                "source": one.home,
            }
            for name, one in SETS.items()
        ),
        right=("download",),
    )


@command.command(epilog="Example:  konvolut data get mnist cifar10")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def get(names: tuple[str, ...]) -> None:
    """Download sets into the cache, so that they are there without a network."""
    from konvolut.images import public

    for name in names:
        public.public(name)  # a misspelt one is said before anything is downloaded
    for name in names:
        for path in public.get(name):
            click.echo(path)


@command.command(epilog="Example:  konvolut data where cifar10")
@click.argument("name", required=False)
def where(name: str | None) -> None:
    """The folder that downloads are kept in; with NAME, the files of that set. KONVOLUT_CACHE names another folder."""
    from konvolut.images import public

    for path in [public.where()] if name is None else [file.path for file in public.public(name).files]:
        click.echo(path)
