"""Files of the internet, each known by its SHA-256: downloaded once, resumed where they were cut, checked, kept. No torch.

pooch finds the cache folder and streams; mirrors, ranges, locks and hash prefixes, which it has not, are added here.
"""

import errno
import json
import os
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path, PurePosixPath
from time import sleep
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from konvolut.errors import DataError, KonvolutError
from konvolut.language import _

if TYPE_CHECKING:
    from requests import RequestException, Response

CHUNK = 1 << 14  # bytes; where a connection is cut, what had come of one is lost
TRIES = 3  # connections in a row that bring nothing new, before a server is given up
PAUSE = 0.5  # s before another connection; doubled for each that brought nothing
PATIENCE = (10, 60)  # s to connect, and s without a byte
MOST_UNPACKED = 4 << 30  # bytes
MOST_MEMBERS = 10_000  # of an archive

Moved = Callable[[int], None]  # is told how many bytes there are


@dataclass(frozen=True, slots=True)
class Remote:
    """A file of the internet, and how to know it."""

    name: str  # its path below the cache folder, with /; ends as its addresses do
    urls: tuple[str, ...]  # of the same bytes, the first choice first
    sha256: str  # 64 hex digits, or the first eight where no more are published
    size: int  # bytes
    exact: bool = True  # False: `size` is the most it may have

    @property
    def path(self) -> Path:
        return cache() / self.name


class _Cut(Exception):
    """The same address may do better in a moment."""


class _Refused(Exception):
    """This address will not do."""


class _Failed(Exception):
    """No address did, or there is no place to put it."""


def cache() -> Path:
    """The folder that KONVOLUT_CACHE names, or else the one for caches on this platform."""
    if asked := os.environ.get("KONVOLUT_CACHE"):
        return Path(asked).expanduser().absolute()
    from pooch import os_cache

    return Path(os_cache("konvolut"))


def cached(file: Remote) -> Path | None:
    """Where `file` lies, if the cache holds the whole of it. Nothing is downloaded.

    A file is hashed once: then its size and its time of change are noted beside it, and hold while they stay. So a file
    that was put there by hand counts too.
    """
    path = file.path
    try:
        state = path.stat()
    except OSError:
        return None
    if not stat.S_ISREG(state.st_mode) or not state.st_size or (file.exact and state.st_size != file.size):
        return None
    seen = _read(_note(path))
    if (seen.get("size"), seen.get("changed")) == (state.st_size, state.st_mtime_ns):
        digest = str(seen.get("sha256"))
    else:
        digest = sha256(path)
        with suppress(OSError):  # a cache that may only be read is hashed each time
            _write(_note(path), {"sha256": digest, "size": state.st_size, "changed": state.st_mtime_ns})
    return path if digest.startswith(file.sha256) else None


def fetch(files: Sequence[Remote], what: str, kind: type[KonvolutError] = DataError) -> list[Path]:
    """Download those of `files` that the cache lacks, and return where all of them lie. `what` is for messages.

    A server that cuts the connection is asked for the rest; one that fails is followed by the next. What was begun is
    gone on with, in another process too. Raises `kind`, naming the files and where to put them, when no server gives
    the bytes that are known by their SHA-256, and when the disk does not take them.
    """
    assert all(file.name.rpartition("/")[2] == file.urls[0].rpartition("/")[2] for file in files)
    missing = [file for file in files if cached(file) is None]
    if missing:
        _say(
            _("{what}: downloading {size} from {host} into {folder}").format(
                what=what,
                size=megabytes(sum(file.size for file in missing)),
                host=urlsplit(missing[0].urls[0]).netloc,
                folder=missing[0].path.parent,
            )
        )
    for place, file in enumerate(missing):
        try:
            _download(file)
        except _Failed as error:
            rest = missing[place:]
            raise kind(
                f"{what}: not downloaded ({error}); where there is a way, get"
                f" {', '.join(each.urls[0] for each in rest)} and put {'it' if len(rest) == 1 else 'them'} into"
                f" {file.path.parent}"
            ) from None
    return [file.path for file in files]


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def megabytes(size: int) -> str:
    """
    >>> [megabytes(size) for size in (28_881, 170_052_171)]
    ['0.03 MB', '170 MB']
    """
    return f"{size / 1e6:.{0 if size >= 1e8 else 1 if size >= 1e6 else 2}f} MB"


