"""A folder of class folders, with or without folders for the splits, to a list of picture files."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal
from unicodedata import normalize

from konvolut.errors import DataError
from konvolut.images.files import Entry

ROLES = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_SYSTEM = {"__macosx", "thumbs.db", "desktop.ini"}  # left behind by archives and file managers
_DOCUMENTS = {".txt", ".csv", ".tsv", ".json", ".md", ".xml", ".yaml", ".yml", ".ini", ".db", ".log"}
_WORKS = "put the pictures of each class in a folder of its own"

Kind = Literal["picture", "aside", "no file"]  # aside: a document, a link to a folder; no file: a pipe, a socket


def tree(root: Path) -> tuple[list[Entry], tuple[str, ...]]:
    """The pictures of `root/CLASS/*` or `root/{train,val|validation|test}/CLASS/*`, and notes on what was passed over.

    Whatever lies below a class folder belongs to it. A file link is followed; so is a link that stands for a class,
    but no link to a folder below one, so nothing is walked twice. Classes are matched by name, composed by Unicode NFC
    because some systems store accents apart. What lies among the pictures of a class and is no file, or a link to none,
    is listed with them: whoever reads it is told, and a list may leave it out. Raises DataError for a folder that has
    neither form, or an empty class.
    """
    folders, loose = _visible(root)
    passed = [path for path in loose if folders]
    entries: list[Entry] = []
    parts = _parts(root, folders)
    for role, place in parts.items():
        classes, loose = (folders, []) if place == root else _visible(place)
        classes = [folder for folder in classes if not _above(folder, place)]
        passed += loose
        if not classes:
            raise DataError(f"{place}: no class folders; {_WORKS}" + ("" if role == "train" else ", or move it away"))
        for folder in classes:
            below = list(_below(folder))
            pictures = [path for path, kind in below if kind != "aside"]
            passed += [path for path, kind in below if kind == "aside"]
            if not pictures and role == "train":
                raise DataError(f"{folder}: a class folder with no picture; add some, or remove the folder")
            label = normalize("NFC", folder.name)
            entries += [Entry(path.relative_to(root).as_posix(), label, role) for path in pictures]
    if root not in parts.values():
        passed += [folder for folder in folders if folder.name.casefold() not in ROLES]
    first = sorted(path.relative_to(root).as_posix() for path in passed)[:1]
    return entries, tuple(f"passed over, as no pictures of a class: {len(passed)}, the first {name}" for name in first)


def pictures(folder: Path) -> tuple[list[Path], list[Path]]:
    """What may be a picture below `folder`, at any depth, and what was passed over: documents, pipes, links to folders.

    As in `tree`, hidden files are neither, and a link to nothing is a picture that cannot be read. Raises DataError for
    a folder that may not be listed.
    """
    found = sorted(_below(folder))
    return [path for path, kind in found if kind == "picture"], [path for path, kind in found if kind != "picture"]


def _parts(root: Path, folders: list[Path]) -> dict[str, Path]:
    """Role -> the folder that holds its classes; the root itself is `train` where there are no splits."""
    if not folders:
        raise DataError(f"{root}: no class folders; {_WORKS}")
    parts: dict[str, Path] = {}
    for folder in folders:
        role = ROLES.get(folder.name.casefold())
        if role in parts:
            raise DataError(f"{root}: {parts[role].name} and {folder.name} both mean {role}; merge them")
        if role:
            parts[role] = folder
    only = len(parts) == len(folders)
    if only and "train" not in parts:
        raise DataError(f"{root}: {folders[0].name} without train; add a folder named train, with one folder a class")
    # "train" may be a class of railways: among other classes it is a split only when it holds folders and no files.
    if only or ("train" in parts and _holds_folders_only(parts["train"])):
        return parts
    return {"train": root}


def _holds_folders_only(folder: Path) -> bool:
    folders, loose = _visible(folder)
    return bool(folders) and all(map(_aside, loose))


def _visible(folder: Path) -> tuple[list[Path], list[Path]]:
    """The folders and whatever else lies directly in `folder`, by name, without hidden ones."""
    folders: list[Path] = []
    loose: list[Path] = []
    for entry in _entries(folder):
        (folders if _is(entry.is_dir) else loose).append(Path(entry.path))
    return folders, loose


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted((entry for entry in found if not hidden(entry.name)), key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed ({error.strerror}); give a folder you may open") from None


def _is(kind: Callable[[], bool]) -> bool:
    """`kind()`; a link that goes round in circles is nothing."""
    try:
        return kind()
    except OSError:
        return False


def _below(folder: Path) -> Iterator[tuple[Path, Kind]]:
    """Whatever lies below `folder` and is no folder; a link to one is not entered."""
    waiting = [folder]
    while waiting:
        for entry in _entries(waiting.pop()):
            path = Path(entry.path)
            if _is(entry.is_dir):
                if entry.is_symlink():
                    yield path, "aside"
                else:
                    waiting.append(path)
            elif _aside(path):
                yield path, "aside"
            elif entry.is_symlink() or _is(entry.is_file):
                yield path, "picture"
            else:
                yield path, "no file"


def hidden(name: str) -> bool:
    return name.startswith(".") or name.casefold() in _SYSTEM


def _aside(path: Path) -> bool:
    """Is this a document beside the pictures?"""
    return path.suffix.casefold() in _DOCUMENTS


def _above(folder: Path, place: Path) -> bool:
    """Is this a link back to `place`, where it lies, or to a folder above?"""
    return folder.is_symlink() and place.resolve().is_relative_to(folder.resolve())
