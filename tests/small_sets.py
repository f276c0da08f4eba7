"""Small public sets in their own formats, on a server of this machine."""

import gzip
import struct
from dataclasses import replace
from hashlib import sha256

import numpy as np

from konvolut.fetch import Remote
from konvolut.images.public import SETS

IDX = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)


def packed_idx(values: np.ndarray) -> bytes:
    """LeCun's format: 0, 0, 8 (unsigned bytes), the number of axes, their sizes as big-endian uint32, the values."""
    head = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
    return gzip.compress(head + values.tobytes(), mtime=0)


def quartet(classes: int = 10) -> tuple[dict[str, bytes], np.ndarray, np.ndarray]:
    """Four files, and the pictures and labels to train on that are in them; 3 a class to train on, 1 to test."""
    dice = np.random.default_rng(1)
    pictures = [dice.integers(0, 256, (n * classes, 28, 28), dtype=np.uint8) for n in (3, 1)]
    labels = [np.arange(n * classes, dtype=np.uint8) % classes for n in (3, 1)]
    contents = (pictures[0], labels[0], pictures[1], labels[1])
    return {name: packed_idx(values) for name, values in zip(IDX, contents, strict=True)}, pictures[0], labels[0]


def serve(web, monkeypatch, name: str, files: dict[str, bytes], **how: object) -> None:
    """Put `files` in the place of what is public under `name`."""
    remotes = tuple(
        Remote(f"{name}/{file}", (web.serve(f"/{name}/{file}", body, **how),), sha256(body).hexdigest(), len(body))
        for file, body in files.items()
    )
    monkeypatch.setitem(SETS, name, replace(SETS[name], files=remotes))
