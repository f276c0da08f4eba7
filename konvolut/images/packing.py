"""Write a pack: whole or not at all, and the same bytes however often the work was interrupted. No torch.

Shards are made in OUT.part, each under another name until it is whole; once all are there the folder gets its own name.
Nothing else is kept of where the work stood: a shard found there is good when it is, byte for byte, what would be
written now, and is written again when it is not.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from io import BufferedIOBase
from pathlib import Path
from tarfile import BLOCKSIZE, NUL, RECORDSIZE, USTAR_FORMAT, TarError, TarInfo

import numpy as np

from konvolut.errors import DataError
from konvolut.images import files
from konvolut.images.decode import decode, describe
from konvolut.images.preprocess import InputSpec, preprocess
from konvolut.images.shards import INDEX, ROLES, SHARD, Decoded, Index, Shard, as_text, holds_pack, npy_head, read_index
from konvolut.images.sources import MADE, listed, stored

try:
    import fcntl
except ImportError:  # Windows: two that write the same pack at once are not told of each other
    fcntl = None  # type: ignore[assignment]

SHARD_SIZE = 100_000_000  # bytes

_AHEAD = 64  # pictures that are read at once, and kept until they are written
_PART = ".part"
_ENDINGS = {
    "JPEG": "jpg", "MPO": "jpg", "PNG": "png", "WEBP": "webp", "BMP": "bmp", "GIF": "gif", "TIFF": "tif", "PPM": "ppm",
    "HEIF": "heic",
}  # fmt: skip

Tell = Callable[[str, int, int], None]  # "reading" or "packing", pictures done, of how many


@dataclass(frozen=True, slots=True)
class Packed:
    """What came of it."""

    path: Path
    classes: int
    pictures: Mapping[str, int]  # of each role
    shards: int
    bytes: int  # of all shards
    kept: int  # shards that an earlier, interrupted run had finished; all, where the pack was there already
    decoded: Decoded | None
    notes: tuple[str, ...] = ()  # on what was listed


@dataclass(frozen=True, slots=True)
class _Row:
    """One picture, and where it belongs."""

    name: str
    label: int
    word: str  # the label's class
    hash: str
    role: str
    number: int  # in its role: the key in the tar


@dataclass(slots=True)
class _Shard:
    """A shard as it grows."""

    offsets: list[int] = field(default_factory=list)  # bytes, of each picture
    lengths: list[int] = field(default_factory=list)
    arrays: list[str] = field(default_factory=list)
    bytes: int = 0
    hash: str = ""


def pack(
    where: str | Path,
    out: str | Path,
    decoded: Decoded | None = None,
    shard_size: int = SHARD_SIZE,
    exclude: str | Path | None = None,
    tell: Tell = lambda what, done, of: None,
) -> Packed:
    """Lay the pictures of a folder, a CSV or another pack into the new folder `out`.

    They lie shuffled, by content, so that each shard is a fair sample; a shard ends with the picture that brings it to
    `shard_size` bytes. The same pictures, names and classes give the same bytes. As on opening a folder, every file is
    read and its header looked at; only with `decoded` is every picture decoded. `exclude` as in `open_images`.
    Raises DataError when a picture cannot be read, when `out` is anything but a pack of the same data in the same form,
    and when there is no room: then the whole shards stay in OUT.part, and the same call goes on from there.
    """
    source, out = Path(where).expanduser(), Path(out).expanduser().resolve()
    listing = None if str(where) in MADE else listed(source, str(where), exclude)
    if listing is None:
        if str(where) not in MADE:
            stored(source, str(where))  # which says so where it holds no set at all
        raise DataError(f"{where}: its pictures are arrays already, and need no packing; give a folder or a CSV")
    if source.is_dir() and out.is_relative_to(source.resolve()):
        raise DataError(f"{out}: lies in {where}, which would then hold it too; give a folder elsewhere")
    if os.path.lexists(out) and not holds_pack(out) and not _is_empty(out):
        raise DataError(f"{out}: already there, and not a pack; give another name, or move it away")
    classes, rows = _planned(listing, str(where), tell)
    if holds_pack(out):
        return replace(_already(out, classes, rows, decoded, shard_size), notes=listing.notes)
    part = out.with_name(out.name + _PART)
    with _claimed(part):
        found, kept = _shards(part, rows, listing, str(where), decoded, shard_size, tell)
        index = _indexed(classes, rows, found, decoded, shard_size)
        for name in {path.name for path in part.iterdir()} - {shard.name for shard in index.shards}:
            (part / name).unlink()  # of an earlier run, with other data or settings
        with _writing(part / INDEX) as file:
            file.write(as_text(index).encode("ascii"))
        if out.is_dir():
            out.rmdir()
        os.rename(part, out)
    return replace(_told(out, index, kept), notes=listing.notes)


def _planned(listing: files.Listing, where: str, tell: Tell) -> tuple[tuple[str, ...], list[_Row]]:
    """The classes, and every picture in the order in which it will lie."""
    names = list(dict.fromkeys(entry.name for entry in listing.entries))
    # What can be said without reading a picture is said first.
    files.given(replace(listing, hashes=dict.fromkeys(names, "")), where)
    hashes = dict(listing.hashes)
    unknown = [name for name in names if name not in hashes]

    with ThreadPoolExecutor(files.READERS) as threads:
        for start in range(0, len(unknown), _AHEAD):
            some = unknown[start : start + _AHEAD]
            with _way_out(where):
                hashes.update(zip(some, threads.map(partial(files.fingerprint, listing), some), strict=True))
            tell("reading", start + len(some), len(unknown))
    given = files.given(replace(listing, hashes=hashes), where)
    rows: list[_Row] = []
    for role in (role for role in ROLES if role in given.splits):
        split = given.splits[role]
        ordered = sorted(zip(split.hashes, split.names, split.labels.tolist(), strict=True))
        rows += [_Row(n, label, given.classes[label], h, role, i) for i, (h, n, label) in enumerate(ordered)]
    return given.classes, rows


def _shards(
    part: Path, rows: list[_Row], listing: files.Listing, where: str, how: Decoded | None, limit: int, tell: Tell
) -> tuple[dict[str, _Shard], int]:
    """Make every shard that is not there yet. Returns them by name, and how many were there."""
    found: dict[str, _Shard] = {}
    kept = done = 0
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        try:
            for role in ROLES:
                mine = [row for row in rows if row.role == role]
                at, number, made = 0, 0, None
                while at < len(mine):
                    path = part / f"{role}-{number:06d}.tar"
                    shard = _found(path, mine, at, how, limit)
                    if shard is not None:
                        kept, made = kept + 1, None
                        tell("packing", done + len(shard.lengths), len(rows))
                    else:
                        made = made or _made(mine, at, listing, where, how, threads)
                        shard = _written(path, made, how, limit, partial(_beyond, tell, done, len(rows)))
                    found[path.name] = shard
                    at, number, done = at + len(shard.lengths), number + 1, done + len(shard.lengths)
        finally:
            threads.shutdown(cancel_futures=True)
    return found, kept


def _made(
    rows: list[_Row], at: int, listing: files.Listing, where: str, how: Decoded | None, threads: ThreadPoolExecutor
) -> Iterator[tuple[_Row, str, bytes]]:
    """Each picture from the one `at` on, with its file ending and its bytes, in order."""

    def made(row: _Row) -> tuple[_Row, str, bytes]:
        called = listing.called(row.name)
        data = listing.contents(row.name)
        if sha256(data).hexdigest() != row.hash:
            raise DataError(f"{called}: changed while it was packed; run the same command again")
        if how is None:
            return row, _ending(data, called), data
        picture = preprocess(decode(data, called), InputSpec(size=how.size, fit=how.fit))
        return row, "npy", npy_head(how.size) + picture.tobytes()

    for start in range(at, len(rows), _AHEAD):
        with _way_out(where):
            some = list(threads.map(made, rows[start : start + _AHEAD]))
        yield from some


def _written(
    path: Path, made: Iterator[tuple[_Row, str, bytes]], how: Decoded | None, limit: int, tell: Callable[[int], None]
) -> _Shard:
    shard, total = _Shard(), sha256()
    with _writing(path) as file:
        for row, ending, data in made:
            members = _members(row, ending, data, how)
            _add(shard, data, members, how)
            total.update(members)
            file.write(members)
            tell(len(shard.lengths))
            if shard.bytes >= limit:
                break
        end = _end(shard)
        total.update(end)
        file.write(end)
    shard.bytes, shard.hash = shard.bytes + len(end), total.hexdigest()
    return shard


def _found(path: Path, rows: list[_Row], at: int, how: Decoded | None, limit: int) -> _Shard | None:
    """The shard at `path`, if it is whole and what would be written from row `at` on."""
    shard, total = _Shard(), sha256()
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            for place in range(at, len(rows)):
                row = rows[place]
                head = TarInfo.frombuf(file.read(BLOCKSIZE), "ascii", "strict")
                if head.size > size:
                    return None
                data = file.read(head.size)
                if how is None and sha256(data).hexdigest() != row.hash:
                    return None
                members = _members(row, _ending(data, row.name) if how is None else "npy", data, how)
                file.seek(shard.bytes)
                if file.read(len(members)) != members:
                    return None
                _add(shard, data, members, how)
                total.update(members)
                if shard.bytes >= limit:
                    break
            end = _end(shard)
            if file.read() != end:
                return None
    except (OSError, TarError, DataError):
        return None
    total.update(end)
    shard.bytes, shard.hash = shard.bytes + len(end), total.hexdigest()
    return shard


def _beyond(tell: Tell, before: int, of: int, count: int) -> None:
    tell("packing", before + count, of)


def _add(shard: _Shard, data: bytes, members: bytes, how: Decoded | None) -> None:
    shard.offsets.append(shard.bytes + BLOCKSIZE)
    shard.lengths.append(len(data))
    shard.bytes += len(members)
    if how is not None:
        shard.arrays.append(sha256(data).hexdigest())


def _members(row: _Row, ending: str, data: bytes, how: Decoded | None) -> bytes:
    """The part of a tar that holds one picture: its bytes, its class's number, and what else is known of it."""
    about: dict[str, object] = {"name": row.name, "class": row.word, "sha256": row.hash}
    if how is not None:
        about |= {"size": how.size, "fit": how.fit, "array": sha256(data).hexdigest()}
    members = ((ending, data), ("cls", str(row.label).encode()), ("json", json.dumps(about).encode("ascii")))
    return b"".join(_member(f"{row.number:08d}.{ending}", content) for ending, content in members)


