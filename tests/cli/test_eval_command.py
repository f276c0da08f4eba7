"""`konvolut eval` and `konvolut classic` with a list of what is left out."""

import json

import pytest
from spoken import konvolut
from untidy import album

from konvolut.images.sources import open_images
from konvolut.training.course import train


@pytest.fixture
def say(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return lambda *words: konvolut(capsys, monkeypatch, *words)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Trained on two classes of ten pictures, less the one that a list names; its test part was carved."""
    monkeypatch.chdir(tmp_path)
    album(tmp_path / "photos", {"cat": 10, "dog": 10})
    (tmp_path / "list.txt").write_text("# by hand\ncat/0.png\n")
    return train(open_images("photos", exclude="list.txt"), "lenet", out="run", exclude="list.txt", epochs=1, batch=4)


OTHERS = "training left out other pictures of photos, so some of these may be ones it learnt from"


def test_a_list_that_was_edited_after_training_is_noticed(run, say, tmp_path):
    assert OTHERS not in say("eval", "run", "photos").err
    (tmp_path / "list.txt").write_text("cat/0.png\n\n# another comment, and one name twice\ncat/0.png\n")
    assert OTHERS not in say("eval", "run", "photos").err
    (tmp_path / "list.txt").write_text("cat/0.png\ncat/1.png\n")
    told = say("eval", "run", "photos", "--json")
    assert (told.status, told.err.splitlines().count(OTHERS)) == (0, 1)
    assert json.loads(told.out)["split"] == "test"


def test_eval_takes_a_list_of_its_own(run, say, tmp_path):
    """Of one more test picture that is left out, the count is one less; of other data, nothing is said of training."""
    album(tmp_path / "more" / "train", {"cat": 2, "dog": 2}, first=100)
    album(tmp_path / "more" / "test", {"cat": 3, "dog": 3}, first=200)
    (tmp_path / "other.txt").write_text("test/cat/1.png\n")
    told = say("eval", "run", "more", "--exclude", "other.txt", "--json")
    assert json.loads(told.out)["n"] == 5
    assert "left out by other.txt: 1" in told.err
    assert "training left out" not in told.err
    (tmp_path / "other.txt").write_text("dog/3.png\n")
    assert OTHERS in say("eval", "run", "photos", "--exclude", "other.txt").err
    assert "DataError: gone.txt: no such file" in say("eval", "run", "more", "--exclude", "gone.txt").err


def test_a_run_from_before_lists_had_digests_is_taken_at_its_word(run, say):
    card = json.loads((run.path / "card.json").read_text())
    del card["data"]["excluded"]
    (run.path / "card.json").write_text(json.dumps(card))
    assert OTHERS not in say("eval", "run", "photos").err


def test_classic_takes_a_list(say, tmp_path):
    album(tmp_path / "photos", {"cat": 10, "dog": 10})
    (tmp_path / "photos" / "dog" / "bad.png").write_bytes(b"this is text")
    assert say("classic", "photos", "--features", "raw").status == 2
    (tmp_path / "a list.txt").write_text("dog/bad.png\n")
    told = say("classic", "photos", "--features", "raw", "--exclude", "a list.txt", "--out", "run")
    assert told.status == 0, told.err
    assert "left out by a list.txt: 1" in told.err
    assert told.out.splitlines()[-1] == "  konvolut train photos --set exclude='a list.txt'"
    assert json.loads((tmp_path / "run" / "card.json").read_text())["data"]["exclude"] == "a list.txt"
