"""B7: features for dense layers, channels for convolutions (S39)."""

from collections.abc import Iterator

import torch
from torch import nn

from konvolut.blocks.written import BatchNorm
from konvolut.lab.study import Check, Claim, Exact
from konvolut.language import later

CLAIM = Claim(
    id="B7",
    sentence="S39",
    text=later(
        "Batch normalisation acts on the feature axis of a dense layer and on the channel axis of a convolution."
    ),
    expected="exact",
    why=later("One gamma and one beta a feature or a channel; the statistics are over all other axes."),
)


def checks() -> Iterator[Check]:
    dice = torch.Generator().manual_seed(0)
    for shape, theirs in (((32, 5), nn.BatchNorm1d(5)), ((8, 5, 4, 6), nn.BatchNorm2d(5))):
        batch = 2 + 3 * torch.randn(*shape, dtype=torch.float64, generator=dice)
        axes = [axis for axis in range(len(shape)) if axis != 1]
        wide = [-1 if axis == 1 else 1 for axis in range(len(shape))]
        mean, var = batch.mean(axes).view(wide), batch.var(axes, unbiased=False).view(wide)
        by_hand = (batch - mean) / (var + 1e-5).sqrt()
        norm = BatchNorm(5).double()
        with torch.no_grad():
            ours, torchs = norm(batch), theirs.double()(batch)
        what = "x".join(map(str, shape))
        yield Check(f"{what}: furthest from the mean over axes {axes}", 0, float((ours - by_hand).abs().max()), 1e-12)
        yield Check(f"{what}: furthest from torch", 0, float((ours - torchs).abs().max()), 1e-12)
        yield Check(f"{what}: numbers learnt", 2 * shape[1], sum(p.numel() for p in norm.parameters()))


STUDY = Exact(claim=CLAIM, checks=checks)
