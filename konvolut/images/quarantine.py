"""A list of pictures to leave out: one name below the data's root a line, `#` before what is said about them. No torch.

A line feed or carriage return in a name is written \\n or \\r, a backslash \\\\, and a `#` that begins a name \\#. Bytes that
are not UTF-8 stay as they are.
"""

import os
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from stat import S_ISREG
from tempfile import NamedTemporaryFile

from konvolut.errors import DataError

HEADER = "# konvolut quarantine 1"  # a file that begins so is ours to replace


def write(path: Path, names: Mapping[str, str], about: Iterable[str] = ()) -> Path:
    """Write the names, each with why it is there, in their order; `about` are lines of comment above.

    Replaces an earlier list whole. Raises DataError where `path` is any other file, or a folder.
    """
    replaceable(path)
    lines = [HEADER, *(f"# {_one_line(line)}" for line in about)]
    before = None
    for name, why in names.items():
        if why != before:
            lines.append(f"# {_one_line(why)}")
        lines.append(_written(name))
        before = why
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_bytes(("\n".join(lines) + "\n").encode("utf-8", "surrogateescape"))
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def replaceable(path: Path) -> None:
    """Raises DataError where a list may not be written: something else lies there, or nothing may."""
    if os.path.lexists(path) and not _is_list(path):
        raise DataError(
            f"{path}: already there and not a quarantine list; nothing is overwritten, so give another name"
        )
    writable(path)


def read(path: Path) -> tuple[str, ...]:
    """The names in a list, in its order, each once. Raises DataError when there is no such file or a line makes no sense."""
    try:
        if not S_ISREG(path.stat().st_mode):  # a pipe would be waited for
            raise DataError(f"{path}: not a file; give a list of names, one a line")
        text = path.read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; `konvolut check DATA --quarantine {path}` writes one") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); give a list of names, one a line") from None
    if "\0" in text:
        raise DataError(f"{path}: not a list of names; give a text file with one name a line")
    lines = (line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n"))
    return tuple(dict.fromkeys(_name(line, path) for line in lines if line and not line.startswith("#")))


def digest(names: Iterable[str]) -> str:
    """SHA-256 of what a list leaves out; its order, its comments and repeated names do not matter."""
    return sha256("\n".join(sorted(map(_written, set(names)))).encode("utf-8", "surrogateescape")).hexdigest()


def on_one_line(name: str) -> str:
    """A name as it is; one that holds a line feed or a carriage return, as a list has it."""
    return _written(name) if "\n" in name or "\r" in name else name


def writable(path: Path) -> None:
    """Raises DataError where no file can be made; nothing is left there."""
    folder = next(above for above in path.absolute().parents if os.path.lexists(above))
    try:
        with NamedTemporaryFile(dir=folder, prefix=f".{path.name}."):
            pass
    except OSError as error:
        raise DataError(
            f"{path}: cannot be written ({error.strerror}); name a file in a folder that you may write to"
        ) from None


def _is_list(path: Path) -> bool:
    try:
        if not S_ISREG(path.stat().st_mode):
            return False
        with path.open("rb") as file:
            return file.readline().rstrip() == HEADER.encode()
    except OSError:
        return False


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _written(name: str) -> str:
    assert name, "a picture has a name"
    escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    return "\\" + escaped if name.startswith(("#", "\ufeff")) else escaped


def _name(line: str, path: Path) -> str:
    parts, rest = [], iter(line)
    for letter in rest:
        meant = (
            letter
            if letter != "\\"
            else {"n": "\n", "r": "\r", "\\": "\\", "#": "#", "\ufeff": "\ufeff"}.get(next(rest, ""))
        )
        if meant is None:
            raise DataError(
                f"{path}: {line!r}: a backslash stands before n, r, # or another; write \\\\ for one in a name"
            )
        parts.append(meant)
    return "".join(parts)
