"""`konvolut weights list|get|save`."""

import click


@click.group(epilog="Example:  konvolut weights list 'resnet*'")
def command() -> None:
    """Weights that others trained, and weights for others."""


@command.command(name="list", epilog="Example:  konvolut weights list resnet-50")
@click.argument("pattern", default="*")
@click.option("--json", "machine", is_flag=True, help="Print the list as JSON, with each file's mean and std.")
@click.pass_context
def list_(context: click.Context, pattern: str, machine: bool) -> None:
    """The published files that fit a net here. `--weights imagenet` or `imagenet-v2` takes one."""
    from dataclasses import asdict
    from fnmatch import fnmatch

    from konvolut.cli.out import as_json, as_table
    from konvolut.language import _
    from konvolut.nets.published import LICENCE, published

    found = [file for file in published() if fnmatch(file.net, pattern) or pattern in file.net]
    if machine:
        as_json([asdict(file) | {"cached": file.cached is not None, "licence": LICENCE} for file in found])
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
                    "cached": _("yes") if file.cached else _("no"),
                    "source": file.address,
                }
                for file in found
            ),
            right=("parameters", "top-1 %", "top-5 %", "resize", "crop", "MiB"),
        )
        click.echo(_(LICENCE), err=True)
    else:
        click.echo(f"no published file fits a net called {pattern!r}", err=True)
        context.exit(1)


@command.command(epilog="Example:  konvolut weights get resnet-18@torchvision")
@click.argument("name")
@click.option("--weights", "kind", default="imagenet", show_default=True, help="imagenet, or imagenet-v2.")
def get(name: str, kind: str) -> None:
    """Download the weights of the net called NAME into the cache, or the file that `weights list` calls NAME."""
    from konvolut.language import _
    from konvolut.nets.published import LICENCE, of_file, of_net

    file = of_file(name) or of_net(name, kind)
    click.echo(file.get())
    click.echo(_(LICENCE), err=True)


@command.command(epilog="Example:  konvolut weights save runs/photos-1 photos.pth --naming torchvision")
@click.argument("what", metavar="RUN|NET")
@click.argument("out", type=click.Path(dir_okay=False))
@click.option("--naming", default="konvolut", show_default=True, help="Whose names: konvolut, torchvision or timm.")
@click.option(
    "--weights",
    type=click.Path(),
    metavar="FILE|imagenet",
    help="Fill NET first, from a file or imagenet; none: from --seed.",
)
@click.option("--classes", type=int, help="Of NET.  [default: as many as its table has]")
@click.option("--seed", type=int, default=0, show_default=True, help="Of NET, where no file fills it.")
def save(what: str, out: str, naming: str, weights: str | None, classes: int | None, seed: int) -> None:
    """Write the weights of a RUN, or of a NET, to OUT (.safetensors, .pt or .pth)."""
    from pathlib import Path

    from konvolut.nets.open import build
    from konvolut.nets.published import KINDS, of_net
    from konvolut.nets.weights import load_weights, save_weights
    from konvolut.training.known import refuse_misspelt
    from konvolut.training.parent import NOTHING
    from konvolut.training.run import open_run

    if Path(what).is_dir():
        if weights or classes:
            raise click.UsageError("--weights and --classes are for a NET; a RUN has its own")
        net = open_run(what).net()
    else:
        if weights:
            refuse_misspelt(weights)
        file = of_net(what, weights) if weights in KINDS else None
        net = build(file.net if file else what, classes, seed=seed)
        if weights and weights != NOTHING:
            click.echo(load_weights(net, file.get() if file else weights))
    click.echo(save_weights(net, out, naming))
