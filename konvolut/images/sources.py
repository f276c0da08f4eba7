"""From what the user names to an ImageSet: folders, packs, tables, array files, and sets that need no files."""

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from konvolut.errors import DataError, RecipeError, nearest
from konvolut.images import arrays, files, public, quarantine, shards
from konvolut.images.division import Given, complete
from konvolut.images.folders import tree
from konvolut.images.imageset import ImageSet
from konvolut.images.tables import table

MADE: dict[str, Callable[[], Given]] = {
    "digits": arrays.digits,
    "drawn": lambda: arrays.drawn("medium"),
    "drawn-easy": lambda: arrays.drawn("easy"),
    "drawn-hard": lambda: arrays.drawn("hard"),
    **{name: partial(public.given, name) for name in public.SETS},
}
_FORMS = "a folder with one folder of pictures a class, a pack, a CSV with the columns path,label, or an .npz"
_SIDED = {"left", "right", "asl"} | {
    word + ending
    for word in ("letter", "digit", "character", "alphabet", "text", "number", "sign")
    for ending in ("", "s")
}
_SIDED_CHINESE = re.compile("[左右]|字母|数字|文字|字符")


def open_images(where: str | Path, val: float = 0.1, seed: int = 0, exclude: str | Path | None = None) -> ImageSet:
    """Open a folder, a pack, a CSV, an `.npz`, a folder of IDX files, or a set that needs no file: digits, drawn, ...

    Without splits, 20 % of each class become the test part, the same for every `seed`. Without a validation part, a
    share `val` of each class's training pictures becomes one (0 = none). Both are chosen by content, so names and order
    do not matter and exact copies stay together; the notes say what was decided. A name wins over a folder of that
    name: write ./digits, or give a Path. `exclude` is a file of names, as `konvolut check --quarantine` writes it: they
    are left out before anything is read. Raises DataError when the data are not what they say; RecipeError for `val`.
    """
    if not 0 <= val < 1:
        raise RecipeError(f"val = {val}; it is a share of the training pictures, at least 0 and less than 1")
    text = str(where)
    if isinstance(where, Path) and text in MADE:
        text = f"./{text}"  # so that what is stored opens the same set again
    if text in MADE:
        name, given = text, complete(_without(MADE[text](), text, exclude), text, val, seed)
    else:
        path = Path(where).expanduser()
        given = _opened(path, text, val, seed, exclude)
        name = path.resolve().name
    mirrors, reason = mirrors_of(text, given.classes)
    left_out = "" if exclude is None else str(exclude)
    return ImageSet(
        name,
        text,
        given.classes,
        given.splits,
        mirrors,
        given.notes + reason,
        val,
        seed,
        exclude=left_out,
        fit=given.fit,
    )


def same(one: str, other: str) -> bool:
    """Do two names mean the same data, however they are spelt?"""
    return one == other or (
        not {one, other} & set(MADE) and Path(one).expanduser().resolve() == Path(other).expanduser().resolve()
    )


def listed(path: Path, text: str, exclude: str | Path | None = None) -> files.Listing | None:
    """The picture files that a folder, a pack or a CSV lists; None where the pictures are arrays. Raises DataError."""
    return _listed(_pack(path, text), path, text, exclude)


def stored(path: Path, text: str) -> Given:
    """The pictures that are arrays, with the splits as they are stored: none is carved. Raises DataError."""
    return _stored(_pack(path, text), path, text)


def _opened(path: Path, text: str, val: float, seed: int, exclude: str | Path | None) -> Given:
    pack = _pack(path, text)
    listing = _listed(pack, path, text, exclude)
    if listing is not None:
        return complete(files.given(listing, text), text, val, seed)
    given = complete(_without(_stored(pack, path, text), text, exclude), text, val, seed)
    return given if pack is None else pack.identified(given)


def _listed(pack: shards.Pack | None, path: Path, text: str, exclude: str | Path | None) -> files.Listing | None:
    if pack is not None:
        listing = pack.listing() if pack.index.decoded is None else None
    elif path.is_dir() and not _holds_idx(path):
        entries, notes = tree(path)
        listing = files.below(path, tuple(entries), notes)
    elif path.suffix.casefold() == ".csv":
        listing = files.below(path.parent, tuple(table(path)))
    else:
        listing = None
    return listing if listing is None or exclude is None else _shortened(listing, text, exclude)


def _stored(pack: shards.Pack | None, path: Path, text: str) -> Given:
    if pack is not None:
        return pack.given()
    if path.is_dir():
        return arrays.idx(path)
    if path.suffix.casefold() == ".npz":
        return arrays.npz(path)
    raise DataError(f"{text}: one file of a kind that holds no set; give {_FORMS}")


