"""Which pictures train, choose and test: shares by arithmetic, and no copy is ever parted."""

from hashlib import sha256

import numpy as np
import pytest
from PIL import Image
from untidy import album, paint

from konvolut.errors import DataError
from konvolut.images.division import taken
from konvolut.images.sources import open_images


def contents(opened, role):
    return set(opened.splits[role].hashes)


def test_a_folder_is_divided_in_every_class_by_the_shares_that_were_asked_for(tmp_path):
    opened = open_images(album(tmp_path, {"cat": 50, "dog": 100}), val=0.25)
    assert opened.classes == ("cat", "dog")
    assert opened.splits["test"].counts(2) == [10, 20]  # 20 %
    assert opened.splits["val"].counts(2) == [10, 20]  # a quarter of the rest
    assert opened.splits["train"].counts(2) == [30, 60]
    assert any(note.startswith("test: 30 of 150 training pictures, 20 % of each class") for note in opened.notes)
    assert any(note.startswith("val: 30 of 120 training pictures, 25 % of each class") for note in opened.notes)


def test_hashes_are_those_of_the_files_and_pictures_are_read_when_asked_for(tmp_path):
    split = open_images(album(tmp_path, {"cat": 3, "dog": 3}), val=0.0).splits["train"]
    for i, name in enumerate(split.names):
        assert split.hashes[i] == sha256((tmp_path / name).read_bytes()).hexdigest()
        assert (split.picture(i) == np.asarray(Image.open(tmp_path / name))).all()
    (tmp_path / split.names[0]).unlink()
    with pytest.raises(DataError, match="no such file"):
        split.picture(0)


def test_the_division_does_not_depend_on_names_or_on_order(tmp_path):
    one = open_images(album(tmp_path / "one", {"cat": 30, "dog": 30}))
    for path in sorted((tmp_path / "one").rglob("*.png")):
        other = tmp_path / "two" / path.parent.name / f"{100 - int(path.stem)} renamed.png"
        other.parent.mkdir(parents=True, exist_ok=True)
        other.write_bytes(path.read_bytes())
    two = open_images(tmp_path / "two")
    assert all(contents(one, role) == contents(two, role) for role in ("train", "val", "test"))
    assert one.digest == two.digest


def test_the_seed_moves_the_validation_part_and_never_the_test_part(tmp_path):
    album(tmp_path, {"cat": 40, "dog": 40})
    first, again, other = (open_images(tmp_path, seed=seed) for seed in (0, 0, 1))
    assert first.digest == again.digest
    assert contents(first, "val") != contents(other, "val")
    assert contents(first, "test") == contents(other, "test")


def test_exact_copies_are_never_parted_even_between_classes(tmp_path):
    album(tmp_path, {"cat": 20, "dog": 20})
    for path in sorted(tmp_path.rglob("*.png")):
        path.with_name(f"copy of {path.name}").write_bytes(path.read_bytes())
    for i in range(10):
        paint(tmp_path / "dog" / f"really a cat {i}.png", i)
    opened = open_images(tmp_path, val=0.3)
    parts = [contents(opened, role) for role in ("train", "val", "test")]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 40
    assert sum(map(len, opened.splits.values())) == 90
    assert "10 pictures are in more than one class" in opened.notes


@pytest.mark.parametrize(("count", "parts"), [(1, (1, 0, 0)), (2, (1, 0, 1)), (3, (1, 1, 1)), (4, (2, 1, 1))])
def test_of_few_pictures_one_always_stays_and_one_leaves_when_there_are_two(tmp_path, count, parts):
    opened = open_images(album(tmp_path, {"few": count, "many": 20}))
    assert tuple(opened.splits[role].counts(2)[0] for role in ("train", "val", "test")) == parts
    assert ("test: no picture of 'few'" in opened.notes) == (count == 1)


def test_copies_of_one_picture_are_one_picture(tmp_path):
    album(tmp_path, {"cat": 10, "dog": 1})
    for i in range(5):
        (tmp_path / "dog" / f"copy {i}.png").write_bytes((tmp_path / "dog" / "0.png").read_bytes())
    opened = open_images(tmp_path)
    assert [split.counts(2)[1] for split in opened.splits.values()].count(0) == 2
    assert opened.splits["train"].counts(2)[1] == 6


def test_no_validation_part_is_made_when_none_is_wanted(tmp_path):
    assert set(open_images(album(tmp_path, {"cat": 5, "dog": 5}), val=0.0).splits) == {"train", "test"}


def test_a_large_folder_costs_in_proportion(tmp_path):
    """Ten thousand labels, divided: quadratic work would take minutes."""
    hashes = tuple(sha256(str(i).encode()).hexdigest() for i in range(10_000))
    assert len(taken(hashes, [i % 10 for i in range(10_000)], 0.2, "test")) == 2_000
