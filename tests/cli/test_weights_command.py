"""`konvolut weights`, from words to a file."""

import json
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file
from serving import site
from spoken import konvolut
from untidy import album, untidy

from konvolut import fetch
from konvolut.cli.weights import command
from konvolut.errors import ArchError, WeightsError
from konvolut.nets import published


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def say(*words):
    return CliRunner().invoke(command, words)


def test_list_has_address_counts_and_preprocessing():
    """The documented figures of ResNet-50's second weights: 25,557,032 numbers, 80.858 %, resized to 232, cropped to 224."""
    first, second = json.loads(say("list", "resnet-50", "--json").stdout)
    assert (second["net"], second["params"], second["top1"]) == ("resnet-50@torchvision", 25_557_032, 80.858)
    assert (second["resize"], second["crop"], second["mean"]) == (232, 224, [0.485, 0.456, 0.406])
    assert first["address"].startswith("https://download.pytorch.org/models/resnet50-")
    told = say("list", "googlenet*").stdout
    assert "6,624,904" in told
    assert "69.78" in told
    assert say("list", "zebra").exit_code == 1


def test_get_downloads_once_and_says_where(here, monkeypatch):
    """A server on this machine has other bytes in the place of ResNet-18's, and a list of files that leads there."""
    body = b"weights" * 1000
    monkeypatch.setenv("KONVOLUT_CACHE", str(here / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(fetch, "PAUSE", 0.0)
    name = f"resnet18-{sha256(body).hexdigest()[:8]}.pth"
    (real,) = (file for file in published.published() if file.net == "resnet-18@torchvision")
    with site() as web:
        found = replace(real, address=web.serve(f"/{name}", body, cut=3000), mib=0.007)
        monkeypatch.setattr(published, "published", lambda: [found])
        assert [one["cached"] for one in json.loads(say("list", "--json").stdout)] == [False]
        web.files[f"/{name}"].body = body[::-1]
        wrong = say("get", "resnet-18").exception
        assert isinstance(wrong, WeightsError)
        assert "3 times" in str(wrong)  # 7,000 bytes that always end after 3,000 are less than a chunk: nothing is kept
        web.files[f"/{name}"].cut = None
        assert "other bytes in its place" in str(say("get", "resnet-18").exception)
        web.files[f"/{name}"].body = body
        told = say("get", "resnet-18@torchvision")
        assert told.stdout == f"{here / 'cache' / 'weights' / name}\n"
        assert "no licence" in told.stderr
        asked = len(web.asked)
        assert say("get", name).stdout == told.stdout
        assert len(web.asked) == asked
    assert [one["cached"] for one in json.loads(say("list", "--json").stdout)] == [True]
    assert "no imagenet-v2 weights" in str(say("get", "resnet-18", "--weights", "imagenet-v2").exception)


def test_list_loads_no_torch():
    code = (
        "import sys\nfrom konvolut.cli.weights import command\ncommand(['list'], standalone_mode=False)\n"
        "print([m for m in ('torch', 'numpy', 'jaxtyping') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[-1] == "[]"
    assert len(out.splitlines()) == 22  # a heading, 20 files, and the answer


def test_a_net_is_saved_and_a_file_renamed(here):
    """ResNet-20: 19 convolutions, as many norms of five entries, and the classifier's two make 116."""
    assert say("save", "resnet-20", "own.safetensors", "--seed", "3").stdout == "own.safetensors\n"
    told = say("save", "resnet-20", "theirs.pth", "--weights", "own.safetensors", "--naming", "torchvision")
    assert told.stdout.splitlines() == ["own.safetensors: 116 tensors in konvolut's names", "theirs.pth"]
    own, theirs = load_file("own.safetensors"), torch.load("theirs.pth", weights_only=True)
    assert torch.equal(own["stage3.2.body.1.conv.weight"], theirs["layer3.2.conv2.weight"])
    assert say("save", "resnet-20", "again.safetensors", "--weights", "theirs.pth").exit_code == 0
    again = load_file("again.safetensors")
    assert list(own) == list(again)
    assert all(torch.equal(own[name], again[name]) for name in own)


def test_a_run_is_saved(here):
    from konvolut.images.sources import open_images
    from konvolut.training.course import train

    run = train(open_images(untidy(here / "odd", per_class=6)), "lenet", out=here / "run", epochs=1, batch=8)
    assert say("save", "run", "run.pth").exit_code == 0
    stored, saved = load_file(run.path / "weights.safetensors"), torch.load("run.pth", weights_only=True)
    assert stored.keys() == saved.keys()
    assert all(torch.equal(stored[name], saved[name]) for name in stored)
    assert "a RUN has its own" in say("save", "run", "b.pth", "--classes", "3").output


def test_none_is_the_seed_and_no_file(here):
    """The oracle is the same command without the word."""
    assert say("save", "lenet", "a.pth", "--weights", "none", "--seed", "4").stdout == "a.pth\n"
    say("save", "lenet", "b.pth", "--seed", "4")
    a, b = (torch.load(name, weights_only=True) for name in ("a.pth", "b.pth"))
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize(("word", "meant"), [("imagnet", "imagenet"), ("imagenet_v2", "imagenet-v2"), ("nome", "none")])
def test_a_misspelt_word_is_offered_the_nearest_wherever_it_is_said(here, capsys, monkeypatch, word, meant):
    album(here / "photos", {"cat": 9, "dog": 9})
    said = f"WeightsError: weights {word!r}: no such file or run; did you mean {meant!r}?\n"
    for words in (
        ("weights", "save", "resnet-50", "a.pth"), ("train", "photos"), ("eval", "resnet-50", "photos"),
        ("predict", "resnet-50", "photos"), ("look", "resnet-50", "photos/cat/0.png"),
    ):  # fmt: skip
        told = konvolut(capsys, monkeypatch, *words, "--weights", word)
        assert (told.status, told.err) == (2, said), words


def test_mistakes_are_errors_of_the_house_and_leave_no_file(here):
    for words, kind, message in (
        (["resnet-50", "a.pth", "--naming", "torchvision"], ArchError, "resnet-50@torchvision is the one"),
        (["resnet-20", "a.pth", "--naming", "torchvison"], ArchError, "did you mean 'torchvision'"),
        (["resnet-20", "a.onnx"], WeightsError, "are written"),
        (["resnet-20", "a.pth", "--weights", "none.pth"], WeightsError, r"none\.pth: no such file"),
    ):
        error = say("save", *words).exception
        assert isinstance(error, kind)
        with pytest.raises(kind, match=message):
            raise error
    assert not list(here.iterdir())
