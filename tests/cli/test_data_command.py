"""`konvolut data`, from words to files."""

import json
import subprocess
import sys
from hashlib import sha256

import pytest
from click.testing import CliRunner
from serving import site
from small_sets import quartet, serve

from konvolut import fetch
from konvolut.cli.data import command
from konvolut.errors import DataError
from konvolut.images.public import SETS


@pytest.fixture(autouse=True)
def room(tmp_path, monkeypatch):
    monkeypatch.setenv("KONVOLUT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(fetch, "PAUSE", 0.0)
    return tmp_path / "cache"


def say(*words):
    return CliRunner().invoke(command, words)


def test_a_set_is_fetched_listed_and_found(monkeypatch, room):
    files, *_ = quartet()
    with site() as web:
        serve(web, monkeypatch, "mnist", files)
        before = {one["set"]: one["cached"] for one in json.loads(say("list", "--json").stdout)}
        told = say("get", "mnist")
    assert not any(before.values())
    paths = [str(room / "mnist" / file) for file in files]
    assert told.stdout.split() == paths
    assert told.stderr.startswith("mnist: downloading ")
    assert say("where", "mnist").stdout.split() == paths
    assert say("where").stdout == f"{room}\n"
    listed = json.loads(say("list", "--json").stdout)
    assert [(one["set"], one["cached"]) for one in listed] == [(name, name == "mnist") for name in SETS]
    assert [one["sha256"] for one in listed[0]["files"]] == [sha256(body).hexdigest() for body in files.values()]
    assert say("get", "mnist").stderr == ""  # and without the server


def test_the_list_says_size_and_licence():
    lines = say("list").stdout.splitlines()
    assert len(lines) == 5
    assert "170 MB" in lines[3]
    assert "MIT" in lines[2]


def test_a_misspelt_name_is_said_before_anything_is_downloaded(room):
    error = say("get", "mnist", "cifar-10").exception
    assert isinstance(error, DataError)
    assert "did you mean 'cifar10'" in str(error)
    assert not room.exists()


def test_list_and_where_load_neither_torch_nor_a_downloader():
    code = (
        "import sys\nfrom konvolut.cli.data import command\n"
        "command(['list'], standalone_mode=False)\ncommand(['where'], standalone_mode=False)\n"
        "print([m for m in ('torch', 'requests', 'altair') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[-1] == "[]"
