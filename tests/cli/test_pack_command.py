"""`konvolut pack`, from words to a folder."""

import json
import os
import subprocess
import sys

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


def test_ctrl_c_says_how_to_go_on(say, tmp_path):
    """A real signal, sent while the first picture is being read."""
    code = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell may have told its children to ignore it
        "from konvolut.cli.pack import command\n"
        "def hook(event, args):\n"
        "    if event == 'open' and str(args[0]).endswith('.tar.part'):\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.addaudithook(hook)\n"
        "command(['pictures', 'out'])\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False, env=os.environ
    )
    assert told.returncode == 130
    assert told.stderr == "stopped; the same command goes on from here\n"
    assert not (tmp_path / "out").exists()
    assert say("pictures", "out").exit_code == 0


def test_help_shows_one_real_example(say):
    assert "konvolut pack photos/ photos-packed" in say("--help").output
