"""The Inception block against table 1 of its paper."""

import pytest
import torch
from torch import nn

from konvolut.blocks.inception import Inception

A3 = Inception(64, 96, 128, 16, 32, 32)


def test_the_weights_of_3a_by_hand():
    hand = 192 * 64 + 192 * 96 + 9 * 96 * 128 + 192 * 16 + 25 * 16 * 32 + 192 * 32
    with torch.device("meta"):
        block = A3.make((192, 28, 28))
    assert sum(p.numel() for p in block.parameters() if p.ndim == 4) == hand == 163_328  # 159K of 1,024 in table 1


def test_maps_stand_in_the_order_of_the_table():
    block = Inception(1, 4, 2, 4, 3, 4).make((5, 6, 6))
    nn.init.zeros_(block.branches["1x1"][-1].conv.weight)
    for value, branch in enumerate(block.branches.values(), start=1):
        nn.init.zeros_(branch[-1].conv.weight)
        nn.init.constant_(branch[-1].conv.bias, value)
    assert block(torch.randn(1, 5, 6, 6))[0, :, 3, 3].tolist() == [1, 2, 2, 3, 3, 3, 4, 4, 4, 4]


@pytest.mark.parametrize(("branch", "side"), [("1x1", 1), ("3x3", 3), ("5x5", 5), ("pool", 3)])
def test_a_branch_sees_the_window_of_its_name(branch, side):
    block = Inception(2, 2, 2, 2, 2, 2, act="none").make((3, 9, 9)).double()
    images = torch.rand(2, 3, 9, 9, dtype=torch.float64)
    images[1] = images[0]
    images[1, :, 4, 4] += 5  # one pixel differs: how far does it reach?
    first, second = block.branches[branch](images)
    assert int((first != second).any(0).sum()) == side**2
