"""What a user can get wrong: one line on stderr that says what, where and what would work; status 2; nothing written."""

import json
import re

import pytest
from PIL import Image
from spoken import konvolut
from untidy import album

from konvolut.images.sources import open_images
from konvolut.training.course import train


@pytest.fixture
def say(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return lambda *words: konvolut(capsys, monkeypatch, *words)


def no_folder(root):
    return ["train", "photos"], r"DataError: photos: .*no such"


def empty_folder(root):
    (root / "photos").mkdir()
    return ["train", "photos"], r"DataError: photos: .*(empty|no )"


def one_class(root):
    album(root / "photos", {"cat": 5})
    return ["train", "photos"], r"DataError: photos.*'?cat'?"


def a_class_without_a_picture(root):
    album(root / "photos", {"cat": 5, "dog": 5})
    (root / "photos" / "eel").mkdir()
    (root / "photos" / "eel" / "notes.txt").write_text("none")
    return ["train", "photos"], r"DataError: .*eel.*no (readable )?picture"


def no_image(root):
    album(root / "photos", {"cat": 5, "dog": 5})
    (root / "photos" / "cat" / "x.jpg").write_bytes(b"this is text")
    return ["train", "photos"], r"DataError: .*cat/x\.jpg: not an image"


def cut_off_jpeg(root):
    album(root / "photos", {"cat": 9, "dog": 9})
    file = root / "photos" / "cat" / "cut.jpg"
    Image.effect_noise((300, 300), 90).save(file)
    file.write_bytes(file.read_bytes()[:9000])
    return ["train", "photos", "--net", "lenet"], r"DataError: .*cut\.jpg: cut short"


def unknown_net(root):
    album(root / "photos", {"cat": 9, "dog": 9})
    return ["train", "photos", "--net", "resnet-19"], r"ArchError: net 'resnet-19' .*did you mean 'resnet-"


def net_too_large(root):
    album(root / "photos", {"cat": 9, "dog": 9})
    return ["train", "photos", "--net", "vgg-11", "--size", "16"], r"ArchError: vgg-11, row pool5.*32 px is the least"


def batch_too_large(root):
    album(root / "photos", {"cat": 9, "dog": 9})
    return ["train", "photos", "--net", "lenet", "--batch", "64"], r"RecipeError: batch = 64, but only \d+ pictures"


def unknown_field(root):
    album(root / "photos", {"cat": 9, "dog": 9})
    return ["train", "photos", "--set", "warm=1"], r"RecipeError: no field 'warm'.*did you mean 'warmup'"


def classes_that_differ(root):
    album(root / "photos" / "train", {"cat": 9, "dog": 9})
    album(root / "photos" / "test", {"cat": 3, "eel": 3}, first=99)
    return ["train", "photos"], r"DataError: .*eel"


def missing_csv_file(root):
    album(root / "photos", {"cat": 9, "dog": 9})
    (root / "list.csv").write_text("path,label\nphotos/cat/0.png,cat\nphotos/dog/77.png,dog\n")
    return ["train", "list.csv"], r"DataError: list\.csv.*3.*photos/dog/77\.png"


def run_of_another_version(root):
    (root / "run").mkdir()
    (root / "run" / "card.json").write_text(json.dumps({"format": 0}))
    return ["eval", "run", "digits"], r"RunError: run: a run folder of format 0; this version reads 1"


def missing_picture(root):
    trained(root)
    return ["predict", "run", "gone.png"], r"DataError: gone\.png: no such"


def folder_in_use(root):
    album(root / "photos", {"cat": 9, "dog": 9})
    (root / "kept").mkdir()
    (root / "kept" / "thesis.txt").write_text("mine")
    return ["train", "photos", "--net", "lenet", "--out", "kept"], r"RunError: kept: not empty.*another --out"


def unknown_command(root):
    return ["trian"], r"no command 'trian'; did you mean 'train'"


def unknown_claim(root):
    return ["lab", "run", "A99"], r"ClaimError: no claim 'A99'; did you mean 'A9'"


def two_seeds(root):
    return ["lab", "run", "A9", "--seeds", "2"], r"ClaimError: A9: 2 seeds; at least 3"


def recipe_that_is_a_folder(root):
    album(root / "photos", {"cat": 9, "dog": 9})
    return ["train", "photos", "--recipe", "photos"], r"photos: Is a directory"


def report_over_a_file(root):
    trained(root)
    (root / "thesis.html").write_text("mine")
    return [
        "report",
        "run",
        "--out",
        "thesis.html",
    ], r"RunError: thesis\.html: already there, and nothing is overwritten"


def settings_of_a_resumed_run(root):
    trained(root)
    return ["train", "--resume", "run", "--epochs", "9"], r"RecipeError: --resume run: .*leave out --epochs"


def share_that_is_a_word(root):
    album(root / "photos", {"cat": 9, "dog": 9})
    return ["train", "photos", "--set", "val=abc"], r"RecipeError: val = 'abc'"


def unknown_device(root):
    album(root / "photos", {"cat": 9, "dog": 9})
    return ["train", "photos", "--net", "lenet", "--device", "abacus"], r"RunError: device 'abacus'"


def unknown_language(root):
    return ["--lang", "xx", "nets"], r"xx.*en.*zh"


def trained(root):
    images = open_images(album(root / "photos", {"cat": 9, "dog": 9}))
    train(images, "lenet", out=root / "run", epochs=1, batch=4)


CASES = (
    no_folder, empty_folder, one_class, a_class_without_a_picture, no_image, cut_off_jpeg, unknown_net, net_too_large,
    batch_too_large, unknown_field, classes_that_differ, missing_csv_file, run_of_another_version, missing_picture,
    folder_in_use, unknown_command, unknown_claim, two_seeds, recipe_that_is_a_folder,
    report_over_a_file, settings_of_a_resumed_run, share_that_is_a_word, unknown_device, unknown_language,
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.__name__)
def test_one_line_status_two_and_nothing_half_written(case, say, tmp_path):
    words, gist = case(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    told = say(*words)
    assert told.status == 2
    *progress, line = told.err.strip().splitlines()
    assert re.search(gist, line), told.err
    assert not progress, "an error is one line, and comes before anything is announced"
    assert not told.out
    assert sorted(tmp_path.rglob("*")) == before


def test_a_picture_that_cannot_be_read_is_skipped_beside_ones_that_can(say, tmp_path):
    trained(tmp_path)
    (tmp_path / "bad.png").write_bytes(b"no")
    told = say("predict", "run", "photos/cat/0.png", "bad.png", "--json")
    assert told.status == 1
    assert "bad.png" in told.err
    assert [a["path"] for a in json.loads(told.out)] == ["photos/cat/0.png"]