def _member(name: str, content: bytes) -> bytes:
    """One member of a ustar archive (POSIX.1-1988), of no one and no time, so that only its content makes it."""
    info = TarInfo(name)
    info.size = len(content)
    return info.tobuf(USTAR_FORMAT, "ascii", "strict") + content + NUL * (-len(content) % BLOCKSIZE)


def _end(shard: _Shard) -> bytes:
    """Two empty blocks end an archive, which is a multiple of 20 blocks long."""
    return NUL * (2 * BLOCKSIZE + -(shard.bytes + 2 * BLOCKSIZE) % RECORDSIZE)


def _ending(data: bytes, called: str) -> str:
    return _ENDINGS[describe(data, called).format]


def _indexed(
    classes: tuple[str, ...], rows: list[_Row], found: Mapping[str, _Shard], how: Decoded | None, limit: int
) -> Index:
    return Index(
        classes,
        tuple(Shard(name, shard.bytes, shard.hash, len(shard.lengths)) for name, shard in found.items()),
        tuple(row.name for row in rows),
        np.array([row.label for row in rows], np.int64),
        tuple(row.hash for row in rows),
        np.array([offset for shard in found.values() for offset in shard.offsets], np.int64),
        np.array([length for shard in found.values() for length in shard.lengths], np.int64),
        limit,
        how,
        tuple(one for shard in found.values() for one in shard.arrays),
    )


