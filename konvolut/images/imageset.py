"""What a set of pictures is, wherever it came from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Protocol

import numpy as np

from konvolut.types import Labels, Picture

Shrink = Callable[
    [int, int], float
]  # upright (width, height) in px -> by how many times it will be made smaller at least


class Load(Protocol):
    """A name -> its picture. With `shrink`, one that is encoded so may come back as a half, a quarter or an eighth."""

    def __call__(self, name: str, /, shrink: Shrink | None = None, background: int = 255) -> Picture: ...


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Pictures that play one role (train, val or test). Nothing is decoded before `picture` asks for it."""

    names: tuple[str, ...]  # a path below the root, or "train/17" for a set that has no files
    labels: Labels
    hashes: tuple[str, ...]  # SHA-256 of the encoded file, or of the array where there is no file
    load: Load

    def __len__(self) -> int:
        return len(self.names)

    def picture(self, index: int, shrink: Shrink | None = None, background: int = 255) -> Picture:
        """One picture, decoded now; `background` is the grey under what is transparent in it."""
        return self.load(self.names[index], shrink=shrink, background=background)

    def part(self, indices: Sequence[int]) -> "Split":
        """The pictures at `indices`, in that order."""
        return replace(
            self,
            names=tuple(self.names[i] for i in indices),
            labels=self.labels[np.asarray(indices, dtype=np.int64)],
            hashes=tuple(self.hashes[i] for i in indices),
        )

    def counts(self, classes: int) -> list[int]:
        """Pictures of each class."""
        return [int(n) for n in np.bincount(self.labels, minlength=classes)]


@dataclass(frozen=True, slots=True, eq=False)
class ImageSet:
    """Classes and the splits that hold their pictures."""

    name: str  # what to call it in a report
    where: str  # what `open_images` was given: opens the same set again
    classes: tuple[str, ...]
    splits: Mapping[str, Split]
    mirrors: bool = True  # does a picture keep its class when it is mirrored left to right?
    notes: tuple[str, ...] = ()  # what was decided when it was opened, in words for the card
    val: float = (
        0.1  # the share that was asked for validation, and the seed that chose it: they open the same set again
    )
    seed: int = 0
    exclude: str = ""  # the file of names that were left out, where there is one
    fit: str = ""  # how the pictures became squares, where they came as squares

    @property
    def digest(self) -> str:
        """SHA-256 over classes, roles, labels and contents; the order of files on disk does not matter."""
        total = sha256("\n".join(self.classes).encode(errors="surrogateescape"))
        for role in sorted(self.splits):
            split = self.splits[role]
            lines = sorted(f"{role} {label} {h}" for label, h in zip(split.labels.tolist(), split.hashes, strict=True))
            total.update("\n".join(lines).encode())
        return total.hexdigest()
