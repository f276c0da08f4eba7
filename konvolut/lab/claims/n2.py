"""N2: a 1x1 convolution is a dense layer at every pixel (S24)."""

from collections.abc import Iterator

import torch
from torch import nn

from konvolut.lab.study import Check, Claim, Exact
from konvolut.language import later

CLAIM = Claim(
    id="N2",
    sentence="S24",
    text=later("A 1x1 convolution with stride 1 acts as a dense layer at every pixel."),
    expected="exact",
    why=later("Both are the same sum; only the order of the axes differs."),
)


def checks() -> Iterator[Check]:
    dice = torch.Generator().manual_seed(0)
    batch = torch.randn(4, 6, 5, 7, dtype=torch.float64, generator=dice)
    conv, dense = nn.Conv2d(6, 9, 1).double(), nn.Linear(6, 9).double()
    conv.weight.data = dense.weight.data.view(9, 6, 1, 1)
    conv.bias = dense.bias
    with torch.no_grad():
        pixelwise = dense(batch.movedim(1, -1)).movedim(-1, 1)
        apart = float((conv(batch) - pixelwise).abs().max())
    yield Check("largest difference", 0, apart, 1e-12)
    yield Check(
        "numbers learnt by both", sum(p.numel() for p in dense.parameters()), sum(p.numel() for p in conv.parameters())
    )


STUDY = Exact(claim=CLAIM, checks=checks)
