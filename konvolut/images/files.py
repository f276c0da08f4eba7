"""Picture files with a label each: from a list of paths to splits whose pictures stay on disk until asked for."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from shlex import quote
from stat import S_ISLNK, S_ISREG

import numpy as np

from konvolut.errors import DataError
from konvolut.images.decode import contents, decode, measure
from konvolut.images.division import Given
from konvolut.images.imageset import Shrink, Split
from konvolut.types import Picture

READERS = 8  # threads that read and hash; hashing and reading leave Python's lock alone


@dataclass(frozen=True, slots=True)
class Entry:
    """One picture file of a set."""

    name: str  # POSIX path below the root
    label: str  # its class
    role: str = "train"


@dataclass(frozen=True, slots=True, eq=False)
class Listing:
    """What a source lists, before a single picture is read."""

    entries: tuple[Entry, ...]
    contents: Callable[[str], bytes]  # a name -> the encoded picture; DataError when it cannot be read
    called: Callable[[str], str]  # a name -> what messages call it: a path the user can open
    notes: tuple[str, ...] = ()
    hashes: Mapping[str, str] = field(default_factory=dict)  # SHA-256 of the contents, where the source has them stored


def below(root: Path, entries: tuple[Entry, ...], notes: tuple[str, ...] = ()) -> Listing:
    """Files that lie below `root`."""
    return Listing(entries, lambda name: encoded(root / name), lambda name: str(root / name), notes)


def encoded(path: Path) -> bytes:
    """The bytes of a file that lies in a folder of pictures. Raises DataError where they cannot be had."""
    try:
        return contents(path)
    except DataError:
        if why := _misplaced(path):
            raise DataError(f"{path}: {why}") from None
        raise


def _misplaced(path: Path) -> str:
    """What to do with what lies at `path` and is no file; nothing where it is one, or nobody may know."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return ""
    if S_ISLNK(mode):
        return "" if path.exists() and path.is_file() else "a link that leads to no file; mend it, or remove it"
    return "" if S_ISREG(mode) else "neither a file nor a folder; move it away"


def given(listing: Listing, where: str) -> Given:
    """Read every file once, for its hash and its header. Classes are those of `train`, sorted by name.

    Raises DataError for a file that does not begin as an image, and for a class that `train` lacks. What is said of a
    picture that cannot be read ends with the command that finds every such.
    """
    ordered = sorted(listing.entries, key=lambda entry: (entry.label, entry.name))
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
    names = [entry.name for entry in ordered]
    if listing.hashes.keys() >= set(names):  # a pack: a million names need no threads to be looked up
        hashes = [listing.hashes[name] for name in names]
    else:
        with ThreadPoolExecutor(READERS) as readers, _way_out(where):
            hashes = list(readers.map(partial(fingerprint, listing), names))
    found: dict[str, list[int]] = {}
    for place, entry in enumerate(ordered):
        found.setdefault(entry.role, []).append(place)
    splits = {
        role: Split(
            names=tuple(ordered[i].name for i in places),
            labels=np.array([number[ordered[i].label] for i in places], dtype=np.int64),
            hashes=tuple(hashes[i] for i in places),
            load=partial(_load, listing, where),
        )
        for role, places in found.items()
    }
    return Given(classes, splits, listing.notes)


def fingerprint(listing: Listing, name: str) -> str:
    """SHA-256 of a picture's contents, whose header is looked at. Raises DataError when they do not begin as an image."""
    if name in listing.hashes:
        return listing.hashes[name]
    data = listing.contents(name)
    measure(data, listing.called(name))
    return sha256(data).hexdigest()


def _load(listing: Listing, where: str, name: str, shrink: Shrink | None = None, background: int = 255) -> Picture:
    with _way_out(where):
        return load(listing, name, shrink, background)


def load(listing: Listing, name: str, shrink: Shrink | None = None, background: int = 255) -> Picture:
    """One picture, decoded. Raises DataError when it cannot be."""
    return decode(listing.contents(name), listing.called(name), shrink=shrink, background=background)


@contextmanager
def _way_out(where: str) -> Iterator[None]:
    """Whoever meets one bad picture among many wants to know of the others before the next start."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{error}; `konvolut check {quote(where)}` finds every such picture") from None
