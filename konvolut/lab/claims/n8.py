"""N8: dense layers can be convolutions (S23)."""

from collections.abc import Iterator

import torch

from konvolut.lab.study import Check, Claim, Exact
from konvolut.language import later
from konvolut.nets.arch import build
from konvolut.nets.catalogue import named
from konvolut.nets.convolution import convolved
from konvolut.nets.fit import fixed
from konvolut.nets.variants import narrow

CLAIM = Claim(
    id="N8",
    sentence="S23",
    text=later("A dense layer can be replaced by a convolution."),
    expected="exact",
    why=later("A dense layer over a map is a convolution whose kernel is as large as the map."),
)

CASES = {"vgg-11": (16, 64, 96), "alexnet": (16, 99, 131)}  # narrower by, side in px, and a larger one: one window more


def checks() -> Iterator[Check]:
    dice = torch.Generator().manual_seed(0)
    for name, (divisor, side, larger) in CASES.items():
        net = build(fixed(narrow(named(name), divisor), (3, side, side), 10)).double().eval()
        map_net = convolved(net)
        batch = torch.randn(2, 3, side, side, dtype=torch.float64, generator=dice)
        with torch.no_grad():
            gap = (net(batch) - map_net(batch).flatten(1)).abs().max()
            wide = map_net(torch.zeros(1, 3, larger, larger, dtype=torch.float64))
        yield Check(f"{name}/{divisor} at {side} px: largest difference", 0, float(gap), 1e-9)
        yield Check(f"{name}/{divisor} at {larger} px: answers along a side", 2, wide.shape[-1])


STUDY = Exact(claim=CLAIM, checks=checks)
