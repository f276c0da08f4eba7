"""`konvolut look`, from words to a page."""

import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from untidy import album

from konvolut.cli.look import command
from konvolut.errors import KonvolutError
from konvolut.images.packing import pack
from konvolut.nets.open import build
from konvolut.nets.published import imagenet
from konvolut.nets.weights import state_dict


@pytest.fixture
def picture(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8)).save("cat.png")
    return "cat.png"


def say(*words):
    return CliRunner().invoke(command, words, catch_exceptions=True)


def test_an_untrained_net_gives_a_page_and_a_summary(picture, tmp_path):
    told = say("lenet", picture)
    assert told.exit_code == 0, told.output
    assert "lenet is untrained" in told.output
    assert told.output.splitlines()[-1] == "lenet-look.html"
    assert (tmp_path / "lenet-look.html").read_text("utf-8").startswith("<!doctype html>")
    assert say("lenet", picture).exit_code == 0  # the page of the last look is replaced


def test_a_net_with_weights_is_not_called_untrained(picture, tmp_path):
    """Published names: a file of torchvision's edition answers with ImageNet's classes."""
    torch.save(state_dict(build("resnet-18@torchvision", seed=3), "torchvision"), "weights.pth")
    told = say("resnet18", picture, "--weights", "weights.pth", "--json")
    found = json.loads(told.stdout)
    assert found["trained"] is True
    assert found["answers"][0]["label"] in imagenet()
    assert "weights.pth" in (tmp_path / found["page"]).read_text("utf-8")


def test_json_is_nothing_but_json(picture, tmp_path):
    told = json.loads(say("lenet", picture, "--row", "C3", "--channel", "2", "--html", "out.html", "--json").stdout)
    assert told["page"] == "out.html"
    assert (tmp_path / "out.html").exists()
    assert [one["channel"] for one in told["maps"]["C3"]] == [2]
    assert sum(answer["probability"] for answer in told["answers"]) <= 1 + 1e-6
    assert len(told["shifts"]) == 13  # -3..3 px along two axes, the picture in place once


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("lenett", "cat.png"), "no run folder, and no net"),
        (("lenet", "gone.png"), "gone.png: no such file"),
        (("lenet", "cat.png", "--row", "C4"), "did you mean"),
        (("lenet", "cat.png", "--class", "cat"), "no class is called 'cat'"),
        (("lenet", "cat.png", "--html", "cat.png"), "cat.png: already there"),
        (("lenet", "pets"), "pets: a folder, and a look takes one picture; give the path of a file"),
        (("lenet", "packed"), "packed: a pack, and a look takes one picture; give the path of a file"),
    ],
)
def test_the_users_mistakes_are_one_line_and_leave_no_page(picture, tmp_path, words, said):
    album(tmp_path / "pets", {"cat": 2, "dog": 2})
    pack(tmp_path / "pets", tmp_path / "packed")
    told = say(*words)
    assert isinstance(told.exception, KonvolutError)
    assert said in str(told.exception)
    assert "\n" not in str(told.exception)
    assert not list(tmp_path.glob("*.html"))


def test_a_channel_needs_a_row(picture):
    told = say("lenet", picture, "--channel", "2")
    assert told.exit_code == 2
    assert "give --row too" in told.output


def test_help_shows_one_real_example():
    assert "konvolut look runs/photos-1 cat.jpg" in say("--help").output