def _already(out: Path, classes: tuple[str, ...], rows: list[_Row], how: Decoded | None, limit: int) -> Packed:
    index = read_index(out)
    roles = [shard.role for shard in index.shards for _ in range(shard.pictures)]
    held = list(zip(index.names, index.labels.tolist(), index.hashes, roles, strict=True))
    same = held == [(row.name, row.label, row.hash, row.role) for row in rows]
    if not same or (index.classes, index.decoded, index.shard_size) != (classes, how, limit):
        raise DataError(f"{out}: a pack of other data, or in another form; give another name, or move it away")
    return _told(out, index, len(index.shards))


def _told(out: Path, index: Index, kept: int) -> Packed:
    pictures = {
        role: count for role in ROLES if (count := sum(shard.pictures for shard in index.shards if shard.role == role))
    }
    total = sum(shard.bytes for shard in index.shards)
    return Packed(out, len(index.classes), pictures, len(index.shards), total, kept, index.decoded)


def _is_empty(out: Path) -> bool:
    return out.is_dir() and not any(out.iterdir())


@contextmanager
def _claimed(part: Path) -> Iterator[None]:
    """The folder in which a pack is made: ours alone, and cleared of what was half written."""
    with _room(part):
        part.mkdir(parents=True, exist_ok=True)
        handle = os.open(part, os.O_RDONLY) if fcntl else -1
    try:
        if fcntl:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise DataError(f"{part}: another pack is being written there; wait until it is done") from None
        for path in sorted(part.iterdir()):
            name = path.name.removesuffix(_PART)
            if not path.is_file() or not (name == INDEX or SHARD.fullmatch(name)):
                raise DataError(f"{path}: not of an unfinished pack; move it away, or pack to another name")
            if name == INDEX or name != path.name:
                path.unlink()
        yield
    finally:
        if handle >= 0:
            os.close(handle)


@contextmanager
def _writing(path: Path) -> Iterator[BufferedIOBase]:
    """A file that has its name only when it is whole, and on the disk."""
    part = path.with_name(path.name + _PART)
    try:
        with _room(path), part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _room(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{path}: cannot be written ({error.strerror}); make room, or give a folder that may be written to: the same"
            " command goes on after the last whole shard"
        ) from None


@contextmanager
def _way_out(where: str) -> Iterator[None]:
    """Whoever packs many pictures wants to know how to go on without one."""
    try:
        yield
    except DataError as error:
        raise DataError(
            f"{error}; or leave it out: `konvolut check {where} --quarantine FILE`, then --exclude FILE"
        ) from None
