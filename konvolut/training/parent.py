"""The weights a training starts from: somebody's file, or a run of one's own."""

from pathlib import Path

from torch import nn

from konvolut.errors import RunError, WeightsError
from konvolut.nets.arch import Arch, Network
from konvolut.nets.published import KINDS, of_net
from konvolut.nets.weights import load_weights
from konvolut.training.checkpoint import sha256
from konvolut.training.planned import Parent
from konvolut.training.run import Run, open_run

NOTHING = "none"  # what --weights calls a start from scratch
LARGE = 64  # px: pictures of this side or more are worth weights that were trained on ImageNet

Net = str | Path | Arch | nn.Module
Weights = str | Path | None


def starting(net: Net | None, weights: Weights, side: int, default: str) -> tuple[Net | None, Weights, list[str]]:
    """The net and the file of weights that are meant, and in words why.

    `weights` may be imagenet or imagenet-v2: the published file for `net`, or for `default` where none is named, which
    is downloaded where the cache lacks it; the net is then torchvision's edition. It may be none, and that is nothing.
    Where both are left open, pictures whose `side` is 64 px or more start from the file for `default`, if the cache
    holds it. Anything else is left as it is. Raises WeightsError when nothing is published for the net, or cannot be had.
    """
    if weights == NOTHING:
        return net, None, []
    if isinstance(weights, str) and weights in KINDS:
        if isinstance(net, Arch | nn.Module | Path) or str(net).casefold().endswith(".toml"):
            raise WeightsError(
                f"weights {weights!r}: they go by the name of a net, and this is a table or a module of your own;"
                " `konvolut weights list` has the names"
            )
        file = of_net(net or default, weights)
        why = f"net {file.net}: the edition that the published weights fit"
        return file.net, file.get(), [] if net == file.net else [why]
    if net is not None or weights is not None or side < LARGE:
        return net, weights, []
    file = of_net(default)
    if (held := file.cached) is None:
        return (
            net,
            None,
            [f"from scratch: `konvolut weights get {file.net}` would fetch weights to start from ({file.mib:.0f} MiB)"],
        )
    return (
        file.net,
        held,
        [
            f"net {file.net}: the cache holds its published weights, trained on ImageNet; --weights none starts from scratch"
        ],
    )


def open_parent(where: str | Path) -> tuple[Parent, Run | None]:
    """A file of weights, or a run folder and its run. Raises RunError when there is neither."""
    path = Path(where)
    run = open_run(path) if path.is_dir() else None
    return Parent(str(where), sha256(file_of(path))), run


def file_of(where: str | Path) -> Path:
    """The file with the weights. Raises RunError when it is missing."""
    path = Path(where)
    file = path / "weights.safetensors" if path.is_dir() else path
    if not file.is_file():
        raise RunError(
            f"{where}: no weights there; a .safetensors, .pt or .pth file or a finished run folder would work"
        )
    return file


def load_parent(net: nn.Module, parent: Parent) -> tuple[str, ...]:
    """Put a parent's weights into `net`, and say in words what was done.

    Raises RunError when the file is not the one it was, and ArchError when its weights do not fit.
    """
    file = file_of(parent.where)
    if not isinstance(net, Network):
        raise RunError(f"{parent.where}: weights go by name into the net of a table; load them into a module yourself")
    if sha256(file) != parent.sha256:
        raise RunError(f"{file}: its content has changed since this run was begun; restore it, or start a new run")
    return (f"weights of {parent.where}", *load_weights(net, file).notes)
