"""Packs: a set of picture files laid into a few tar files with an index, as they are or decoded to one size. No torch.

A pack is a folder that holds ROLE-000000.tar, ROLE-000001.tar, ... and index.json. The tars have the layout of the
WebDataset library: members that share a key belong together, here KEY.jpg (or what else the content is; KEY.npy where
it is decoded), KEY.cls with the number of the class, and KEY.json with its name. Nothing is compressed, so a picture is
a slice of a file: the index says which, and no tar is ever unpacked.
"""

import json
import mmap
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from stat import S_ISREG
from typing import Any

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from konvolut.errors import DataError, RecipeError
from konvolut.images import files
from konvolut.images.dice import Stream, dice
from konvolut.images.division import Given
from konvolut.images.imageset import Load, Shrink, Split
from konvolut.images.preprocess import FITS
from konvolut.types import Labels, Picture

INDEX = "index.json"
ROLES = ("train", "val", "test")
OPEN = 128  # shards held open at once; many systems allow a process 256 files
LARGEST = 2 << 30  # bytes of an index that is read: 1.3 million pictures take 0.2 GB

_BEGINNING, _VERSION = b'{\n"format": "konvolut pack ', "konvolut pack 1"
SHARD = re.compile(rf"({'|'.join(ROLES)})-\d{{6,}}\.tar")
_HASH = re.compile("[0-9a-f]{64}")
_AGAIN = "copy the pack again, or pack the data again"


@dataclass(frozen=True, slots=True)
class Shard:
    """One tar file of a pack."""

    name: str  # ROLE-000000.tar
    bytes: int
    sha256: str  # of the whole file
    pictures: int

    @property
    def role(self) -> str:
        return self.name.partition("-")[0]


@dataclass(frozen=True, slots=True)
class Decoded:
    """How the pictures of a pack became arrays."""

    size: int  # px, the side of the square
    fit: str  # crop, pad or stretch, as in InputSpec


@dataclass(frozen=True, slots=True, eq=False)
class Index:
    """What a pack holds. The columns have one value a picture, in the order in which they lie in the shards."""

    classes: tuple[str, ...]
    shards: tuple[Shard, ...]
    names: tuple[str, ...]  # below the root of the set that was packed
    labels: Labels
    hashes: tuple[str, ...]  # SHA-256 of the encoded file
    offsets: Int64[ndarray, "n"]  # bytes from the beginning of the shard
    lengths: Int64[ndarray, "n"]  # bytes
    shard_size: int  # bytes that were asked for
    decoded: Decoded | None = None
    arrays: tuple[str, ...] = ()  # where decoded: SHA-256 of the .npy

    @property
    def starts(self) -> Int64[ndarray, "shards"]:
        """The place in the columns of each shard's first picture, and one past the last."""
        return np.cumsum([0, *(shard.pictures for shard in self.shards)], dtype=np.int64)


def as_text(index: Index) -> str:
    """The index as JSON, one key a line. A name whose bytes are not UTF-8 keeps them as lone surrogates (PEP 383)."""
    how = index.decoded
    held: dict[str, Any] = {
        "format": _VERSION,
        "decoded": how and {"size": how.size, "fit": how.fit},
        "shard_size": index.shard_size,
        "classes": index.classes,
        "shards": [
            {"name": s.name, "bytes": s.bytes, "sha256": s.sha256, "pictures": s.pictures} for s in index.shards
        ],
        "labels": index.labels.tolist(),
        "offsets": index.offsets.tolist(),
        "lengths": index.lengths.tolist(),
        "hashes": index.hashes,
        "arrays": index.arrays,
        "names": index.names,
    }
    return "{\n" + ",\n".join(f'"{key}": {json.dumps(value)}' for key, value in held.items()) + "\n}\n"


def holds_pack(folder: Path) -> bool:
    """Is there an index of ours, of whatever version, in `folder`?"""
    path = folder / INDEX
    try:
        if not S_ISREG(path.stat().st_mode):
            return False
        with path.open("rb") as file:
            return file.read(len(_BEGINNING)) == _BEGINNING
    except OSError:
        return False