def _pack(path: Path, text: str) -> shards.Pack | None:
    """The pack at `path`, if it is one. Raises DataError for what is neither a folder nor a file, and never waits for it."""
    try:
        mode = path.stat().st_mode if text.strip() else 0
    except (FileNotFoundError, NotADirectoryError, ValueError):
        mode = 0
    except OSError as error:
        raise DataError(f"{text}: cannot be opened ({error.strerror}); give {_FORMS}") from None
    if not mode:
        raise _unknown(text)
    if not S_ISDIR(mode) and not S_ISREG(mode):
        raise DataError(f"{text}: neither a file nor a folder; give {_FORMS}")
    return shards.Pack(path) if shards.holds_pack(path) else None


def _holds_idx(path: Path) -> bool:
    try:
        return arrays.holds_idx(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be listed ({error.strerror}); give a folder you may open") from None


def _shortened(listing: files.Listing, where: str, exclude: str | Path) -> files.Listing:
    """What is left of a listing without the names in the file `exclude`."""
    names = set(quarantine.read(Path(exclude)))
    kept = tuple(entry for entry in listing.entries if entry.name not in names)
    _still_there(
        {(entry.role, entry.label) for entry in listing.entries}, {(entry.role, entry.label) for entry in kept},
        where, exclude,
    )  # fmt: skip
    note = _left_out(len(listing.entries) - len(kept), names - {entry.name for entry in listing.entries}, exclude)
    return replace(listing, entries=kept, notes=(*listing.notes, *note))


def _without(given: Given, where: str, exclude: str | Path | None) -> Given:
    """What is left of arrays without the names in the file `exclude`: train/17 is picture 17 of train."""
    if exclude is None:
        return given
    names = set(quarantine.read(Path(exclude)))
    held = {name for split in given.splits.values() for name in split.names}
    splits = {
        role: split.part([i for i, name in enumerate(split.names) if name not in names])
        for role, split in given.splits.items()
    }
    before, after = (
        {(role, given.classes[label]) for role, split in one.items() for label in set(split.labels.tolist())}
        for one in (given.splits, splits)
    )
    _still_there(before, after, where, exclude)
    count = sum(map(len, given.splits.values())) - sum(map(len, splits.values()))
    return replace(given, splits=splits, notes=(*given.notes, *_left_out(count, names - held, exclude)))


def _still_there(before: set[tuple[str, str]], after: set[tuple[str, str]], where: str, exclude: str | Path) -> None:
    """What is left out must not change which classes are learnt, nor make a test set of training pictures."""
    for role, label in lost(before, after):
        if label:
            raise DataError(
                f"{where}: {exclude} leaves out every training picture of {label!r}; shorten it, or add some"
            )
        raise DataError(f"{where}: {exclude} leaves out every picture of {role}; shorten it, or remove that part")


def lost(before: set[tuple[str, str]], after: set[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Of (role, class) before and after some pictures were left out: what no training can go without, and is gone.

    Classes of train; and other roles as a whole, (role, "").
    """
    classes = sorted((role, label) for role, label in before - after if role == "train")
    roles = sorted({role for role, _ in before} - {role for role, _ in after} - {"train"})
    return (*classes, *((role, "") for role in roles))


def _left_out(count: int, strange: set[str], exclude: str | Path) -> tuple[str, ...]:
    notes = [f"left out by {exclude}: {count}"]
    if strange:
        notes.append(f"{exclude}: {len(strange)} of its names are not in the data, the first {min(strange)!r}")
    return tuple(notes)


def _unknown(text: str) -> DataError:
    if Path(text).name == text and not Path(text).suffix and text.strip():
        return DataError(f"{text}: no such folder, and no set of that name{nearest(text, MADE)}")
    return DataError(f"{text!r}: no such file or folder; give {_FORMS}")


def mirrors_of(where: str, classes: tuple[str, ...]) -> tuple[bool, tuple[str, ...]]:
    """Does a picture keep its class when it is mirrored left to right? And, when not, a note with the reason."""
    if where.startswith("drawn") and where in MADE:
        from konvolut.images.drawn import MIRRORS

        return MIRRORS, ()
    sided = next(_sided(classes), None)
    if sided is None:
        return True, ()
    return False, (f"never mirrored: class {sided!r} sounds as if left and right mattered",)


def _sided(classes: tuple[str, ...]) -> Iterator[str]:
    """The classes whose names speak of writing or of sides.

    A single ideograph is a word (cat, dog), unless every class is one: then it is a character to be read.
    """
    for name in classes:
        ideograph = len(name) == 1 and unicodedata.category(name) == "Lo"
        if (
            name.isdigit()
            or (len(name) == 1 and (not ideograph or all(len(other) == 1 for other in classes)))
            or _SIDED & set(re.findall(r"[^\W\d_]+", name.casefold()))
            or _SIDED_CHINESE.search(name)
        ):
            yield name
