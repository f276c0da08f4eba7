"""First values: their laws by arithmetic, and what they depend on."""

import pytest
import torch
from torch import nn

from konvolut.blocks.basic import Conv, Dense
from konvolut.blocks.init import fans, initialise
from konvolut.blocks.lenet import SparseConv2d, Subsample2d
from konvolut.blocks.residual import Basic
from konvolut.blocks.written import BatchNorm
from konvolut.errors import ArchError


def rows(act="relu"):
    return nn.Sequential(Conv(128, 3, act=act, norm="bn").make((64, 8, 8)), Dense(200, act="none").make((300,)))


@pytest.mark.parametrize(
    ("scheme", "conv", "dense"),
    [
        ("he", 2 / (64 * 9), 1 / 300),  # a ReLU follows the convolution, none the dense layer
        ("xavier", 2 / (64 * 9 + 128 * 9), 2 / 500),  # a uniform draw up to b has variance b**2 / 3
        ("xavier normal", 2 / (64 * 9 + 128 * 9), 2 / 500),
        ("gaussian", 1e-4, 1e-4),
        ("lecun", 2.4**2 / (64 * 9) ** 2 / 3, 2.4**2 / 300**2 / 3),
    ],
)
def test_weights_have_the_variance_of_their_scheme(scheme, conv, dense):
    net = rows()
    initialise(net, scheme)
    assert net[0].conv.weight.var().item() == pytest.approx(conv, rel=0.03)  # 73,728 numbers: 0.5 % off at one sigma
    assert net[1].dense.weight.var().item() == pytest.approx(dense, rel=0.03)


@pytest.mark.parametrize(
    ("scheme", "fill"),
    [
        ("he", lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu")),
        ("xavier", nn.init.xavier_uniform_),
        ("xavier normal", nn.init.xavier_normal_),
        ("gaussian", lambda weight: nn.init.normal_(weight, std=0.01)),
        ("lecun", None),
    ],
)
def test_a_scheme_has_the_law_of_torchs_own(scheme, fill):
    net, kurtosis = rows(), 3.0 if scheme in ("he", "xavier normal", "gaussian") else 1.8  # of a bell, of a box
    initialise(net, scheme)
    torch.manual_seed(0)
    drawn = [net[0].conv.weight.detach()]
    drawn += [fill(torch.empty_like(drawn[0]))] if fill else []
    deviation = drawn[-1].std().item()
    for values in drawn:  # 73,728 numbers: one sigma of the mean is 0.004 deviations, of the kurtosis at most 0.02
        assert values.std().item() == pytest.approx(deviation, rel=0.015)
        assert abs(values.mean().item()) < 0.016 * deviation
        assert (values / values.std()).pow(4).mean().item() == pytest.approx(kurtosis, abs=0.08)


@pytest.mark.parametrize("layer", [nn.Linear(7, 3), nn.Conv2d(4, 6, 5)], ids=["dense", "convolution"])
def test_fans_are_torchs(layer):
    assert fans(layer) == nn.init._calculate_fan_in_and_fan_out(layer.weight)


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


def test_biases_of_the_named_rows_start_at_one():
    # the rows of Krizhevsky et al. 2012, section 5: conv2, conv4, conv5 and the hidden dense layers, on a tiny AlexNet
    net = nn.Sequential()
    for number in range(1, 6):
        net.add_module(f"conv{number}", Conv(2, 1, groups=1 + number % 2, norm="bn").make((2, 1, 1)))
    for number in range(6, 9):
        net.add_module(f"fc{number}", Dense(2).make((2,)))
    initialise(net, "gaussian", ones=("conv2", "conv4", "conv5", "fc6", "fc7"))
    layers = {name: row[0] for name, row in net.named_children()}
    assert {name for name, layer in layers.items() if layer.bias.tolist() == [1, 1]} == {
        "conv2", "conv4", "conv5", "fc6", "fc7",
    }  # fmt: skip
    assert all(layers[name].bias.tolist() == [0, 0] for name in ("conv1", "conv3", "fc8"))
    assert net.conv2.norm.bias.tolist() == [0, 0]  # the bias of a layer, not the shift of a norm
    weights = [layer.weight.clone() for layer in layers.values()]
    initialise(net, "gaussian")
    assert all(torch.equal(before, layer.weight) for before, layer in zip(weights, layers.values(), strict=True))
    assert all(layer.bias.tolist() == [0, 0] for layer in layers.values())


def test_a_subsampling_row_has_a_bias_too():
    net = nn.Sequential(Subsample2d(2, 2), Dense(2).make((2,)))
    initialise(net, ones=("0",))
    assert (net[0].bias.tolist(), net[1].dense.bias.tolist()) == ([1, 1], [0, 0])


def test_a_row_that_cannot_start_at_one_is_named():
    net = nn.Sequential()
    net.add_module("conv1", Conv(2, 1).make((2, 1, 1)))
    net.add_module("bare", Conv(2, 1, bias=False).make((2, 1, 1)))
    net.add_module("pool1", nn.MaxPool2d(1))
    before = net.conv1.conv.weight.clone()
    with pytest.raises(ArchError, match=r"^ones: no row 'conv2'; did you mean 'conv1'\?$"):
        initialise(net, ones=("conv2",))
    for name in ("bare", "pool1"):
        with pytest.raises(ArchError, match=f"^ones: row {name} has no bias; .* bias=True would work$"):
            initialise(net, ones=("conv1", name))
    assert torch.equal(before, net.conv1.conv.weight)  # refused before anything is written


def test_auxiliary_heads_are_initialised_like_rows():
    def headed():
        net = rows()
        net.add_module("heads", nn.ModuleDict({"aux1": nn.Sequential()}))
        net.heads.aux1.add_module("fc", Dense(300).make((400,)))
        return net

    net, bare = headed(), rows()
    initialise(net)
    initialise(bare)
    dense = net.heads.aux1.fc.dense
    assert dense.weight.var().item() == pytest.approx(2 / 400, rel=0.03)  # a ReLU follows
    assert dense.bias.abs().max() == 0
    assert torch.equal(net[0].conv.weight, bare[0].conv.weight)  # the trunk does not see the heads


def test_the_written_out_norm_starts_like_torchs():
    net = nn.Sequential(BatchNorm(3), nn.BatchNorm1d(3))
    for values in (*net.parameters(), *net.buffers()):
        values.data.fill_(7)
    initialise(net)
    assert [values.tolist() for values in net[0].state_dict().values()] == [
        values.tolist() for values in net[1].state_dict().values()
    ]


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
