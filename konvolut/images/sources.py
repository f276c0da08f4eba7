"""From what the user names to an ImageSet: folders, tables, array files, and sets that need no files."""

import re
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

from konvolut.errors import DataError, RecipeError, nearest
from konvolut.images import arrays, files
from konvolut.images.division import Given, complete
from konvolut.images.folders import tree
from konvolut.images.imageset import ImageSet
from konvolut.images.tables import table

MADE: dict[str, Callable[[], Given]] = {
    "digits": arrays.digits,
    "drawn": lambda: arrays.drawn("medium"),
    "drawn-easy": lambda: arrays.drawn("easy"),
    "drawn-hard": lambda: arrays.drawn("hard"),
}
_COMING = {  # name -> which files do instead
    "mnist": "a folder that holds its four IDX files",
    "fashion-mnist": "a folder that holds its four IDX files",
    "cifar10": "an .npz with x_train, y_train, x_test, y_test",
    "cifar100": "an .npz with x_train, y_train, x_test, y_test",
}
_FORMS = "a folder with one folder of pictures a class, a CSV with the columns path,label, or an .npz"
_SIDED = {"left", "right", "asl"} | {
    word + ending
    for word in ("letter", "digit", "character", "alphabet", "text", "number", "sign")
    for ending in ("", "s")
}
_SIDED_CHINESE = re.compile("[左右]|字母|数字|文字|字符")


def open_images(where: str | Path, val: float = 0.1, seed: int = 0) -> ImageSet:
    """Open a folder, a CSV, an `.npz`, a folder of IDX files, or a set that needs no file: digits, drawn, drawn-...

    Without splits, 20 % of each class become the test part, the same for every `seed`. Without a validation part, a
    share `val` of each class's training pictures becomes one (0 = none). Both are chosen by content, so names and order
    do not matter and exact copies stay together; the notes say what was decided. A name wins over a folder of that
    name: write ./digits, or give a Path. Raises DataError when the data are not what they say; RecipeError for `val`.
    """
    if not 0 <= val < 1:
        raise RecipeError(f"val = {val}; it is a share of the training pictures, at least 0 and less than 1")
    text = str(where)
    if isinstance(where, Path) and text in MADE:
        text = f"./{text}"  # so that what is stored opens the same set again
    if text in MADE:
        name, given = text, complete(MADE[text](), text, val, seed)
    else:
        path = Path(where).expanduser()
        name, given = path.resolve().name, complete(_from_path(path, text), text, val, seed)
    mirrors, reason = _mirrors(text, given.classes)
    return ImageSet(name, text, given.classes, given.splits, mirrors, given.notes + reason, val, seed)


def listed(path: Path, text: str) -> files.Listing | None:
    """The picture files that a folder or a CSV lists; None where the pictures are arrays. Raises DataError."""
    if not text.strip() or not path.exists():
        raise _unknown(text)
    if path.is_dir() and not arrays.holds_idx(path):
        entries, notes = tree(path)
        return files.below(path, tuple(entries), notes)
    if path.suffix.casefold() == ".csv":
        return files.below(path.parent, tuple(table(path)))
    return None


def _from_path(path: Path, text: str) -> Given:
    listing = listed(path, text)
    if listing is not None:
        return files.given(listing, text)
    if path.is_dir():
        return arrays.idx(path)
    if path.suffix.casefold() == ".npz":
        return arrays.npz(path)
    raise DataError(f"{text}: one file of a kind that holds no set; give {_FORMS}")


def _unknown(text: str) -> DataError:
    if text in _COMING:
        return DataError(f"{text}: downloads are not included yet; give {_COMING[text]}")
    if Path(text).name == text and not Path(text).suffix and text.strip():
        return DataError(f"{text}: no such folder, and no set of that name{nearest(text, [*MADE, *_COMING])}")
    return DataError(f"{text!r}: no such file or folder; give {_FORMS}")


def _mirrors(where: str, classes: tuple[str, ...]) -> tuple[bool, tuple[str, ...]]:
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