def _download(file: Remote) -> None:
    """Fill the place of `file`, alone among processes."""
    path = file.path
    part = path.with_name(path.name + ".part")
    try:
        with alone(path):
            if cached(file):  # another process was faster
                return
            held = _length(part)
            free = shutil.disk_usage(path.parent).free
            if free < file.size - held:
                raise _Failed(
                    f"{path.parent} has {megabytes(free)} free, and {megabytes(file.size - held)} are to come;"
                    " free some, or name another folder in KONVOLUT_CACHE"
                )
            _from_any(file, part)
            part.replace(path)
            _note(part).unlink(missing_ok=True)
            assert cached(file) == path
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise _Failed(
                f"no space left in {path.parent} for {megabytes(file.size)}; free some, or name another folder in"
                " KONVOLUT_CACHE"
            ) from None
        raise _Failed(
            f"{error.filename or path.parent} cannot be written ({error.strerror or error}); name another folder in"
            " KONVOLUT_CACHE"
        ) from None


def _from_any(file: Remote, part: Path) -> None:
    """Fill `part` from the first address that has the right bytes."""
    reasons = []
    with _bar(file) as moved:
        for url in file.urls:
            try:
                return _from(url, file, part, moved)
            except _Refused as error:
                reasons.append(f"{urlsplit(url).netloc}: {error}")
    raise _Failed("; ".join(reasons))


def _from(url: str, file: Remote, part: Path, moved: Moved) -> None:
    """Fill `part` from `url`, however often it is cut, as long as each connection brings something."""
    begun = best = _length(part)
    idle = 0
    while True:
        try:
            _stream(url, file, part, moved)
        except _Cut as error:
            reached = _length(part)
            idle = 0 if reached > best else idle + 1
            best = max(best, reached)
            if idle == TRIES:
                raise _Refused(f"{error}, {TRIES} times") from None
            sleep(PAUSE * 2**idle)
            continue
        digest = sha256(part)
        if digest.startswith(file.sha256):
            return
        page = _is_page(part)
        _drop(part)
        if not begun:
            raise _Refused(f"{'a web page' if page else 'other bytes'} in its place, of SHA-256 {digest[:8]}...")
        begun = best = 0  # what lay here may have been of another file: once more, from its first byte


def _stream(url: str, file: Remote, part: Path, moved: Moved) -> None:
    """One connection: append to `part` what is missing. Raises _Cut or _Refused unless all of it came."""
    from pooch import HTTPDownloader
    from requests import RequestException

    held = _length(part)
    if held > file.size:
        _drop(part)
        held = 0
    if held == file.size:
        return
    headers = {"Accept-Encoding": "identity"}
    if held:
        headers["Range"] = f"bytes={held}-"
        note = _read(_note(part))
        if note.get("url") == url and note.get("mark"):
            headers["If-Range"] = note["mark"]  # the server sends the whole file where it has another one by now
    sink = _Sink(url, file, part, held, moved)
    get = HTTPDownloader(chunk_size=CHUNK, headers=headers, timeout=PATIENCE, hooks={"response": sink.answered})
    try:
        get(url, sink, None)
    except _Whole:
        return
    except RequestException as error:
        raise _reason(error) from None
    finally:
        sink.close()
    if file.exact and _length(part) < file.size:
        raise _Cut(f"cut after {_length(part):,} of {file.size:,} bytes")


class _Whole(Exception):
    """The server has no more than what is there already."""


