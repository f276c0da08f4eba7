"""`konvolut pack DATA OUT`."""

import sys
from shlex import quote
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from konvolut.images.packing import Packed
    from konvolut.images.shards import Decoded


@click.command(epilog="Example:  konvolut pack photos/ photos-packed && konvolut train photos-packed")
@click.argument("data")
@click.argument("out")
@click.option("--size", type=click.IntRange(1, 4096), metavar="PX", help="Decode each to a square of this side.")
@click.option("--fit", type=click.Choice(["crop", "pad", "stretch"]), help="How it becomes a square.  [default: pad]")
@click.option(
    "--shard-size", type=click.FloatRange(0, 1e6), default=100.0, show_default=True, metavar="MB", help="Of each file."
)
@click.option(
    "--exclude", type=click.Path(), metavar="FILE", help="Names to leave out; `check --quarantine` lists them."
)
@click.option("--json", "machine", is_flag=True, help="Print what was written as JSON.")
def command(
    data: str, out: str, size: int | None, fit: str | None, shard_size: float, exclude: str | None, machine: bool
) -> None:
    """Lay the pictures of DATA into a few large files in the folder OUT, which every command takes as DATA.

    The pictures stay as they are, byte for byte, or become arrays with --size. When it was interrupted, the same
    command goes on where it stood.
    """
    from konvolut.images.shards import Decoded

    if fit and size is None:
        raise click.UsageError("--fit says how a picture becomes a square; give --size too")
    decoded = None if size is None else Decoded(size, fit or "pad")
    packed = packing(data, out, decoded, round(shard_size * 1e6), exclude)
    for note in packed.notes:
        click.echo(note, err=True)
    if machine:
        as_numbers(packed)
    else:
        summary(packed, out)


def packing(data: str, out: str, decoded: "Decoded | None", shard_size: int, exclude: str | None) -> "Packed":
    """The work, with a bar on stderr where stderr is a terminal."""
    from konvolut.cli.progress import counting
    from konvolut.images.packing import pack
    from konvolut.language import _

    words = {"reading": _("reading the pictures"), "packing": _("packing them")}
    try:
        with counting() as bar:
            tasks = {what: bar.add_task(word, total=None) for what, word in words.items()}
            return pack(
                data, out, decoded, shard_size, exclude,
                lambda what, done, of: bar.update(tasks[what], completed=done, total=of),
            )  # fmt: skip
    except KeyboardInterrupt:
        click.echo(_("stopped; the same command goes on from here"), err=True)
        sys.exit(130)


def summary(packed: "Packed", out: str) -> None:
    """How much lies where, and what a user would type next."""
    from konvolut.language import _

    counts = ", ".join(f"{role} {count}" for role, count in packed.pictures.items())
    click.echo(_("{name}: {k} classes; pictures: {counts}").format(name=out, k=packed.classes, counts=counts))
    if packed.decoded is not None:
        click.echo(_("decoded to {size} x {size} px, {fit}").format(size=packed.decoded.size, fit=packed.decoded.fit))
    click.echo(_("shards: {n}, {mb} MB").format(n=packed.shards, mb=f"{packed.bytes / 1e6:,.1f}"))
    if packed.kept:
        click.echo(_("of them, were there already: {n}").format(n=packed.kept))
    click.echo(_("next:"))
    click.echo(f"  konvolut train {quote(out)}")


def as_numbers(packed: "Packed") -> None:
    from konvolut.cli.out import as_json

    how = packed.decoded
    as_json(
        {
            "path": str(packed.path),
            "classes": packed.classes,
            "pictures": dict(packed.pictures),
            "shards": packed.shards,
            "bytes": packed.bytes,
            "kept": packed.kept,
            "decoded": how and {"size": how.size, "fit": how.fit},
        }
    )
