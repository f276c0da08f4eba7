"""The commands, from words to what is printed."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from functools import partial

import pytest
from spoken import konvolut
from untidy import album, untidy

from konvolut.images.sources import open_images
from konvolut.training.run import open_run


def shown(page):
    """A page less the counters that a renderer puts into its ids."""
    return re.sub(r"(gradient|clip)_?\d+", r"\1", page)


FAMILIES = ("lenet", "alexnet", "vgg-11", "nin", "googlenet", "resnet-18", "resnet-20")


@pytest.fixture
def say(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return lambda *words: konvolut(capsys, monkeypatch, *words)


def test_from_a_folder_to_answers(say, tmp_path):
    untidy(tmp_path / "odd", per_class=6)
    told = say("train", "odd", "--net", "lenet", "--epochs", "2")
    assert told.status == 0
    assert re.search(r"accuracy \d+\.\d\d % on \d+ test pictures", told.out)
    assert "  konvolut predict runs/odd-lenet-1" in told.out
    assert (tmp_path / "runs/odd-lenet-1/report.html").exists()
    evaluated = json.loads(say("eval", "runs/odd-lenet-1", "odd", "--json").out)
    stored = open_run("runs/odd-lenet-1").card.results["test"]
    assert evaluated["accuracy"] == stored["accuracy"]
    answers = json.loads(say("predict", "runs/odd-lenet-1", "odd/test", "--top", "2", "--json").out)
    assert len(answers) == stored["n"]
    assert all(a["labels"][0]["probability"] >= a["labels"][1]["probability"] for a in answers)
    report = tmp_path / "runs/odd-lenet-1/report.html"
    before = report.read_text()
    report.unlink()
    assert say("report", "runs/odd-lenet-1").status == 0
    assert shown(report.read_text()) == shown(before)
    again = json.loads(say("train", "odd", "--net", "lenet", "--epochs", "2", "--json").out)
    assert again["run"] == "runs/odd-lenet-2"
    assert again["test"] == stored


@pytest.mark.parametrize("net", FAMILIES)
@pytest.mark.parametrize("data", ["digits", "drawn", "odd"])
def test_every_family_trains_on_every_kind_of_data(net, data, tmp_path):
    """One epoch of a few pictures, a quarter as wide: what is shown is that table, pictures and recipe fit together."""
    from konvolut.training.course import train

    images = open_images(untidy(tmp_path / "odd", per_class=6) if data == "odd" else data)
    few = {role: split.part(range(0, len(split), max(1, len(split) // 24))) for role, split in images.splits.items()}
    small = type(images)(images.name, images.where, images.classes, few, images.mirrors)
    name = net if net in ("lenet", "resnet-20") else f"{net}/4"
    run = train(small, name, out=tmp_path / "run", epochs=1, batch=8)
    assert run.card.results["test"]["n"] == len(few["test"])


@pytest.mark.slow
@pytest.mark.parametrize("net", FAMILIES)
def test_every_family_trains_at_its_own_width(net, say, tmp_path):
    untidy(tmp_path / "odd", per_class=6)
    for data in ("digits", "drawn", "odd"):
        told = say("train", data, "--net", net, "--epochs", "1", "--json")
        assert told.status == 0, told.err


def test_names_are_printed_as_they_are(say, tmp_path):
    album(tmp_path / "photos", {"[red]": 9, "dog": 9})
    assert say("train", "photos", "--net", "lenet", "--epochs", "1", "--out", "a run").status == 0
    assert "[red]" in say("eval", "a run", "photos").out
    told = say("train", "photos", "--net", "lenet", "--epochs", "1", "--out", "an other")
    assert "konvolut predict 'an other' PICTURE" in told.out


def test_an_empty_folder_is_no_success(say, tmp_path):
    untidy(tmp_path / "odd", per_class=6)
    say("train", "odd", "--net", "lenet", "--epochs", "1", "--out", "run")
    (tmp_path / "none").mkdir()
    told = say("predict", "run", "none")
    assert (told.status, told.err.strip()) == (1, "no pictures there")


def test_show_prints_the_table_and_what_differs(say):
    told = say("show", "alexnet", "--json")
    rows = json.loads(told.out)["rows"]
    assert "conv1" in rows[0].values()
    assert "60,965,224" in say("show", "alexnet").out.replace(" ", ",")


def test_nets_lists_stored_facts(say):
    listed = {net["name"]: net for net in json.loads(say("nets", "--json").out)}
    assert listed["vgg-16"]["params"] == 138_357_544
    assert "resnet-50" in say("nets", "resnet*").out
    assert say("nets", "zebra").status == 1


def test_an_interrupt_says_how_to_resume_and_the_line_works(say, tmp_path):
    untidy(tmp_path / "odd", per_class=6)
    words = ["train", "odd", "--net", "lenet", "--epochs", "4000", "--out", "run"]
    child = subprocess.Popen(
        [sys.executable, "-m", "konvolut", *words], cwd=tmp_path, stderr=subprocess.PIPE, text=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # a shell ignores it for what it runs behind
    )  # fmt: skip
    for _ in range(600):
        log = tmp_path / "run" / "log.jsonl"
        if log.exists() and log.read_text().count("\n") >= 2:
            break
        time.sleep(0.1)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "konvolut train --resume run" in err
    card = json.loads((tmp_path / "run" / "card.json").read_text())
    done = len((tmp_path / "run" / "log.jsonl").read_text().splitlines())
    card["recipe"]["epochs"] = done + 1  # the rest of four thousand would take a while
    (tmp_path / "run" / "card.json").write_text(json.dumps(card))
    told = say("train", "--resume", "run")
    assert told.status == 0
    assert os.path.exists("run/report.html")


def test_the_lab_counts_n1(say):
    told = say("lab", "run", "N1")
    assert told.status == 0
    assert "N1: exact" in told.out
    assert "said 26,214,400, counted 26,214,400" in told.out
    assert next(row for row in json.loads(say("lab", "list", "--json").out) if row["id"] == "N1") | {"claim": ""} == {
        "id": "N1", "claim": "", "seconds": 1, "verdict": "exact", "here": True, "old": False,
    }  # fmt: skip
    assert "last verdict here: exact" in say("lab", "show", "N1").out


def test_the_command_speaks_chinese(say):
    assert "精确" in say("--lang", "zh", "lab", "run", "N1").out
    say("--lang", "en", "nets")