class _Sink:
    """What pooch writes a connection's bytes to: the file that is begun, from where the server goes on."""

    def __init__(self, url: str, file: Remote, part: Path, held: int, moved: Moved) -> None:
        self.url, self.file, self.part, self.moved = url, file, part, moved
        self.at = held
        self.out: IO[bytes] | None = None
        self.responses: list[Response] = []

    def answered(self, response: "Response", **_: Any) -> None:
        """Look at the head of an answer, before a byte of its body is read."""
        self.responses.append(response)
        if response.is_redirect:
            _followed(response)
        else:
            self._begin(response)

    def _begin(self, response: "Response") -> None:
        status = response.status_code
        sent = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if status == 416 or (status == 206 and (sent is None or int(sent[1]) != self.at)):
            if response.headers.get("Content-Range") == f"bytes */{self.at}":
                raise _Whole
            _drop(self.part)
            raise _Cut("another range than the one asked for")
        if status in (408, 425, 429) or status >= 500:
            raise _Cut(f"status {status}")
        if status not in (200, 206):
            raise _Refused(f"status {status}")
        if status == 200:
            self.at = 0
        length = response.headers.get("Content-Length", "")
        total = self.at + int(length) if length.isdigit() else None
        if total is not None and (total > self.file.size or (self.file.exact and total != self.file.size)):
            page = "a web page of " if "html" in response.headers.get("Content-Type", "") else ""
            raise _Refused(f"{page}{total:,} bytes instead of {self.file.size:,}")
        # Some servers call the .gz of a file's name an encoding; it is part of the file, and must stay.
        response.raw.headers.discard("Content-Encoding")
        self.out = self.part.open("r+b" if self.at else "wb")
        self.out.seek(self.at)
        mark = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
        # A weak tag says "much the same", which is not enough to put two halves together.
        _write(_note(self.part), {"url": self.url, "mark": "" if mark.startswith("W/") else mark})
        self.moved(self.at)

    def write(self, chunk: bytes) -> None:
        assert self.out is not None
        if self.at + len(chunk) > self.file.size:
            raise _Refused(f"more than {self.file.size:,} bytes")
        self.out.write(chunk)
        self.at += len(chunk)
        self.moved(self.at)

    def flush(self) -> None:
        assert self.out is not None
        self.out.flush()  # a process that is killed leaves what it has

    def close(self) -> None:
        for response in self.responses:
            response.close()
        if self.out is not None:
            with suppress(OSError):  # a full disk has been met, and said, while writing
                self.out.close()


def _followed(response: "Response") -> None:
    """Raises _Refused where an answer leads to another kind of address: only from http to https."""
    target = urljoin(response.url, response.headers["Location"])
    old, new = urlsplit(response.url).scheme, urlsplit(target).scheme
    if new != old and (old, new) != ("http", "https"):
        raise _Refused(f"leads to {target[:80]!r}, and only http and https are followed, never back to http")


