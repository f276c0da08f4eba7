"""B5: a fixed mean and variance keep layers stable (S36)."""

from collections.abc import Iterator

import torch

from konvolut.blocks.written import BatchNorm
from konvolut.lab.study import Check, Claim, Exact
from konvolut.language import later

CLAIM = Claim(
    id="B5",
    sentence="S36",
    text=later(
        "Batch normalisation fixes the mean and the variance of a mini-batch, so that what a layer takes is stable."
    ),
    expected="exact",
    why=later("Before gamma and beta the mean of every channel is 0 and its variance 1, whatever came in."),
)


def checks() -> Iterator[Check]:
    dice = torch.Generator().manual_seed(0)
    norm = BatchNorm(3).double()
    for shift, spread in ((0.0, 1.0), (50.0, 1.0), (-3.0, 20.0)):
        batch = shift + spread * torch.randn(16, 3, 6, 6, dtype=torch.float64, generator=dice)
        gives = norm(batch).detach()
        mean, var = gives.mean((0, 2, 3)), gives.var((0, 2, 3), unbiased=False)
        what = f"in: mean {shift:g}, deviation {spread:g}"
        yield Check(f"{what}; out: mean furthest from 0", 0, float(mean.abs().max()), 1e-9)
        yield Check(f"{what}; out: variance, how far from 1", 0, float((var - 1).abs().max()), 2e-5)  # epsilon: 1e-5


STUDY = Exact(claim=CLAIM, checks=checks)
