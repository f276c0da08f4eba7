"""`konvolut weights list|save`."""

import click


@click.group(epilog="Example:  konvolut weights list 'resnet*'")
def command() -> None:
    """Weights that others trained, and weights for others."""


@command.command(name="list", epilog="Example:  konvolut weights list resnet-50")
@click.argument("pattern", default="*")
@click.option("--json", "machine", is_flag=True, help="Print the list as JSON, with each file's mean and std.")
@click.pass_context
def list_(context: click.Context, pattern: str, machine: bool) -> None:
    """The published files that fit a net here. Download one, then give it to --weights."""
    from dataclasses import asdict
    from fnmatch import fnmatch

    from konvolut.cli.out import as_json, as_table
    from konvolut.nets.published import published

    found = [file for file in published() if fnmatch(file.net, pattern) or pattern in file.net]
    if machine:
        as_json([asdict(file) for file in found])
    elif found:
        as_table(
            (
                {
                    "net": file.net,
                    "weights": file.weights,
                    "parameters": f"{file.params:,}",
                    "top-1 %": "-" if file.top1 is None else f"{file.top1:.2f}",
                    "top-5 %": "-" if file.top5 is None else f"{file.top5:.2f}",
                    "resize": file.resize,
                    "crop": file.crop,
                    "MiB": f"{file.mib:.0f}",
                    "source": file.address,
                }
                for file in found
            ),
            right=("parameters", "top-1 %", "top-5 %", "resize", "crop", "MiB"),
        )
    else:
        click.echo(f"no published file fits a net called {pattern!r}", err=True)
        context.exit(1)


@command.command(epilog="Example:  konvolut weights save runs/photos-1 photos.pth --naming torchvision")
@click.argument("what", metavar="RUN|NET")
@click.argument("out", type=click.Path(dir_okay=False))
@click.option("--naming", default="konvolut", show_default=True, help="Whose names: konvolut, torchvision or timm.")
@click.option("--weights", type=click.Path(), help="Fill NET from this file first: that renames a file.")
@click.option("--classes", type=int, help="Of NET.  [default: as many as its table has]")
@click.option("--seed", type=int, default=0, show_default=True, help="Of NET, where no file fills it.")
def save(what: str, out: str, naming: str, weights: str | None, classes: int | None, seed: int) -> None:
    """Write the weights of a RUN, or of a NET, to OUT (.safetensors, .pt or .pth)."""
    from pathlib import Path

    from konvolut.nets.open import build
    from konvolut.nets.weights import load_weights, save_weights
    from konvolut.training.run import open_run

    if Path(what).is_dir():
        if weights or classes:
            raise click.UsageError("--weights and --classes are for a NET; a RUN has its own")
        net = open_run(what).net()
    else:
        net = build(what, classes, seed=seed)
        if weights:
            click.echo(load_weights(net, weights))
    click.echo(save_weights(net, out, naming))
