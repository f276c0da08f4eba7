"""R3: plain nets are not nested (S43)."""

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import nn

from konvolut.lab.study import Check, Claim, Exact
from konvolut.language import later
from konvolut.nets.arch import Network, build
from konvolut.nets.catalogue import named
from konvolut.nets.fit import fixed
from konvolut.nets.variants import narrow

CLAIM = Claim(
    id="R3",
    sentence="S43",
    text=later("Adding a plain layer changes the function class, so the larger net need not contain the smaller one."),
    expected="contradicted",
    why=later(
        "A 3x3 convolution with a Dirac kernel and ReLU gives back what is not negative: plain nets are nested too."
    ),
)


FAMILY = ("vgg-11", "vgg-13", "vgg-16", "vgg-19")  # each has the rows of the one before, and others


def plain(name: str) -> Network:
    """A sixteenth as wide and for pictures of 32 px: of a net's depth nothing is lost by it."""
    net: Network = build(fixed(narrow(named(name), 16), (3, 32, 32), 10)).double().eval()
    return net


def deepened(small: Network, name: str) -> Network:
    """The net `name` with the weights of `small`, and Dirac kernels in the convolutions that `small` does not have."""
    large = plain(name)
    added = {key.rpartition(".")[0] for key in large.load_state_dict(small.state_dict(), strict=False).missing_keys}
    for key in added:
        conv = large.get_submodule(key)
        assert isinstance(conv, nn.Conv2d)
        assert conv.bias is not None
        nn.init.dirac_(conv.weight)
        nn.init.zeros_(conv.bias)
    return large


def checks() -> Iterator[Check]:
    """The sentence would have some function of the small net out of the large one's reach."""
    dice = torch.Generator().manual_seed(0)
    pictures = torch.randn(4, 3, 32, 32, dtype=torch.float64, generator=dice)
    for small, large in pairwise(FAMILY):
        net = plain(small)
        with torch.no_grad():
            reached = torch.equal(deepened(net, large)(pictures), net(pictures))
        yield Check(f"{large} cannot compute what {small} does (1 cannot, 0 can)", 1, float(not reached))


STUDY = Exact(claim=CLAIM, checks=checks)
