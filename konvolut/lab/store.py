"""Measurements on disk, each made once: the same table, recipe, pictures, seed and code give the same numbers."""

import json
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from konvolut.training.run import write

FOLDER = Path("runs") / "lab"
DECIDES = (  # the rooms and files whose code has a say in what a measurement comes to, beside the study's own
    "blocks", "classic/features.py", "classic/geometry.py", "classic/kernels.py", "classic/machines.py", "classic/words.py",
    "images/augment.py", "images/batches.py", "images/dice.py", "images/drawn.py", "images/moves.py", "images/preprocess.py",
    "lab/gauges.py", "lab/material.py", "lens/gradients.py", "nets/alexnet.py", "nets/arch.py", "nets/columns.py",
    "nets/fit.py", "nets/googlenet.py", "nets/lenet.py", "nets/nin.py", "nets/preact.py", "nets/resnet.py",
    "nets/variants.py", "nets/vgg.py", "training/evaluate.py", "training/loop.py", "training/loss.py",
    "training/metrics.py", "training/optim.py", "training/recipe.py", "training/schedule.py",
)  # fmt: skip


@cache
def code() -> str:
    """SHA-256 of the code that decides measurements, and of torch's version."""
    house = Path(str(files("konvolut")))
    found = [path for name in DECIDES for path in (sorted((house / name).glob("*.py")) or [house / name])]
    return sha256(b"".join([*(path.read_bytes() for path in found), version("torch").encode()])).hexdigest()


def key(**parts: Any) -> str:
    """A name for what these parts, and the code, come to."""
    return sha256(json.dumps({**parts, "code": code()}, sort_keys=True, default=str).encode()).hexdigest()[:32]


def place(name: str) -> Path:
    """Where what is called `name` lies, for any process, wherever that may run."""
    return (FOLDER / "measurements" / f"{name}.json").resolve()


def kept(path: Path) -> dict[str, Any] | None:
    """What was measured, if it has been; a file that a crash cut short does not count."""
    try:
        held: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return held


def keep(path: Path, values: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, json.dumps(dict(values)).encode())
