"""Residual blocks: what the shortcut is, where it projects, where the stride sits."""

import pytest
import torch
from torch import nn

from konvolut.blocks.residual import Basic, Bottleneck, Residual, Stage, ZeroPad
from konvolut.errors import ArchError


def count(spec, shape):
    with torch.device("meta"):
        return sum(p.numel() for p in spec.make(shape).parameters())


def test_a_block_whose_body_is_zero_is_its_shortcut_rectified():
    block = Basic(4).make((4, 5, 5)).eval()
    nn.init.zeros_(block.body[-1].norm.weight)
    batch = torch.randn(2, 4, 5, 5)
    assert torch.equal(block(batch), batch.relu())


def test_option_a_by_hand():
    image = torch.arange(16.0).reshape(1, 1, 4, 4)
    padded = ZeroPad(extra=2, s=2)(image)
    assert padded.tolist() == [[[[0, 2], [8, 10]], [[0, 0], [0, 0]], [[0, 0], [0, 0]]]]


@pytest.mark.parametrize(
    ("shortcut", "params"),
    # two 3x3 convolutions 8 -> 16 -> 16 and two norms; then 16 -> 16; then what the projections and their norms add
    [("A", 0), ("none", 0), ("B", 8 * 16 + 32), ("C", 8 * 16 + 32 + 16 * 16 + 32)],
)
def test_shortcuts_cost_what_section_4_1_says(shortcut, params):
    bodies = 9 * 8 * 16 + 3 * 9 * 16 * 16 + 4 * 2 * 16
    assert count(Stage(Basic, 2, 16, s=2, shortcut=shortcut), (8, 4, 4)) == bodies + params


def test_a_plain_stage_has_no_shortcut_at_all():
    plain = Stage(Basic, 2, 16, s=2, shortcut="none").make((8, 4, 4))
    assert not any(isinstance(module, Residual) for module in plain.modules())
    assert sum(isinstance(module, nn.ReLU) for module in plain.modules()) == 4  # one after each convolution


def test_a_bottleneck_strides_on_its_first_1x1():
    body = Bottleneck(64, s=2).make((32, 8, 8)).body
    assert [(step.conv.kernel_size[0], step.conv.stride[0]) for step in body] == [(1, 2), (3, 1), (1, 1)]
    assert [step.conv.out_channels for step in body] == [16, 16, 64]


def test_only_the_first_block_of_a_stage_strides():
    assert Stage(Basic, 3, 8, s=2).make((4, 8, 8))(torch.zeros(2, 4, 8, 8)).shape == (2, 8, 4, 4)


def test_shapes_that_differ_are_not_broadcast():
    with pytest.raises(AssertionError):
        Residual(nn.Conv2d(3, 1, 1), nn.Identity(), nn.ReLU())(torch.zeros(1, 3, 2, 2))


def test_what_a_block_cannot_do_is_refused():
    with pytest.raises(ArchError, match="10 maps wide has no quarter"):
        Bottleneck(10).make((4, 2, 2))
    with pytest.raises(ArchError, match="cannot turn 8 into 4; B or C would work"):
        Basic(4, shortcut="A").make((8, 2, 2))
    with pytest.raises(ArchError, match="shortcut = 'D'"):
        Basic(4, shortcut="D").make((4, 2, 2))