def _reason(error: "RequestException") -> Exception:
    """What a failed connection means, in a few words."""
    from requests import exceptions

    if isinstance(error, exceptions.Timeout):
        return _Cut("no answer in time")
    if isinstance(error, exceptions.SSLError):
        return _Refused("its certificate is not accepted")
    if isinstance(error, exceptions.ProxyError):
        return _Cut("the proxy gives no connection")
    if isinstance(error, exceptions.ChunkedEncodingError | exceptions.ContentDecodingError):
        return _Cut("the connection was cut")
    if isinstance(error, exceptions.ConnectionError):
        return _Cut("no connection")
    return _Refused(" ".join(str(error).split())[:120] or type(error).__name__)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """One process at a time does something about `path`; who waits says so. A process that dies lets the next one in."""
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_name(path.name + ".lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        _say(_("{file}: another process is at it; waiting").format(file=path.name))
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _bar(file: Remote) -> Iterator[Moved]:
    """Progress on stderr, where that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    name = TextColumn("{task.description}", markup=False)
    with Progress(name, *columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(file.path.name, total=file.size)
        yield lambda at: progress.update(task, completed=at)


def _say(line: str) -> None:
    from click import echo

    echo(line, err=True)


def _is_page(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(256).lstrip().lower().startswith((b"<!doctype html", b"<html"))


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _drop(part: Path) -> None:
    part.unlink(missing_ok=True)
    _note(part).unlink(missing_ok=True)


def _note(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def _read(note: Path) -> dict[str, Any]:
    """A note; an unreadable one says nothing, and then the file itself is looked at."""
    try:
        found = json.loads(note.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(note: Path, held: dict[str, Any]) -> None:
    fresh = note.with_name(f"{note.name}.{os.getpid()}")
    fresh.write_text(json.dumps(held), encoding="utf-8")
    fresh.replace(note)


def unpack(archive: Path, folder: Path, most: int = MOST_UNPACKED) -> Path:
    """Unpack a .tar.gz, .tar or .zip into `folder`, which is there whole afterwards or not at all. Returns `folder`.

    Only folders and files, whose paths stay inside, are taken; their modes are not. A `folder` that exists is left as
    it is. Raises DataError, having written nothing, for an archive that is damaged, or holds a path that leaves the
    folder, a link, a device, a name twice, more than `most` bytes or more than 10,000 members.
    """
    with alone(folder):
        if folder.is_dir():
            return folder
        fresh = folder.with_name(folder.name + ".unpacking")
        shutil.rmtree(fresh, ignore_errors=True)  # of a process that was killed
        fresh.mkdir(parents=True)
        try:
            _unpacked(archive, fresh, most)
            fresh.replace(folder)
        except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise DataError(f"{archive}: cannot be unpacked ({_line(error)}); remove it, and get it again") from None
        except OSError as error:
            what = f"no space left in {folder.parent}" if error.errno == errno.ENOSPC else _line(error)
            raise DataError(f"{archive}: cannot be unpacked ({what}); free some space, or get it again") from None
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return folder


@dataclass(frozen=True, slots=True)
class _Member:
    """One entry of an archive."""

    name: str
    kind: str  # "file", "folder", or what it is instead
    size: int  # bytes, as the archive says
    open: Callable[[], IO[bytes] | None]


def _unpacked(archive: Path, folder: Path, most: int) -> None:
    left = most
    with _opened(archive) as members:
        for count, member in enumerate(members, start=1):
            where = f"{archive}: {member.name[:80]!r}"
            if count > MOST_MEMBERS:
                raise DataError(f"{archive}: more than {MOST_MEMBERS:,} members; unpack it yourself if you trust it")
            target = _inside(folder, member.name)
            if target is None:
                raise DataError(f"{where} leaves the folder it is unpacked into; do not trust this archive")
            if member.kind not in ("file", "folder"):
                raise DataError(f"{where} is {member.kind}; only files and folders are unpacked")
            if member.kind == "folder":
                target.mkdir(parents=True, exist_ok=True)
                continue
            left -= member.size
            if left < 0:
                raise DataError(
                    f"{archive}: more than {most:,} bytes once unpacked; unpack it yourself if you trust it"
                )
            target.parent.mkdir(parents=True, exist_ok=True)
            source = member.open()
            assert source is not None
            try:
                with source, target.open("xb") as out:
                    shutil.copyfileobj(source, out)  # either module's reader ends at the size that was counted
                    wrote = out.tell()
            except FileExistsError:
                raise DataError(f"{where} is there twice; do not trust this archive") from None
            if wrote != member.size:
                raise DataError(f"{where} has another length than the archive says; remove it, and get it again")


@contextmanager
def _opened(archive: Path) -> Iterator[Iterator[_Member]]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            yield (
                _Member(info.filename, _kind_zipped(info), info.file_size, lambda info=info: zipped.open(info))  # type: ignore[misc]
                for info in zipped.infolist()
            )
    else:
        with tarfile.open(archive) as tar:
            yield (
                _Member(info.name, _kind_in_tar(info), info.size, lambda info=info: tar.extractfile(info))  # type: ignore[misc]
                for info in tar
            )


def _kind_in_tar(info: tarfile.TarInfo) -> str:
    if info.issym() or info.islnk():
        return "a link"
    if info.isdir():
        return "folder"
    return "file" if info.isreg() else "a device or a pipe"


def _kind_zipped(info: zipfile.ZipInfo) -> str:
    mode = info.external_attr >> 16  # as Unix has it; 0 where another system packed it
    if stat.S_ISLNK(mode):
        return "a link"
    if info.is_dir():
        return "folder"
    return "file" if stat.S_IFMT(mode) in (0, stat.S_IFREG) else "a device or a pipe"


def _inside(folder: Path, name: str) -> Path | None:
    """Where `name` comes to lie; None where that is not below `folder`, on any system."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or any(part == ".." or re.search(r"[\\:\0]", part) for part in parts):
        return folder if name in (".", "./") else None
    return folder.joinpath(*parts)


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
