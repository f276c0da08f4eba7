"""Residual blocks: what the shortcut is, where it projects, where the stride sits."""

from math import sqrt

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
    assert count(Stage(2, Basic(16, shortcut=shortcut), s=2), (8, 4, 4)) == bodies + params


def test_a_plain_stage_has_no_shortcut_at_all():
    plain = Stage(2, Basic(16, shortcut="none"), s=2).make((8, 4, 4))
    assert not any(isinstance(module, Residual) for module in plain.modules())
    assert sum(isinstance(module, nn.ReLU) for module in plain.modules()) == 4  # one after each convolution


def test_a_bottleneck_strides_on_its_first_1x1():
    body = Bottleneck(64, s=2).make((32, 8, 8)).body
    assert [(step.conv.kernel_size[0], step.conv.stride[0]) for step in body] == [(1, 2), (3, 1), (1, 1)]
    assert [step.conv.out_channels for step in body] == [16, 16, 64]


def test_in_the_edition_of_published_weights_the_3x3_strides():
    body = Bottleneck(64, s=2, strider=2).make((32, 8, 8)).body
    assert [step.conv.stride[0] for step in body] == [1, 2, 1]


def test_pre_activation_leaves_the_sum_alone():
    """Figure 1b: with a body of zeros the block is the identity, negative numbers included."""
    block = Basic(4, pre=True).make((4, 5, 5)).eval()
    nn.init.zeros_(block.body[-1].conv.weight)
    batch = torch.randn(2, 4, 5, 5)
    assert torch.equal(block(batch), batch)


def test_pre_activation_by_hand():
    """Norm, ReLU, convolution, twice; where the shape changes the projection takes the activated map."""
    block = Basic(6, s=2, pre=True).make((4, 8, 8)).eval()
    batch = torch.randn(2, 4, 8, 8)
    active = batch.div(sqrt(1 + 1e-5)).relu()  # running mean 0, running variance 1
    first, second = block.body[0].conv, block.body[1].conv
    inner = first(active).div(sqrt(1 + 1e-5)).relu()
    torch.testing.assert_close(block(batch), block.shortcut.conv(active) + second(inner), rtol=1e-5, atol=1e-6)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in block.shortcut.modules())


def test_a_pre_activation_stage_learns_what_arithmetic_says():
    """Two 3x3 convolutions 8 -> 16 -> 16 and a 1x1 projection; the norms are as wide as what they take."""
    assert count(Basic(16, s=2, pre=True), (8, 4, 4)) == 9 * 8 * 16 + 9 * 16 * 16 + 8 * 16 + 2 * (8 + 16)


def test_a_block_that_does_not_survive_is_its_shortcut():
    stage = Stage(2, Basic(4), survive=(1.0, 1e-9)).make((4, 5, 5))
    batch = torch.randn(2, 4, 5, 5)
    inner = stage[0](batch)
    assert torch.equal(stage[1](inner), inner.relu())  # in training: the second body is left out
    stage.eval()
    whole = stage[1].body(inner)
    torch.testing.assert_close(stage[1](inner), (inner + 1e-9 * whole).relu())


def test_only_the_first_block_of_a_stage_strides():
    assert Stage(3, Basic(8), s=2).make((4, 8, 8))(torch.zeros(2, 4, 8, 8)).shape == (2, 8, 4, 4)


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
