"""States of a training on disk: whatever ends a process or a machine, the last good one is there and known to be good.

A state is written beside those before it and brought to the disk; then it is renamed to its number of steps and its own
SHA-256, and the folder is brought to the disk; only then do older ones go. So the name is the manifest: what does not
hash to it is passed over for the one before.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from pickle import UnpicklingError
from shutil import rmtree
from typing import Any

import torch

from konvolut.errors import RunError

KEPT = 2  # states


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """The folder that holds them."""

    folder: Path

    def save(self, state: dict[str, Any], step: int) -> None:
        """Keep the state after `step` steps. Raises RunError when the disk will not take it; the one before it stays."""
        part = self.folder / "state.part"
        try:
            self.folder.mkdir(exist_ok=True)
            torch.save(state, part)
            synced(part)
            os.replace(part, self.folder / f"{step:09}.{sha256(part)}.pt")
            synced(self.folder)
            for old in self.files()[KEPT:]:
                old.unlink()
        except (OSError, RuntimeError) as error:  # torch's writer makes the system's errors its own
            part.unlink(missing_ok=True)
            raise RunError(
                f"{self.folder}: step {step} cannot be kept ({reason(error)}); what was kept before it is whole: "
                f"make room, and konvolut train --resume {self.folder.parent}"
            ) from None

    def newest(self) -> tuple[dict[str, Any] | None, tuple[str, ...]]:
        """The last state that is what was written, None where none was, and what was passed over, in words.

        Raises RunError when there are states and none of them is sound.
        """
        notes: list[str] = []
        for file in self.files():
            step, written, _ = file.name.split(".")
            try:
                if sha256(file) == written:
                    return torch.load(file, weights_only=True), tuple(notes)
                wrong = "is damaged"
            except (OSError, RuntimeError, UnpicklingError) as error:
                wrong = f"cannot be read ({reason(error)})"
            notes.append(f"the checkpoint of step {int(step)} {wrong}: the one before it is taken")
        if notes:
            raise RunError(f"{self.folder}: damaged, every checkpoint of it; restore one, or train again")
        return None, ()

    def files(self) -> list[Path]:
        """The newest first."""
        return sorted(self.folder.glob("?????????.*.pt"), reverse=True)

    def clear(self) -> None:
        """Take all of them away: the training is over."""
        rmtree(self.folder, ignore_errors=True)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file to write, which then takes the place of `path`: whole or not at all, even when the machine stops."""
    part = path.with_name(f"{path.name}.part")
    try:
        yield part
        synced(part)
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    synced(path.parent)


def synced(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk."""
    if os.name == "nt" and path.is_dir():  # Windows opens no folders, and keeps their names itself
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256(file: Path) -> str:
    with file.open("rb") as held:
        return file_digest(held, "sha256").hexdigest()


def reason(error: Exception) -> str:
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(said).splitlines()[0]
