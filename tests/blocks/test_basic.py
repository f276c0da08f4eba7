"""Rows of convolution, pooling, dropout and dense: values by hand, sizes by the law."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from konvolut.blocks.act import ACTS, ScaledTanh
from konvolut.blocks.basic import AdaptivePool, AvgPool, Conv, Dense, Dropout, GlobalAvgPool, MaxPool
from konvolut.blocks.mlpconv import mlpconv
from konvolut.blocks.norm import Norm
from konvolut.errors import ArchError

IMAGE = torch.arange(16.0).reshape(1, 1, 4, 4)


def test_average_pooling_by_hand():
    assert AvgPool(2, 2).make((1, 4, 4))(IMAGE).flatten().tolist() == [2.5, 4.5, 10.5, 12.5]


def test_max_pooling_by_hand_and_the_incomplete_window_of_caffe():
    assert MaxPool(3, 2).make((1, 4, 4))(IMAGE).flatten().tolist() == [10]
    assert MaxPool(3, 2, ceil=True).make((1, 4, 4))(IMAGE).flatten().tolist() == [10, 11, 14, 15]


def test_an_incomplete_average_divides_by_what_it_holds():
    assert AvgPool(3, 2, ceil=True).make((1, 4, 4))(IMAGE).flatten().tolist() == [5, 6.5, 11, 12.5]


def test_global_pooling_is_the_mean_of_each_map():
    assert GlobalAvgPool().make((2, 4, 4))(torch.cat([IMAGE, IMAGE + 1], 1)).tolist() == [[7.5, 8.5]]


def test_a_kernel_of_ones_counts_the_neighbours():
    row = Conv(1, 3, p=1, bias=False).make((1, 3, 3))
    nn.init.ones_(row.conv.weight)
    assert row(torch.ones(1, 1, 3, 3)).flatten().tolist() == [4, 6, 4, 6, 9, 6, 4, 6, 4]


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.integers(1, 64), st.integers(1, 11), st.integers(1, 4), st.integers(0, 5), st.integers(1, 8))
def test_a_convolution_gives_floor_of_n_plus_2p_minus_k_over_s_plus_1(n, k, s, p, out):
    if n + 2 * p < k:
        return
    with torch.device("meta"):
        given = Conv(out, k, s, p).make((3, n, n))(torch.empty(1, 3, n, n))
    side = (n + 2 * p - k) // s + 1
    assert given.shape == (1, out, side, side)


def test_a_group_does_not_see_the_other_group():
    batch = torch.randn(1, 4, 3, 3, requires_grad=True)
    Conv(4, 3, groups=2, act="none").make((4, 3, 3))(batch)[0, :2].sum().backward()
    assert batch.grad[0, :2].abs().min() > 0
    assert batch.grad[0, 2:].abs().max() == 0


def test_batch_norm_stands_before_the_activation_and_local_response_norm_after_it():
    assert list(dict(Conv(2, 1, norm="bn").make((1, 1, 1)).named_children())) == ["conv", "norm", "act"]
    lrn = Conv(2, 1, norm="lrn", at="after").make((1, 1, 1))
    assert list(dict(lrn.named_children())) == ["conv", "act", "norm"]
    assert list(dict(Conv(2, 1, act="none").make((1, 1, 1)).named_children())) == ["conv"]


@pytest.mark.parametrize(
    ("at", "order", "width"),
    [
        ("output", ["conv", "norm", "act"], 3),
        ("after", ["conv", "act", "norm"], 3),
        ("input", ["norm", "conv", "act"], 2),
        ("pre", ["norm", "act", "conv"], 2),
    ],
)
def test_a_norm_stands_where_it_is_put_and_is_as_wide_as_what_it_takes(at, order, width):
    conv = Conv(3, 1, norm="bn", at=at).make((2, 1, 1))
    assert (list(dict(conv.named_children())), conv.norm.num_features) == (order, width)
    dense = Dense(3, norm="bn", at=at).make((2,))
    assert (list(dict(dense.named_children())), dense.norm.num_features) == (
        [n.replace("conv", "dense") for n in order],
        width,
    )


def test_a_kernel_may_be_wider_than_high():
    conv = Conv(1, (1, 3), p=(0, 1), act="none", bias=False).make((1, 2, 4)).conv
    nn.init.ones_(conv.weight)
    assert conv(torch.ones(1, 1, 2, 4)).tolist() == [[[[2, 3, 3, 2], [2, 3, 3, 2]]]]


def test_adaptive_pooling_by_hand():
    image = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert AdaptivePool(2).make((1, 4, 4))(image).flatten().tolist() == [2.5, 4.5, 10.5, 12.5]
    assert torch.equal(AdaptivePool(4).make((1, 4, 4))(image), image)


def test_a_hook_on_a_convolution_sees_negative_numbers_too():
    row, seen = Conv(8, 1).make((1, 4, 4)), []
    row.conv.register_forward_hook(lambda module, takes, gives: seen.append(gives))
    row(torch.randn(4, 1, 4, 4))
    assert seen[0].min() < 0


def test_local_response_norm_is_the_formula_of_section_3_3():
    maps = torch.randn(1, 7, 1, 1, dtype=torch.float64)
    a = maps.flatten().tolist()
    hand = [a[i] / (2 + 1e-4 * sum(a[j] ** 2 for j in range(max(0, i - 2), min(7, i + 3)))) ** 0.75 for i in range(7)]
    assert Norm("lrn").make((7, 1, 1))(maps).flatten().tolist() == pytest.approx(hand, rel=1e-12)


def test_scaled_tanh_keeps_1_and_minus_1_as_the_paper_chose_it():
    assert ScaledTanh()(torch.tensor([-1.0, 0.0, 1.0])).tolist() == pytest.approx([-1, 0, 1], abs=1e-4)


@pytest.mark.parametrize(("act", "at"), [("relu", 0.0), ("tanh", -0.76159), ("sigmoid", 0.26894), ("none", -1.0)])
def test_activations_at_minus_one(act, at):
    row = Dense(1, act=act, bias=False).make((1,))
    nn.init.ones_(row.dense.weight)
    assert row(torch.tensor([[-1.0]])).item() == pytest.approx(at, abs=1e-5)


def test_a_dense_row_reads_a_map_row_by_row():
    row = Dense(16, act="none", bias=False).make((1, 4, 4))
    row.dense.weight.data = torch.eye(16)
    assert row(IMAGE).flatten().tolist() == list(range(16))


def test_dropout_keeps_the_mean_and_rests_in_evaluation():
    ones = torch.ones(1, 100_000)
    assert set(Dropout(0.5).make((100_000,))(ones).unique().tolist()) == {0, 2}
    assert torch.equal(Dropout(0.5).make((100_000,)).eval()(ones), ones)
    assert isinstance(Dense(1, drop=0.4).make((3,)).drop, nn.Dropout)


def test_an_mlpconv_is_a_perceptron_at_each_pixel():
    first, second = mlpconv("conv1", Conv(5, 3, s=2, p=1, groups=1), cccp1=7)
    assert (first.name, second.name) == ("conv1", "cccp1")
    row = second.spec.make((5, 2, 2))
    batch = torch.randn(1, 5, 2, 2)
    pixel = row.conv.weight.view(7, 5) @ batch[0, :, 1, 0] + row.conv.bias
    torch.testing.assert_close(row(batch)[0, :, 1, 0], pixel.relu())
    assert row(batch).shape == (1, 7, 2, 2)


def test_a_word_that_is_no_activation_or_norm_gets_the_nearest():
    with pytest.raises(ArchError, match=r"act = 'rulu'; did you mean 'relu'\?"):
        Conv(1, 1, act="rulu").make((1, 1, 1))
    with pytest.raises(ArchError, match=r"norm = 'batchnorm'; known: none, bn, bn eps=1e-3, lrn"):
        Conv(1, 1, norm="batchnorm").make((1, 1, 1))
    with pytest.raises(ArchError, match="norm = 'lrn'"):
        Dense(1, norm="lrn").make((1,))
    assert "scaled tanh" in ACTS


def test_maps_that_do_not_split_into_groups_are_refused():
    with pytest.raises(ArchError, match="3 maps in and 4 out do not both split into 2 groups"):
        Conv(4, 1, groups=2).make((3, 1, 1))


@pytest.mark.parametrize("width", [2, 7])
def test_a_narrow_strided_1x1_convolution_is_one_and_harms_nothing(width):
    """With torch's own, a few of these passes ended the process on a machine whose widest instructions are AVX2."""
    layer = Conv(8, 1, s=2, act="none").make((width, 28, 28)).to(memory_format=torch.channels_last)
    for _ in range(30):
        batch = torch.randn(17, width, 28, 28).to(memory_format=torch.channels_last).requires_grad_()
        gives = layer(batch)
        gives.square().sum().backward()
    (weight, bias), x = (w.detach().double() for w in layer.parameters()), batch.detach().double().contiguous()
    x.requires_grad_()
    known = torch.nn.functional.conv2d(x, weight, bias, 2)
    known.square().sum().backward()
    assert torch.allclose(gives.double(), known, atol=1e-5)
    assert torch.allclose(batch.grad.double(), x.grad, atol=1e-4)
