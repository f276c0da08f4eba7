"""First values: their laws by arithmetic, and what they depend on."""

import pytest
import torch
from torch import nn

from konvolut.blocks.basic import Conv, Dense
from konvolut.blocks.init import initialise
from konvolut.blocks.lenet import SparseConv2d
from konvolut.blocks.residual import Basic
from konvolut.errors import ArchError


def rows(act="relu"):
    return nn.Sequential(Conv(128, 3, act=act, norm="bn").make((64, 8, 8)), Dense(200, act="none").make((300,)))


@pytest.mark.parametrize(
    ("scheme", "conv", "dense"),
    [
        ("he", 2 / (64 * 9), 1 / 300),  # a ReLU follows the convolution, none the dense layer
        ("xavier", 2 / (64 * 9 + 128 * 9), 2 / 500),  # a uniform draw up to b has variance b**2 / 3
        ("gaussian", 1e-4, 1e-4),
        ("lecun", 2.4**2 / (64 * 9) ** 2 / 3, 2.4**2 / 300**2 / 3),
    ],
)
def test_weights_have_the_variance_of_their_scheme(scheme, conv, dense):
    net = rows()
    initialise(net, scheme)
    assert net[0].conv.weight.var().item() == pytest.approx(conv, rel=0.03)  # 73,728 numbers: 0.5 % off at one sigma
    assert net[1].dense.weight.var().item() == pytest.approx(dense, rel=0.03)


def test_uniform_schemes_stay_within_their_bound_and_reach_it():
    net = rows()
    initialise(net, "xavier")
    bound = (6 / 500) ** 0.5
    assert 0.999 * bound < net[1].dense.weight.abs().max() <= bound * (1 + 1e-6)


def test_without_a_relu_he_keeps_the_variance_of_a_linear_layer():
    net = rows(act="tanh")
    initialise(net, "he")
    assert net[0].conv.weight.var().item() == pytest.approx(1 / (64 * 9), rel=0.03)


def test_a_grouped_layer_counts_what_it_sees():
    net = nn.Sequential(Conv(128, 3, groups=2).make((64, 8, 8)))
    initialise(net, "xavier")
    assert net[0].conv.weight.var().item() == pytest.approx(2 / (32 * 9 + 64 * 9), rel=0.03)


def test_a_sparse_layer_counts_the_connections_of_each_map():
    layer = SparseConv2d(((0,), tuple(range(100))), 100, 9)
    initialise(layer, "he")
    few, many = layer.weight[0].var().item(), layer.weight[1:].var().item()
    assert few == pytest.approx(1 / 81, rel=0.5)
    assert many == pytest.approx(1 / 8100, rel=0.05)


def test_biases_are_zero_and_norms_do_nothing():
    net = rows()
    for p in net.parameters():
        nn.init.constant_(p, 7)
    initialise(net)
    assert net[0].conv.bias.abs().max() == net[1].dense.bias.abs().max() == net[0].norm.bias.abs().max() == 0
    assert net[0].norm.weight.unique().tolist() == [1]


def test_a_value_is_a_matter_of_seed_and_name_alone():
    one, other = rows(), rows(act="tanh")
    initialise(one, "xavier", seed=3)
    torch.manual_seed(99)
    initialise(other, "xavier", seed=3)
    assert torch.equal(one[0].conv.weight, other[0].conv.weight)
    initialise(other, "xavier", seed=4)
    assert not torch.equal(one[0].conv.weight, other[0].conv.weight)
    longer = nn.Sequential(*rows(), Dense(5).make((200,)))
    initialise(longer, "xavier", seed=3)
    assert torch.equal(one[1].dense.weight, longer[1].dense.weight)


def test_two_names_get_two_draws():
    net = nn.Sequential(Dense(50).make((50,)), Dense(50).make((50,)))
    initialise(net)
    correlation = torch.corrcoef(torch.stack([layer.dense.weight.flatten() for layer in net]))[0, 1]
    assert abs(correlation) < 0.1  # 2,500 numbers: one sigma is 0.02


def test_the_global_generator_stays_where_it_was():
    net, before = rows(), torch.random.get_rng_state()
    initialise(net)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_with_zero_residual_a_block_starts_as_its_shortcut():
    block, batch = Basic(4).make((4, 5, 5)).eval(), torch.randn(2, 4, 5, 5)
    initialise(block, zero_residual=True)
    assert torch.equal(block(batch), batch.relu())
    initialise(block)
    assert not torch.equal(block(batch), batch.relu())


def test_a_scheme_that_is_not_known_gets_the_nearest():
    with pytest.raises(ArchError, match=r"scheme = 'xaver'; did you mean 'xavier'\?"):
        initialise(rows(), "xaver")
