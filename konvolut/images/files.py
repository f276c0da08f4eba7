"""Picture files with a label each: from a list of paths to splits whose pictures stay on disk until asked for."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np

from konvolut.errors import DataError
from konvolut.images.decode import contents, measure, read
from konvolut.images.division import Given
from konvolut.images.imageset import Split
from konvolut.types import Picture

READERS = 8  # threads that read and hash; hashing and reading leave Python's lock alone


@dataclass(frozen=True, slots=True)
class Entry:
    """One picture file of a set."""

    name: str  # POSIX path below the root
    label: str  # its class
    role: str = "train"


def given(root: Path, entries: Iterable[Entry], where: str, notes: tuple[str, ...] = ()) -> Given:
    """Read every file once, for its hash and its header. Classes are those of `train`, sorted by name.

    Raises DataError for a file that does not begin as an image, and for a class that `train` lacks.
    """
    ordered = sorted(entries, key=lambda entry: (entry.label, entry.name))
    classes = tuple(sorted({entry.label for entry in ordered if entry.role == "train"}))
    if len(classes) < 2:
        held = f"one class only ({classes[0]!r})" if classes else "no picture to train on"
        raise DataError(f"{where}: {held}; give pictures of at least two classes")
    number = {name: i for i, name in enumerate(classes)}
    for entry in ordered:
        if entry.label not in number:
            raise DataError(
                f"{where}: class {entry.label!r} is in {entry.role} but not in train; add it there, or remove"
                f" {entry.name} and its like"
            )
    with ThreadPoolExecutor(READERS) as readers:
        hashes = list(readers.map(partial(_fingerprint, root), [entry.name for entry in ordered]))
    found: dict[str, list[int]] = {}
    for place, entry in enumerate(ordered):
        found.setdefault(entry.role, []).append(place)
    splits = {
        role: Split(
            names=tuple(ordered[i].name for i in places),
            labels=np.array([number[ordered[i].label] for i in places], dtype=np.int64),
            hashes=tuple(hashes[i] for i in places),
            load=partial(_load, root),
        )
        for role, places in found.items()
    }
    return Given(classes, splits, notes)


def _fingerprint(root: Path, name: str) -> str:
    data = contents(root / name)
    measure(data, str(root / name))
    return sha256(data).hexdigest()


def _load(root: Path, name: str) -> Picture:
    return read(root / name)
