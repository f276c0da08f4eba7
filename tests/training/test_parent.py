"""Weights to start from: which file, whose, and whether it is still the one it was."""

from hashlib import sha256

import pytest
import torch
from test_loop import TINY
from test_planned import CHEAP, small
from test_tune import made

from konvolut.errors import ArchError, KonvolutError, RunError
from konvolut.nets.arch import build
from konvolut.training.course import Course, train
from konvolut.training.parent import load_parent, open_parent
from konvolut.training.plan import plan
from konvolut.training.sizes import IMAGENET


def test_a_file_is_known_by_its_content(tmp_path):
    net = build(TINY, seed=3)
    torch.save(net.state_dict(), tmp_path / "net.pt")
    parent, run = open_parent(tmp_path / "net.pt")
    assert run is None
    assert parent.sha256 == sha256((tmp_path / "net.pt").read_bytes()).hexdigest()
    other = build(TINY, seed=4)
    assert load_parent(other, parent)[0] == f"weights of {tmp_path / 'net.pt'}"
    assert all(torch.equal(a, b) for a, b in zip(net.state_dict().values(), other.state_dict().values(), strict=True))
    torch.save(build(TINY, seed=5).state_dict(), tmp_path / "net.pt")
    with pytest.raises(RunError, match="its content has changed since this run was begun"):
        load_parent(other, parent)


def test_what_cannot_be_a_parent_is_refused_and_leaves_no_folder(tmp_path):
    with pytest.raises(RunError, match="no weights there"):
        plan(made(1), TINY, weights=tmp_path / "gone.pt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match="no run folder"):
        open_parent(tmp_path / "empty")
    torch.save(build(TINY).state_dict(), tmp_path / "net.pt")
    with pytest.raises(RunError, match="load them into a module yourself"):
        train(made(1), small(), weights=tmp_path / "net.pt", out=tmp_path / "run", **CHEAP)
    with pytest.raises(ArchError, match=r"does not fit|in the file"):
        train(made(1), "lenet", weights=tmp_path / "net.pt", out=tmp_path / "run", **CHEAP)
    (tmp_path / "net.pt").write_bytes(b"no weights")
    with pytest.raises(KonvolutError, match=r"net\.pt"):
        train(made(1), TINY, weights=tmp_path / "net.pt", out=tmp_path / "run", **CHEAP)
    assert not (tmp_path / "run").exists()


def test_published_weights_get_the_scale_they_were_trained_with(tmp_path):
    net = build(plan(made(1), "resnet18", size=32).arch)
    torch.save(net.state_dict(), tmp_path / "net.pt")
    planned = plan(made(1), "resnet18", size=32, weights=tmp_path / "net.pt")
    assert (planned.spec.mean, planned.spec.std) == IMAGENET
    assert not planned.fitted
    Course(made(1), planned, tmp_path / "run")  # and they load