def read_index(folder: Path) -> Index:
    """The index of a pack, held against its shards' sizes. Raises DataError, naming the file, where anything is amiss."""
    path = folder / INDEX
    try:
        if path.stat().st_size > LARGEST:
            raise DataError(f"{path}: an index of more than {LARGEST >> 30} GiB; {_AGAIN}")
        held = json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); give a pack you may open") from None
    except (ValueError, RecursionError, MemoryError):
        raise DataError(f"{path}: cut short or damaged; {_AGAIN}") from None
    if not isinstance(held, dict) or held.get("format") != _VERSION:
        raise DataError(f"{path}: not of the format {_VERSION!r}, which is read here; pack the data again")
    try:
        index = _index(held)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DataError(f"{path}: {_line(error)}; {_AGAIN}") from None
    for shard in index.shards:
        _size_fits(folder / shard.name, shard.bytes)
    return index


class Pack:
    """A pack that was opened: its index, and its pictures on demand. Threads may share it.

    A picture's bytes are held against the index the first time they are read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.index = folder, read_index(folder)
        self._places = {name: place for place, name in enumerate(self.index.names)}
        self._starts = self.index.starts
        self._seen = bytearray(len(self.index.names))  # 1: has been held against its hash
        self._files: Callable[[int], _File] = lru_cache(OPEN)(self._file)
        self._maps: Callable[[int], mmap.mmap] = lru_cache(OPEN)(self._map)

    def listing(self) -> files.Listing:
        """The picture files it was made of. Nothing but the index has been read."""
        assert self.index.decoded is None
        return self._listing()

    def given(self) -> Given:
        """The arrays of a pack that is decoded; `hashes` are still those of the files, which is what divides a set."""
        assert self.index.decoded is not None
        found = files.given(self._listing(), str(self.folder))
        splits = {role: replace(split, load=self.array) for role, split in found.splits.items()}
        how = self.index.decoded
        note = f"decoded beforehand to {how.size} x {how.size} px, {how.fit}: what that cost in detail is lost"
        return Given(found.classes, splits, (*found.notes, note), how.fit)

    def identified(self, given: Given) -> Given:
        """`given` with the hashes of the arrays: what is trained on differs from the files, and so does the digest."""
        splits = {
            role: replace(split, hashes=tuple(self.index.arrays[self._places[name]] for name in split.names))
            for role, split in given.splits.items()
        }
        return replace(given, splits=splits)

    def contents(self, name: str) -> bytes:
        """The bytes of a picture. Raises DataError, naming the shard, when they are not those that were packed."""
        place = self._places[name]
        data = self._files(self._shard(place)).read(int(self.index.offsets[place]), int(self.index.lengths[place]))
        self._compare(place, data)
        return data

    def array(self, name: str, shrink: Shrink | None = None, background: int = 255) -> Picture:
        """A decoded picture, (size, size, 3): a view into the mapped shard. The map is private, so no file changes."""
        place, how = self._places[name], self.index.decoded
        assert how is not None
        mapped, start = self._maps(self._shard(place)), int(self.index.offsets[place])
        head = npy_head(how.size)
        stored = memoryview(mapped)[start : start + int(self.index.lengths[place])]
        if not self._seen[place] and bytes(stored[: len(head)]) != head:
            raise self._strange(place)
        self._compare(place, stored)
        values = np.frombuffer(mapped, np.uint8, how.size**2 * 3, start + len(head))
        return values.reshape(how.size, how.size, 3)

    def load(self) -> Load:
        """What gives its pictures by name, encoded or decoded as they lie in it."""
        return partial(files.load, self.listing()) if self.index.decoded is None else self.array

    def called(self, name: str) -> str:
        """The shard, and the name in it."""
        return f"{self.folder / self.index.shards[self._shard(self._places[name])].name}: {name}"

    def shards(self, split: Split) -> "Shards":
        """Where the pictures of a split of this pack lie."""
        places = np.array([self._places[name] for name in split.names], dtype=np.int64)
        order = np.argsort(places, kind="stable")
        edges = np.searchsorted(places[order], self._starts)
        return Shards(tuple(order[first:last] for first, last in pairwise(edges) if last > first))

    def _listing(self) -> files.Listing:
        index = self.index
        roles = [shard.role for shard in index.shards for _ in range(shard.pictures)]
        labels = [index.classes[label] for label in index.labels.tolist()]
        entries = tuple(map(files.Entry, index.names, labels, roles))
        hashes = dict(zip(index.names, index.hashes, strict=True))
        return files.Listing(entries, self.contents, self.called, hashes=hashes)

    def _shard(self, place: int) -> int:
        return int(np.searchsorted(self._starts, place, "right")) - 1

    def _file(self, shard: int) -> "_File":
        one = self.index.shards[shard]
        return _File(self.folder / one.name, one.bytes)

    def _map(self, shard: int) -> mmap.mmap:
        file = self._file(shard)
        return mmap.mmap(file.number, self.index.shards[shard].bytes, access=mmap.ACCESS_COPY)

    def _compare(self, place: int, data: bytes | memoryview) -> None:
        if not self._seen[place]:
            expected = self.index.hashes if self.index.decoded is None else self.index.arrays
            if sha256(data).hexdigest() != expected[place]:
                raise self._strange(place)
            self._seen[place] = 1

    def _strange(self, place: int) -> DataError:
        return DataError(f"{self.called(self.index.names[place])} is not what was packed; {_AGAIN}")


@dataclass(frozen=True, slots=True, eq=False)
class Shards:
    """Where the pictures of a split lie, and orders in which they can be read shard by shard."""

    parts: tuple[Int64[ndarray, "n"], ...]  # of each shard, the indices in the split of its pictures, as they lie
    window: int = 8192  # pictures that are shuffled among themselves: what a reader keeps, if it reads in order

    def order(self, seed: int, epoch: int, rank: int = 0, world: int = 1) -> Int64[ndarray, "share"]:
        """The indices one of `world` ranks reads in an epoch: a function of its arguments and of nothing else.

        The shards are lined up anew each epoch and the line is cut into equal runs, so that a rank reads few shards;
        within a window the pictures are shuffled. Every picture is read. Where they cannot be shared out evenly the
        line goes on from its beginning, so fewer than `world` are read twice. Raises RecipeError for a rank not there.
        """
        if not 0 <= rank < world:
            raise RecipeError(f"rank = {rank} of {world}; ranks count from 0, and there is at least one")
        # Shards count from 2**63, so that none shares a number with a picture.
        counters = np.arange(len(self.parts), dtype=np.uint64) + np.uint64(1 << 63)
        shuffled = np.argsort(dice(seed, epoch, counters, Stream.ORDER), kind="stable")
        line = np.concatenate([self.parts[shard] for shard in shuffled] or [np.empty(0, np.int64)])
        share = -(-len(line) // world)
        mine = line[np.arange(rank * share, (rank + 1) * share) % max(1, len(line))]
        return mine[np.lexsort((dice(seed, epoch, mine, Stream.ORDER), np.arange(share) // self.window))]


def npy_head(size: int) -> bytes:
    """How the .npy of a picture begins, (size, size, 3) of uint8: NumPy's format 1.0, padded to a multiple of 64 bytes."""
    form = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({size}, {size}, 3), }}"
    length = -(-(10 + len(form) + 1) // 64) * 64 - 10
    return b"\x93NUMPY\x01\x00" + length.to_bytes(2, "little") + form.ljust(length - 1).encode() + b"\n"


class _File:
    """A shard held open. It closes when its last reader lets go, so one thread never closes what another reads."""

    def __init__(self, path: Path, size: int) -> None:
        self.number = -1
        self.path = path
        _size_fits(path, size)
        try:
            self.number = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except OSError as error:
            raise _missing(path, error) from None

    def __del__(self) -> None:
        if self.number >= 0:
            os.close(self.number)

    def read(self, offset: int, length: int) -> bytes:
        try:
            if hasattr(os, "pread"):
                data = os.pread(self.number, length, offset)
            else:
                with self.path.open("rb") as file:
                    file.seek(offset)
                    data = file.read(length)
        except OSError as error:
            raise _missing(self.path, error) from None
        if len(data) != length:
            raise DataError(f"{self.path}: cut short while it was in use; {_AGAIN}")
        return data


def _missing(path: Path, error: OSError) -> DataError:
    if isinstance(error, FileNotFoundError):
        return DataError(f"{path}: this shard of the pack is missing; {_AGAIN}")
    return DataError(f"{path}: cannot be read ({error.strerror}); give a pack you may open")


def _size_fits(path: Path, size: int) -> None:
    try:
        found = path.stat()
    except OSError as error:
        raise _missing(path, error) from None
    if not S_ISREG(found.st_mode) or found.st_size != size:
        held = f"{found.st_size} bytes" if S_ISREG(found.st_mode) else "no file"
        raise DataError(f"{path}: {held}, but the index says {size} bytes; {_AGAIN}")


def _index(held: Mapping[str, Any]) -> Index:
    """Columns of JSON, whoever wrote them. Raises ValueError, KeyError or the like for whatever cannot be a pack."""
    shards = tuple(
        Shard(_text(s["name"]), _whole(s["bytes"]), _text(s["sha256"]), _whole(s["pictures"])) for s in held["shards"]
    )
    how = held["decoded"]
    decoded = None if how is None else Decoded(_whole(how["size"]), _text(how["fit"]))
    names, hashes, arrays = (_texts(held[key], key) for key in ("names", "hashes", "arrays"))
    labels, offsets, lengths = (_wholes(held[key], key) for key in ("labels", "offsets", "lengths"))
    index = Index(
        _texts(held["classes"], "classes"), shards, names, labels, hashes, offsets, lengths,
        _whole(held["shard_size"]), decoded, arrays,
    )  # fmt: skip
    _agrees(index)
    return index


def _agrees(index: Index) -> None:
    count = sum(shard.pictures for shard in index.shards)
    columns: Sequence[Any] = (index.names, index.labels, index.hashes, index.offsets, index.lengths)
    if {len(column) for column in columns} != {count} or len(index.arrays) != (count if index.decoded else 0):
        raise ValueError("its columns are not of one length")
    strange = next((shard.name for shard in index.shards if not SHARD.fullmatch(shard.name)), None)
    if strange is not None:
        raise ValueError(f"{strange!r} is not the name of a shard")
    if len({shard.name for shard in index.shards}) < len(index.shards):
        raise ValueError("one shard is listed twice")
    if len(set(index.classes)) < len(index.classes):
        raise ValueError("one class is listed twice")
    if not all(map(_HASH.fullmatch, (*index.hashes, *index.arrays, *(shard.sha256 for shard in index.shards)))):
        raise ValueError("a hash is not SHA-256 in hexadecimal")
    if count and index.labels.max() >= len(index.classes):
        raise ValueError(f"label {index.labels.max()}, but {len(index.classes)} classes")
    ends = np.repeat(np.array([shard.bytes for shard in index.shards], np.int64), [s.pictures for s in index.shards])
    if (index.lengths > ends).any() or (index.offsets > ends - index.lengths).any():
        raise ValueError("a picture lies outside its shard")
    if index.decoded is not None:
        size = index.decoded.size
        if index.decoded.fit not in FITS or not 1 <= size < 1 << 16:
            raise ValueError(f"decoded to {size} px, {index.decoded.fit!r}")
        if (index.lengths != len(npy_head(size)) + size**2 * 3).any():
            raise ValueError(f"an array is not of {size} x {size} px")
    if len(set(index.names)) < count and len(set(zip(index.names, index.hashes, strict=True))) > len(set(index.names)):
        raise ValueError("one name stands for two pictures")
    for text in (*index.classes, "".join(index.names)):
        text.encode(errors="surrogateescape")  # what no file name and no label can be is a ValueError


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{type(value).__name__} where a text is expected")
    return value


def _whole(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 62:
        raise ValueError("a size or a count that is not a whole number, at least 0")
    return value


def _texts(values: Any, key: str) -> tuple[str, ...]:
    if not isinstance(values, list) or not set(map(type, values)) <= {str}:
        raise ValueError(f"{key} is not a list of texts")
    return tuple(values)


def _wholes(values: Any, key: str) -> Int64[ndarray, "n"]:
    if not isinstance(values, list) or not set(map(type, values)) <= {int}:
        raise ValueError(f"{key} is not a list of whole numbers")
    if values and not 0 <= min(values) <= max(values) < 1 << 62:
        raise ValueError(f"{key} holds a number that is below 0 or absurd")
    return np.array(values, dtype=np.int64)


def _line(error: Exception) -> str:
    return f"no {error}" if isinstance(error, KeyError) else " ".join(str(error).split()) or type(error).__name__
