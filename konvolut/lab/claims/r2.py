"""R2: a residual block contains the identity (S44)."""

from collections.abc import Iterator, Sequence

import torch
from torch import nn

from konvolut.blocks.residual import Basic, Residual
from konvolut.lab.study import Check, Claim, Exact
from konvolut.language import later
from konvolut.nets.arch import Network, build
from konvolut.nets.catalogue import named
from konvolut.nets.depth import with_depth
from konvolut.nets.variants import narrow

CLAIM = Claim(
    id="R2",
    sentence="S44",
    text=later("With a shortcut a block computes x + g(x), so the larger net contains the smaller one."),
    expected="exact",
    why=later(
        "With g = 0 a block gives what it takes: everywhere before an activation, for what is not negative after one."
    ),
)


DEEPER = {"resnet-20": (5, 4, 6), "preact-164": (19, 18, 20)}  # blocks a stage, of three and of eighteen


def silence(block: Residual) -> None:
    """Make g = 0: what its last convolution gives is nothing."""
    last = [module for module in block.body.modules() if isinstance(module, nn.Conv2d)][-1]
    nn.init.zeros_(last.weight)


def deepened(small: Network, counts: Sequence[int]) -> Network:
    """`small` with `counts` blocks a stage: the weights of `small`, and g = 0 in the blocks it did not have."""
    large = build(with_depth(small.arch, counts), seed=1)
    added = large.load_state_dict(small.state_dict(), strict=False).missing_keys
    for name, block in large.named_modules():
        if isinstance(block, Residual) and any(key.startswith(f"{name}.") for key in added):
            silence(block)
    return large.eval()


def checks() -> Iterator[Check]:
    dice = torch.Generator().manual_seed(0)
    batch = torch.randn(2, 4, 6, 6, generator=dice)
    for where, pre, takes in (
        ("before the activation", True, batch),
        ("after it, on what is not negative", False, batch.relu()),
    ):
        block = Basic(4, pre=pre).make((4, 6, 6)).eval()
        assert isinstance(block, Residual)
        silence(block)
        with torch.no_grad():
            apart = float((block(takes) - takes).abs().max())
        yield Check(f"sum {where}: largest difference between what a block gives and takes", 0, apart)
    for name, counts in DEEPER.items():
        small, pictures = build(narrow(named(name), 4)), torch.randn(4, 3, 32, 32, generator=dice)
        with torch.no_grad():
            small.train()(pictures)  # so that its norms have seen pictures: their means are no longer 0
            apart = float((deepened(small, counts)(pictures) - small.eval()(pictures)).abs().max())
        yield Check(f"{small.arch.name} grown to {sum(counts)} blocks: largest difference of the answers", 0, apart)


STUDY = Exact(claim=CLAIM, checks=checks)
