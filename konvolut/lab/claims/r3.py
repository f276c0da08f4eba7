"""R3: plain nets are not nested (S43)."""

from collections.abc import Iterator

import torch
from torch import nn

from konvolut.blocks.basic import Conv
from konvolut.lab.study import Check, Claim, Exact
from konvolut.language import later

CLAIM = Claim(
    id="R3",
    sentence="S43",
    text=later("Adding a plain layer changes the function class, so the larger net need not contain the smaller one."),
    expected="contradicted",
    why=later(
        "A 3x3 convolution with a Dirac kernel and ReLU gives back what is not negative: plain nets are nested too."
    ),
)


def checks() -> Iterator[Check]:
    """The sentence would have some function of the small net out of the large one's reach."""
    dice = torch.Generator().manual_seed(0)
    small = Conv(4, 3, p=1).make((3, 6, 6))
    added = Conv(4, 3, p=1).make((4, 6, 6))
    conv = added.get_submodule("conv")
    assert isinstance(conv, nn.Conv2d)
    assert conv.bias is not None
    nn.init.dirac_(conv.weight)
    nn.init.zeros_(conv.bias)
    batch = torch.randn(8, 3, 6, 6, generator=dice)
    with torch.no_grad():
        reached = torch.equal(added(small(batch)), small(batch))
    yield Check("the deeper plain net cannot compute what the small one does (1 cannot, 0 can)", 1, float(not reached))


STUDY = Exact(claim=CLAIM, checks=checks)
