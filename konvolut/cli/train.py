"""`konvolut train DATA`."""

from pathlib import Path
from typing import Any

import click


@click.command(epilog="Example:  konvolut train photos/ --minutes 10")
@click.argument("data", required=False)
@click.option("--net", help="A name from `konvolut nets`, or a TOML file of rows; left out, one is chosen.")
@click.option("--weights", metavar="FILE|RUN|imagenet|imagenet-v2|none", help="Start from these, the classifier first.")
@click.option(
    "--recipe", metavar="FILE|fast|d2l|paper", help="A TOML file of fields; d2l: a book's; paper: as its paper prints."
)
@click.option("--epochs", type=int, help="Times every picture is seen.")
@click.option("--minutes", type=float, help="Plan epochs, and if need be a smaller size, for this time.")
@click.option("--batch", type=int, help="Pictures a step.")
@click.option("--lr", type=float, help="Peak learning rate.")
@click.option("--size", type=int, help="px; the net's table is then taken as it is.")
@click.option("--seed", type=int, help="Same seed, same run.  [default: 0]")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda or mps.")
@click.option("--out", type=click.Path(path_type=Path), help="Run folder; left out, the next runs/NAME-N.")
@click.option("--resume", type=click.Path(path_type=Path), metavar="RUN", help="Go on with a stopped run.")
@click.option(
    "--checkpoint-minutes",
    type=click.FloatRange(0, min_open=True),
    default=5.0,
    show_default=True,
    help="Time between two checkpoints in an epoch; there is one at the end of each, too.",
)
@click.option("--checkpoint-steps", type=click.IntRange(0), default=0, help="The same in steps.  [default: none]")
@click.option("--set", "pairs", multiple=True, metavar="FIELD=VALUE", help="Any recipe field; may be repeated.")
@click.option("--json", "machine", is_flag=True, help="Print the result as JSON.")
def command(data: str | None, resume: Path | None, machine: bool, **wishes: Any) -> None:
    """Train a net on DATA: a folder of pictures, a CSV, a pack, an .npz, IDX files, or digits, drawn, mnist, cifar10 ..."""
    from konvolut.cli.course import follow, prepare
    from konvolut.training.world import World

    if data is None and resume is None:
        raise click.UsageError("give DATA, or --resume RUN")
    with World.here(wishes.pop("device")) as world:
        follow(prepare(data, resume, wishes, world), machine)
