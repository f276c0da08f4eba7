"""`konvolut predict`: what a folder and a pack stand for, and one line a picture."""

import json
import os

import numpy as np
import pytest
import torch
from PIL import Image
from spoken import konvolut

from konvolut.images.packing import pack
from konvolut.images.shards import Decoded
from konvolut.nets.open import build

NAMES = ("cat/0.png", "cat/more/1.png", "dog/0.png", "dog/1.png")


@pytest.fixture
def say(capsys, monkeypatch, tmp_path):
    """`predict` of an untrained LeNet whose weights lie in a file: no training is needed to answer."""
    monkeypatch.chdir(tmp_path)
    torch.save(build("lenet@d2l", seed=9).state_dict(), "lenet.pt")
    return lambda *words: konvolut(capsys, monkeypatch, "predict", "lenet@d2l", "--weights", "lenet.pt", *words)


@pytest.fixture
def pets(tmp_path):
    """Four grey squares of LeNet's own size, so that nothing is resized."""
    for seed, name in enumerate(NAMES):
        path = tmp_path / "pets" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        values = np.random.default_rng(seed).integers(0, 256, (28, 28), dtype=np.uint8)
        Image.fromarray(values).save(path)
    return tmp_path / "pets"


def answers(told) -> dict[str, list]:
    return {one["path"]: one["labels"] for one in json.loads(told.out)}


def test_a_folder_is_its_pictures_and_what_was_passed_over_is_counted(say, pets):
    (pets / "notes.txt").write_text("two of each")
    (pets / "cat" / "list.csv").write_text("path,label\n")
    os.mkfifo(pets / "dog" / "pipe.png")
    (pets / "dog" / "up").symlink_to(pets)
    (pets / ".hidden.png").write_bytes(b"no picture")
    (pets / "Thumbs.db").write_bytes(b"no picture")
    told = say("pets", "--json")
    assert told.status == 0
    assert list(answers(told)) == [f"pets/{name}" for name in NAMES]
    assert told.err == "passed over, as no pictures: 4, the first pets/cat/list.csv\n"


def test_a_picture_that_cannot_be_read_is_told_and_the_status_is_1(say, pets):
    (pets / "cat" / "bad.png").write_bytes(b"this is text")
    (pets / "dog" / "gone.png").symlink_to(pets / "nowhere.png")
    told = say("pets", "--json")
    assert (told.status, len(answers(told))) == (1, 4)
    bad, gone = told.err.splitlines()
    assert bad.startswith("DataError: pets/cat/bad.png: not an image")
    assert gone == "DataError: pets/dog/gone.png: a link that leads to no file; mend it, or remove it"


def test_a_folder_without_a_picture_is_told(say, tmp_path):
    (tmp_path / "none").mkdir()
    assert (say("none").status, say("none").err) == (1, "no pictures there\n")


def test_a_pack_is_answered_for_as_its_files_are(say, pets):
    pack(pets, "packed")
    pack(pets, "squares", Decoded(28, "pad"))
    files = answers(say("pets", "--json", "--top", "10"))
    for name in ("packed", "squares"):
        told = say(name, "--json", "--top", "10")
        assert (told.status, told.err) == (0, "")
        assert {f"pets/{path}": labels for path, labels in answers(told).items()} == files
    assert list(answers(say("packed", "pets/dog/1.png", "--json")))[-1] == "pets/dog/1.png"


def test_a_damaged_pack_is_told_picture_by_picture(say, pets):
    pack(pets, "packed")
    (shard,) = (pets.parent / "packed").glob("*.tar")
    data = bytearray(shard.read_bytes())
    data[512 + 20] ^= 1  # in the first picture, behind the 512 bytes of its member's head
    shard.write_bytes(data)
    told = say("packed", "--json")
    assert (told.status, len(answers(told))) == (1, 3)
    assert "is not what was packed" in told.err


def test_one_picture_is_one_line_whatever_it_is_called(say, pets):
    os.rename(pets / "cat" / "0.png", pets / "cat" / "two\nlines\\.png")
    os.rename(pets / "dog" / "0.png", pets / "dog" / "back\\slash\r.png")
    os.rename(pets / "dog" / "1.png", pets / "dog" / "back\\slash.png")
    lines = say("pets").out.splitlines()
    assert [line.rpartition(".png  ")[0] for line in lines] == [
        "pets/cat/more/1",
        r"pets/cat/two\nlines\\",
        r"pets/dog/back\\slash\r",
        r"pets/dog/back\slash",
    ]
    (pets / "dog" / "a\nb.png").write_bytes(b"this is text")
    assert say("pets").err.count("\n") == 1
