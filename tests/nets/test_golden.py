"""Logits that another implementation computed, under weights that a formula gives.

`golden.json.gz` holds, for seven nets of torchvision in evaluation, the names and shapes of the state dict in its
order, the first eight logits of two pictures, their best classes, and the norm of all logits, computed in float64.
Entry k of the state, from 0, is filled from stream k + 1 and the pictures from stream 0, each rounded to float32.
"""

import gzip
import json
from math import prod
from pathlib import Path

import numpy as np
import pytest
import torch

from konvolut.nets.arch import build
from konvolut.nets.catalogue import named
from konvolut.nets.weights import put, state_dict

GOLDEN = json.loads(gzip.decompress(Path(__file__).with_name("golden.json.gz").read_bytes()))
NETS = {
    "alexnet": "alexnet@torchvision",
    "vgg11": "vgg-11@torchvision",
    "vgg13_bn": "vgg-13+bn@torchvision",
    "googlenet": "googlenet@torchvision",
    "resnet18": "resnet-18@torchvision",
    "resnet50": "resnet-50@torchvision",
    "inception_v3": "inception-v3@torchvision",
}
LARGE = ("alexnet", "vgg11", "vgg13_bn")  # 0.5 to 1.1 GB in float64
CASES = [pytest.param(name, marks=pytest.mark.slow) if name in LARGE else name for name in NETS]


def uniform(n, stream):
    """n numbers in [0, 1): splitmix64 of (stream << 40) + i, its upper 53 bits."""
    z = (np.uint64(stream) << np.uint64(40)) + np.arange(n, dtype=np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) / 2.0**53


def entry(name, shape, stream):
    if name.endswith("num_batches_tracked"):
        return torch.tensor(0)
    u = uniform(prod(shape), stream)
    if name.endswith("running_var"):
        filled = 0.5 + u
    elif len(shape) == 1:
        filled = 0.6 + 0.4 * u if name.endswith(".weight") else 0.2 * u - 0.1
    else:
        filled = (2 * u - 1) * np.sqrt(6 / (prod(shape) / shape[0]))
    return torch.from_numpy(filled.astype(np.float32)).reshape(shape)


def test_the_formula_by_hand():
    """splitmix64 seeded with 0 begins 0xE220A8397B1DCDAF (Vigna's reference implementation); stream 0 is that number."""
    assert uniform(1, 0)[0] == (0xE220A8397B1DCDAF >> 11) / 2**53


@pytest.mark.parametrize("name", CASES)
def test_the_logits_are_those_of_the_other_implementation(name):
    golden = GOLDEN[name]
    net = build(named(NETS[name]))
    written = {key: list(tensor.shape) for key, tensor in state_dict(net, "torchvision").items()}
    assert list(written.items()) == list(golden["state"].items())
    net.double()
    loaded = put(net, {key: entry(key, shape, k) for k, (key, shape) in enumerate(golden["state"].items(), start=1)})
    assert (len(loaded.loaded), loaded.kept, loaded.notes) == (len(golden["state"]), (), ())
    pictures = 4 * uniform(prod(golden["input"]), 0) - 2
    with torch.no_grad():
        logits = net.eval()(torch.from_numpy(pictures.astype(np.float32)).double().reshape(golden["input"]))
    first = torch.tensor(golden["first_logits"], dtype=torch.float64)
    assert ((logits[:, :8] - first).norm() / first.norm()).item() < 1e-6
    assert logits.norm().item() == pytest.approx(golden["norm"], rel=1e-6)
    assert logits.argmax(1).tolist() == golden["argmax"]
