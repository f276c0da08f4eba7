"""The weights a training starts from: somebody's file, or a run of one's own."""

from hashlib import file_digest
from pathlib import Path

from torch import nn

from konvolut.errors import RunError
from konvolut.nets.arch import Network
from konvolut.nets.weights import load_weights
from konvolut.training.planned import Parent
from konvolut.training.run import Run, open_run


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


def sha256(file: Path) -> str:
    with file.open("rb") as bytes_:
        return file_digest(bytes_, "sha256").hexdigest()
