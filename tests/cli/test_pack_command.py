"""`konvolut pack`, from words to a folder."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from untidy import album

from konvolut.cli.pack import command
from konvolut.errors import DataError
from konvolut.images.sources import open_images


@pytest.fixture
def say(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    album(tmp_path / "pictures", {"cat": 6, "dog": 6})
    return lambda *words: CliRunner().invoke(command, words)


def test_the_last_lines_say_what_there_is_and_what_to_type_next(say, tmp_path):
    told = say("pictures", "my pack", "--shard-size", "0.01")
    assert told.exit_code == 0, told.output
    size = sum(path.stat().st_size for path in (tmp_path / "my pack").glob("*.tar"))
    assert told.stdout.splitlines() == [
        "my pack: 2 classes; pictures: train 12",
        f"shards: {len(list((tmp_path / 'my pack').glob('*.tar')))}, {size / 1e6:.1f} MB",
        "next:",
        "  konvolut train 'my pack'",
    ]
    assert open_images("my pack").digest == open_images("pictures").digest
    assert "of them, were there already: 3" in say("pictures", "my pack", "--shard-size", "0.01").stdout


def test_json_is_nothing_but_json(say, tmp_path):
    told = json.loads(say("pictures", "out", "--size", "8", "--fit", "crop", "--json").stdout)
    assert told == {
        "path": str(tmp_path / "out"),
        "classes": 2,
        "pictures": {"train": 12},
        "shards": 1,
        "bytes": (tmp_path / "out" / "train-000000.tar").stat().st_size,
        "kept": 0,
        "decoded": {"size": 8, "fit": "crop"},
    }
    assert open_images("out").splits["train"].picture(0).shape == (8, 8, 3)


def test_the_folder_stays_as_it_is_and_notes_go_to_stderr(say, tmp_path):
    (tmp_path / "pictures" / "cat" / "notes.txt").write_text("cats")
    (tmp_path / "list").write_text("cat/0.png\n")
    told = say("pictures", "out", "--exclude", "list")
    assert "passed over, as no pictures of a class: 1" in told.stderr
    assert "left out by list: 1" in told.stderr
    assert "train 11" in told.stdout
    assert len(list((tmp_path / "pictures").rglob("*.*"))) == 13


def test_mistakes_are_told(say, tmp_path):
    assert (
        "--fit says how a picture becomes a square; give --size too" in say("pictures", "out", "--fit", "crop").output
    )
    assert say("pictures", "out", "--size", "0").exit_code == 2
    told = say("pictures", "pictures")
    assert isinstance(told.exception, DataError)
    assert "lies in pictures" in str(told.exception)
    assert not (tmp_path / "out").exists()


def test_ctrl_c_says_how_to_go_on_and_keeps_what_is_finished(say, tmp_path):
    """A real signal, sent as the third shard is begun: two are whole, and the same command does not write them again."""
    code = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell may have told its children to ignore it
        "from konvolut.cli.pack import command\n"
        "def hook(event, args):\n"
        "    if event == 'open' and str(args[0]).endswith('train-000002.tar.part'):\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.addaudithook(hook)\n"
        "command(['pictures', 'out', '--shard-size', '0.004'])\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False, env=os.environ
    )
    assert told.returncode == 130
    assert told.stderr == "stopped; the same command goes on from here\n"
    assert not (tmp_path / "out").exists()
    whole = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out.part").iterdir()}
    assert sorted(whole) == ["train-000000.tar", "train-000001.tar"]
    again = say("pictures", "out", "--shard-size", "0.004")
    assert again.exit_code == 0
    assert "of them, were there already: 2" in again.stdout
    assert {name: (tmp_path / "out" / name).stat().st_mtime_ns for name in whole} == whole
    assert say("pictures", "other", "--shard-size", "0.004").exit_code == 0
    packed = [{path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("out", "other")]
    assert packed[0] == packed[1]
    assert len(packed[0]) > 3


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            "clean.tar",
            "clean.tar: one file of a kind that holds no set; give a folder with one folder of pictures a class",
        ),
        ("digts", "digts: no such folder, and no set of that name; did you mean 'digits'?"),
        ("digits", "digits: its pictures are arrays already, and need no packing"),
        ("set.npz", "set.npz: its pictures are arrays already, and need no packing"),
    ],
)
def test_what_cannot_be_packed_is_told_as_on_opening_it(say, tmp_path, data, said):
    (tmp_path / "clean.tar").write_bytes(bytes(10240))
    np.savez(tmp_path / "set.npz", x_train=np.zeros((4, 8, 8), np.uint8), y_train=np.arange(4) % 2)
    told = say(data, "out")
    assert isinstance(told.exception, DataError)
    assert str(told.exception).startswith(said)


def test_help_shows_one_real_example(say):
    assert "konvolut pack photos/ photos-packed" in say("--help").output
