"""`konvolut show`, from words to what is printed."""

import json

import pytest
from spoken import konvolut


@pytest.fixture
def say(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return lambda *words: konvolut(capsys, monkeypatch, *words)


def test_the_table_names_what_disagrees(say):
    told = say("show", "googlenet")
    assert told.status == 0
    assert "auxiliary heads" in told.out
    assert "printed cells: 43; that disagree: 5" in told.out
    assert "4c: the paper prints" in told.out
    marked = [line.split()[0] for line in told.out.splitlines() if " !" in line]
    assert marked == ["conv1", "4c", "5a"]


def test_numbers_for_machines_are_numbers(say):
    told = json.loads(say("show", "vgg-16", "--batch", "2", "--json").out)
    assert told["total"] == {"params": 138_357_544, "macs": 15_470_264_320}
    first = told["rows"][0]
    assert (first["takes"], first["gives"], first["sees"]) == ([3, 224, 224], [64, 224, 224], [3, 3])
    assert told["rows"][-1]["sees"] is None
    assert told["prints"] == {"params": 138e6}
    assert told["memory"]["training"] == 3 * 4 * 138_357_544 + told["memory"]["activations"]
    assert told["least"] == 32


def test_other_pictures_and_classes(say):
    told = json.loads(say("show", "resnet-18", "--input", "3x96x96", "--classes", "7", "--json").out)
    assert told["input"] == [3, 96, 96]
    assert told["rows"][-1]["gives"] == [7]
    assert told["rows"][-1]["params"] == 7 * 512 + 7
    assert told["disagreements"] == []


def test_other_classes_are_not_held_to_the_print_of_a_thousand(say):
    found = json.loads(say("show", "alexnet", "--classes", "10", "--json").out)["disagreements"]
    assert found == []


def test_two_nets_side_by_side(say):
    told = say("show", "alexnet", "--compare", "vgg-11")
    first = told.out.splitlines()[3]
    assert first.split() == ["conv1", "96x55x55", "34,944", "105.4M", "|", "conv1_1", "64x224x224", "1,792", "86.7M"]
    assert len(json.loads(say("show", "alexnet", "--compare", "vgg-11", "--json").out)) == 2


def test_a_drawing_is_written_once(say, tmp_path):
    assert say("show", "resnet-18", "--html", "net.html").out.splitlines()[-1] == "net.html"
    assert "<svg" in (tmp_path / "net.html").read_text()
    again = say("show", "resnet-18", "--html", "net.html")
    assert (again.status, again.err.count("\n")) == (2, 1)
    assert "already there" in again.err


@pytest.mark.parametrize(("words", "said"), [
    (("resnet-8",), "did you mean"),
    (("alexnet", "--input", "96"), "like 3x96x96"),
    (("alexnet", "--input", "3x20x20"), "67 px is the least"),
    (("alexnet", "--classes", "1"), "2 or more"),
    (("alexnet", "--batch", "0"), "--batch"),
    (("alexnet", "--compare", "vgg-12"), "did you mean"),
    (("missing.toml",), "missing.toml"),
])  # fmt: skip
def test_mistakes_are_one_line_that_says_what_would_work(say, words, said):
    told = say("show", *words)
    assert told.status == 2
    assert said in told.err
    assert told.err.count("\n") == 1
    assert told.out == ""


def test_a_table_of_ones_own_is_shown_and_its_wrong_size_found(say, tmp_path):
    conv = '[[rows]]\nname = "conv1"\nConv = { out = 4, k = 3 }\ngives = [4, 8, 8]\n'  # 8 - 3 + 1 = 6
    (tmp_path / "mine.toml").write_text(f'name = "mine"\ninput = [1, 8, 8]\n{conv}')
    told = say("show", "mine.toml")
    assert told.status == 0
    assert "conv1: the paper prints 4x8x8, the table gives 4x6x6" in told.out
