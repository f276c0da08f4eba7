"""Shapes without numbers are those that torch gives with them, and come without its compiler."""

import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from konvolut.nets import shapes
from konvolut.nets.arch import facts, tried
from konvolut.nets.catalogue import named

BATCH, ONE_EACH = torch.zeros(2, 3, 5, 4), torch.ones(3)
CALLS = {
    F.linear: (BATCH, torch.zeros(7, 4)),
    F.relu: (BATCH,),
    torch.tanh: (BATCH,),
    F.batch_norm: (BATCH, ONE_EACH, ONE_EACH),
    F.local_response_norm: (BATCH, 5),
    Tensor.add: (BATCH, torch.zeros(3, 1, 1)),
    Tensor.sub: (BATCH, torch.zeros(6, 1, 1, 1, 1)),
    Tensor.div: (BATCH, 2.0),
    Tensor.square: (BATCH,),
    Tensor.neg: (BATCH,),
    Tensor.mul: (torch.zeros(3, 1, 1), BATCH),
    torch.cat: ([BATCH, torch.zeros(2, 4, 5, 4)], 1),
    F.adaptive_avg_pool2d: (BATCH, 2),
}


@pytest.mark.parametrize("func", shapes.SHAPES, ids=lambda func: func.__name__)
def test_a_shape_is_torchs_own(func):
    assert shapes.SHAPES[func](*CALLS[func]).shape == func(*CALLS[func]).shape


APART = {
    F.linear: (BATCH, torch.zeros(7, 5)),
    torch.cat: ([BATCH, BATCH[:, :, 1:]], 1),
    Tensor.add: (BATCH, ONE_EACH),
}


@pytest.mark.parametrize("func", APART, ids=lambda func: func.__name__)
def test_shapes_that_do_not_meet_are_refused_as_torch_does(func):
    for answer in (func, shapes.SHAPES[func]):
        with pytest.raises(RuntimeError):
            answer(*APART[func])


@pytest.mark.parametrize(
    "name", ["lenet", "alexnet", "googlenet", "resnet-18-a", "preact-164", "inception-v3@torchvision"]
)
def test_facts_are_those_that_torch_alone_gives(name, monkeypatch):
    ours = list(facts(named(name)))
    tried.cache_clear()
    monkeypatch.setattr(shapes, "SHAPES", {})
    assert list(facts(named(name))) == ours
    tried.cache_clear()


def test_facts_load_no_compiler():
    code = (
        "import sys\nfrom konvolut.nets.arch import facts\nfrom konvolut.nets.catalogue import named\n"
        "for name in ('lenet', 'alexnet', 'googlenet', 'resnet-18-a', 'preact-164', 'vgg-11+bn@torchvision'):\n"
        "    list(facts(named(name)))\nprint('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
