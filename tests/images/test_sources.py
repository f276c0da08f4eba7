"""From what the user names to an ImageSet: what is found, how it is divided, and what each mistake is told."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from untidy import CLASSES, album, paint, untidy

from konvolut.errors import DataError, RecipeError
from konvolut.images.packing import pack
from konvolut.images.shards import Decoded
from konvolut.images.sources import open_images

# ---- folders with splits


def test_classes_are_matched_by_name_and_not_by_place(tmp_path):
    album(tmp_path / "train", {"ant": 4, "bee": 4, "cow": 4})
    album(tmp_path / "test", {"cow": 2, "bee": 1}, first=50)
    opened = open_images(tmp_path)
    assert opened.classes == ("ant", "bee", "cow")
    assert opened.splits["test"].counts(3) == [0, 1, 2]
    assert "test: no picture of 'ant'" in opened.notes
    assert opened.splits["train"].counts(3) == [3, 3, 3]


@pytest.mark.parametrize("word", ["val", "validation", "Valid"])
def test_a_validation_folder_is_used_as_it_is_and_no_test_is_made_up(tmp_path, word):
    album(tmp_path / "train", {"cat": 5, "dog": 5})
    album(tmp_path / word, {"cat": 2, "dog": 2}, first=50)
    opened = open_images(tmp_path)
    assert {role: len(split) for role, split in opened.splits.items()} == {"train": 10, "val": 4}
    assert any("validation figure was used for choices" in note for note in opened.notes)


def test_accents_stored_in_two_ways_are_one_class(tmp_path):
    album(tmp_path / "train", {"caf\u00e9": 3, "tea": 3})
    album(tmp_path / "test", {"cafe\u0301": 2, "tea": 2}, first=50)
    assert open_images(tmp_path).splits["test"].counts(2) == [2, 2]


def test_a_class_may_be_called_train_when_others_stand_beside_it(tmp_path):
    assert open_images(album(tmp_path, {"bus": 3, "train": 3})).classes == ("bus", "train")


def test_pictures_that_are_in_training_and_in_test_are_counted(tmp_path):
    album(tmp_path / "train", {"cat": 5, "dog": 5})
    album(tmp_path / "test", {"cat": 2, "dog": 2}, first=3)  # 3, 4 and 5, 6 of the ten
    assert "test: 4 of its pictures are exact copies of training pictures" in open_images(tmp_path, val=0.0).notes


# ---- the made untidy folder


def test_an_untidy_folder_opens_whole(tmp_path):
    opened = open_images(untidy(tmp_path / "untidy"))
    assert opened.classes == tuple(sorted(CLASSES))
    assert sum(map(len, opened.splits.values())) == 4 * 12 + 1 + 4 * 4
    assert opened.notes[0] == "passed over, as no pictures of a class: 1, the first train/red_disc/notes.txt"
    assert any("/more of them/" in name for name in opened.splits["train"].names)
    assert not any(".cache" in name or "Thumbs" in name for split in opened.splits.values() for name in split.names)
    assert opened.mirrors
    for split in opened.splits.values():
        for i in range(len(split)):
            assert split.picture(i).mean() > 100, split.names[i]  # a light ground; what is hidden below alpha is black


def test_the_untidy_folder_is_made_the_same_each_time(tmp_path):
    first, again, other = (open_images(untidy(tmp_path / str(i), 4, seed)).digest for i, seed in enumerate((0, 0, 1)))
    assert first == again != other


def test_links_to_files_are_followed_and_loops_are_not(tmp_path):
    album(tmp_path / "set", {"cat": 3, "dog": 3})
    outside = paint(tmp_path / "elsewhere" / "x.png", 77)
    try:
        (tmp_path / "set" / "cat" / "link.png").symlink_to(outside)
        (tmp_path / "set" / "cat" / "loop").symlink_to(tmp_path / "set", target_is_directory=True)
        (tmp_path / "set" / "up").symlink_to(tmp_path, target_is_directory=True)
        (tmp_path / "set" / "cow").symlink_to(outside.parent, target_is_directory=True)
    except OSError:
        pytest.skip("this system makes no links")
    opened = open_images(tmp_path / "set", val=0.0)
    assert opened.classes == ("cat", "cow", "dog")
    assert sum(np.array(split.counts(3)) for split in opened.splits.values()).tolist() == [4, 1, 3]


# ---- what is wrong with a folder


def test_each_mistake_in_a_folder_is_one_line_with_what_would_work(tmp_path):
    def told(name: str) -> str:
        with pytest.raises(DataError) as caught:
            open_images(tmp_path / name)
        assert "\n" not in str(caught.value)
        return str(caught.value).replace(f"{tmp_path}/", "")

    works = "no class folders; put the pictures of each class in a folder of its own"
    (tmp_path / "empty").mkdir()
    assert told("empty") == f"empty: {works}"
    paint(tmp_path / "flat" / "1.png", 1)
    assert told("flat") == f"flat: {works}"
    album(tmp_path / "one", {"cat": 3})
    assert told("one") == "one: one class only ('cat'); give pictures of at least two classes"
    album(tmp_path / "hollow", {"cat": 3, "dog": 0})
    assert told("hollow") == "hollow/dog: a class folder with no picture; add some, or remove the folder"
    album(tmp_path / "more" / "train", {"cat": 2, "dog": 2})
    album(tmp_path / "more" / "test", {"cow": 1})
    assert "class 'cow' is in test but not in train; add it there" in told("more")
    album(tmp_path / "only" / "test", {"cat": 2, "dog": 2})
    assert told("only") == "only: test without train; add a folder named train, with one folder a class"
    album(tmp_path / "twice" / "train", {"cat": 2, "dog": 2})
    album(tmp_path / "twice" / "val", {"cat": 1})
    album(tmp_path / "twice" / "validation", {"cat": 1})
    assert told("twice") == "twice: val and validation both mean val; merge them"
    album(tmp_path / "bare" / "train", {"cat": 2, "dog": 2})
    paint(tmp_path / "bare" / "test" / "1.png", 1)
    assert told("bare") == f"bare/test: {works}, or move it away"
    album(tmp_path / "odd", {"cat": 2, "dog": 2}, first=9)
    (tmp_path / "odd" / "dog" / "x.jpg").write_text("<html>404</html>")
    assert told("odd").startswith("odd/dog/x.jpg: a web page")
    assert "none': no such file or folder; give a folder with one folder of pictures a class, a pack, a CSV" in told(
        "none"
    )
    (tmp_path / "set.zip").write_bytes(b"PK")
    assert "set.zip: one file of a kind that holds no set; give a folder" in told("set.zip")


def test_a_picture_cut_short_is_refused_when_it_is_loaded(tmp_path):
    album(tmp_path, {"cat": 1, "dog": 1})
    noise = np.random.default_rng(0).integers(0, 256, (30, 30, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "cat" / "0.png")
    (tmp_path / "cat" / "0.png").write_bytes((tmp_path / "cat" / "0.png").read_bytes()[:900])
    split = open_images(tmp_path, val=0.0).splits["train"]
    with pytest.raises(DataError, match=r"cat.0\.png: cut short"):
        split.picture(0)


@pytest.mark.parametrize("val", [-0.1, 1.0, 1.5])
def test_a_share_outside_0_to_1_is_refused(tmp_path, val):
    with pytest.raises(RecipeError, match=f"val = {val}; it is a share of the training pictures"):
        open_images(tmp_path, val=val)


# ---- names, and the mirror


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("digit", "digit: no such folder, and no set of that name; did you mean 'digits'"),
        ("drawnhard", "did you mean 'drawn-hard'"),
        ("mnst", "mnst: no such folder, and no set of that name; did you mean 'mnist'"),
        ("", "'': no such file or folder; give a folder"),
    ],
)
def test_an_unknown_name_offers_what_would_work(name, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=message):
        open_images(name)


def test_a_path_wins_over_a_name_when_it_is_written_as_one(tmp_path, monkeypatch):
    monkeypatch.chdir(album(tmp_path, {"drawn/cat": 3, "drawn/dog": 3}))
    for where in ("./drawn", Path("drawn")):
        opened = open_images(where)
        assert (opened.classes, opened.where, opened.name) == (("cat", "dog"), "./drawn", "drawn")


@pytest.mark.parametrize(
    ("classes", "mirrors"),
    [
        ("cat dog", True),
        ("signature context", True),  # the words are whole
        ("A B", False),
        ("0 12", False),
        ("turn-left turn-right", False),
        ("hands_asl cat", False),
        ("road_signs cat", False),
        ("左转 停", False),
        ("猫 小狗", True),  # one of two is a single ideograph: a word
        ("永 字", False),  # all are: characters to be read
    ],
)
def test_classes_that_speak_of_writing_or_of_sides_are_never_mirrored(tmp_path, classes, mirrors):
    opened = open_images(album(tmp_path, dict.fromkeys(classes.split(), 2)))
    assert opened.mirrors == mirrors
    assert any(note.startswith("never mirrored: class") for note in opened.notes) != mirrors


# ---- names that are left out


def test_names_in_a_list_are_left_out_before_any_file_is_read(tmp_path):
    album(tmp_path / "set", {"cat": 4, "dog": 4})
    (tmp_path / "set" / "dog" / "bad.jpg").write_bytes(b"<html>404</html>")
    (tmp_path / "list").write_text("# said by nobody\ndog/bad.jpg\ncat/1.png\ncow/7.png\n")
    opened = open_images(tmp_path / "set", val=0.0, exclude=tmp_path / "list")
    names = {name for split in opened.splits.values() for name in split.names}
    assert names == {f"{label}/{i}.png" for label in ("cat", "dog") for i in range(4)} - {"cat/1.png"}
    assert opened.notes[:2] == (
        f"left out by {tmp_path / 'list'}: 2",
        f"{tmp_path / 'list'}: 1 of its names are not in the data, the first 'cow/7.png'",
    )
    again = open_images(opened.where, opened.val, opened.seed, opened.exclude)
    assert again.digest == opened.digest
    assert open_images(album(tmp_path / "other", {"cat": 2, "dog": 2})).exclude == ""


def test_pictures_without_a_file_are_left_out_by_their_number(tmp_path):
    pictures = np.arange(8, dtype=np.uint8).repeat(12).reshape(8, 2, 2, 3)
    np.savez(tmp_path / "a.npz", x_train=pictures, y_train=[0, 1] * 4, x_test=pictures + 9, y_test=[0, 1] * 4)
    (tmp_path / "list").write_text("train/3\ntest/0\n")
    opened = open_images(tmp_path / "a.npz", val=0.0, exclude=tmp_path / "list")
    assert opened.splits["train"].names == tuple(f"train/{i}" for i in (0, 1, 2, 4, 5, 6, 7))
    assert opened.splits["train"].picture(3).max() == 4
    assert opened.splits["test"].names == tuple(f"test/{i}" for i in range(1, 8))
    assert f"left out by {tmp_path / 'list'}: 2" in opened.notes


@pytest.mark.parametrize("kind", ["folder", "arrays"])
def test_a_list_that_leaves_nothing_of_a_class_or_of_a_part_is_refused(tmp_path, kind):
    if kind == "folder":
        where = tmp_path / "set"
        album(where / "train", {"cat": 2, "dog": 2})
        album(where / "test", {"cat": 1}, first=50)
        cats, tests = ["train/cat/0.png", "train/cat/1.png"], ["test/cat/0.png"]
    else:
        where = tmp_path / "a.npz"
        pictures = np.arange(4, dtype=np.uint8).repeat(4).reshape(4, 2, 2)
        np.savez(where, x_train=pictures, y_train=[0, 0, 1, 1], x_test=pictures[:1], y_test=[0], classes=["cat", "dog"])
        cats, tests = ["train/0", "train/1"], ["test/0"]
    (tmp_path / "list").write_text("\n".join(cats))
    with pytest.raises(DataError, match="list leaves out every training picture of 'cat'; shorten it"):
        open_images(where, exclude=tmp_path / "list")
    (tmp_path / "list").write_text("\n".join(tests))
    with pytest.raises(DataError, match="list leaves out every picture of test; shorten it"):
        open_images(where, exclude=tmp_path / "list")
    with pytest.raises(DataError, match="gone: no such file"):
        open_images(where, exclude=tmp_path / "gone")


def test_a_pack_leaves_out_what_its_folder_does(tmp_path):
    album(tmp_path / "set", {"cat": 9, "dog": 9})
    pack(tmp_path / "set", tmp_path / "pack")
    pack(tmp_path / "set", tmp_path / "arrays", Decoded(2, "pad"))
    (tmp_path / "list").write_text("cat/3.png\n")
    one, two, three = (open_images(tmp_path / name, exclude=tmp_path / "list") for name in ("set", "pack", "arrays"))
    assert one.digest == two.digest != open_images(tmp_path / "set").digest
    assert {role: split.names for role, split in three.splits.items()} == {
        role: split.names for role, split in one.splits.items()
    }
