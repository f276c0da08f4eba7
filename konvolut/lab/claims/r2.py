"""R2: a residual block contains the identity (S44)."""

from collections.abc import Iterator

import torch
from torch import nn

from konvolut.blocks.residual import Basic, Residual
from konvolut.lab.study import Check, Claim, Exact
from konvolut.language import later

CLAIM = Claim(
    id="R2",
    sentence="S44",
    text=later("With a shortcut a block computes x + g(x), so the larger net contains the smaller one."),
    expected="exact",
    why=later(
        "With g = 0 a block gives what it takes: everywhere before an activation, for what is not negative after one."
    ),
)


def checks() -> Iterator[Check]:
    dice = torch.Generator().manual_seed(0)
    batch = torch.randn(2, 4, 6, 6, generator=dice)
    for name, pre, takes in (
        ("before the activation", True, batch),
        ("after it, on what is not negative", False, batch.relu()),
    ):
        block = Basic(4, pre=pre).make((4, 6, 6)).eval()
        assert isinstance(block, Residual)
        last = [module for module in block.body.modules() if isinstance(module, nn.Conv2d)][-1]
        nn.init.zeros_(last.weight)
        with torch.no_grad():
            apart = float((block(takes) - takes).abs().max())
        yield Check(f"sum {name}: largest difference to the net without the block", 0, apart)


STUDY = Exact(claim=CLAIM, checks=checks)
