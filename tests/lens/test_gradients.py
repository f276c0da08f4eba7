"""Norms along a net: by hand on one dense layer, and against torch's own backward pass."""

from math import exp, sqrt

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from konvolut.errors import ArchError
from konvolut.lens.gradients import norms
from konvolut.nets.arch import build
from konvolut.nets.catalogue import named
from konvolut.nets.fit import fit


def test_one_dense_layer_by_hand():
    net = nn.Sequential(nn.Linear(2, 2, bias=False))
    net[0].weight.data = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    (found,) = norms(net, torch.tensor([[3.0, 4.0]]), torch.tensor([0]))
    assert found.name == "0"
    assert found.activation == pytest.approx(5)
    # logits 3 and 4: the slope is softmax - one-hot = (-q, q) with q = 1 / (1 + e^-1); by the weights it is q x
    q = 1 / (1 + exp(-1))
    assert found.gradient == pytest.approx(q * sqrt(2))
    assert found.weight_gradient == pytest.approx(q * sqrt(2) * 5)


def test_norms_of_a_batch_are_the_means_over_its_pictures():
    net = build(fit(named("resnet-20"), (3, 16, 16), 4)[0]).eval()
    batch = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 1, 3])
    single = [norms(net, batch[[i]], labels[[i]]) for i in range(3)]
    for together, *alone in zip(norms(net, batch, labels), *single, strict=True):
        assert together.activation == pytest.approx(sum(one.activation for one in alone) / 3, rel=1e-4)
        assert together.gradient == pytest.approx(sum(one.gradient for one in alone) / 3, rel=1e-4)


def test_weight_gradients_are_those_of_a_backward_pass_in_training_mode():
    net = build(fit(named("resnet-20"), (3, 16, 16), 4)[0]).train()
    batch = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(4)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    found = norms(net, batch, labels, [name for name, _ in net.named_children()])
    assert all(p.grad is None for p in net.parameters())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())  # running statistics too
    assert net.training
    cross_entropy(net(batch), labels).backward()
    assert not torch.equal(net.state_dict()["conv1.norm.running_mean"], before["conv1.norm.running_mean"])
    for row in found:
        learnt = [p.grad for p in net.get_submodule(row.name).parameters()]
        expected = sqrt(sum(float(grad.square().sum()) for grad in learnt)) if learnt else None
        assert row.weight_gradient == (None if expected is None else pytest.approx(expected, rel=1e-4)), row.name


def test_rows_come_in_the_order_of_passing_and_stages_are_opened():
    net = build(fit(named("resnet-20"), (3, 16, 16), 4)[0]).eval()
    batch = torch.zeros(1, 3, 16, 16)
    names = [one.name for one in norms(net, batch, torch.tensor([0]))]
    assert len(names) == 1 + 9 + 2  # He et al. 2015, section 4.2: a convolution, 3 x 3 blocks, a mean, a dense layer
    assert [one.name for one in norms(net, batch, torch.tensor([0]), [names[5], names[0]])] == [names[0], names[5]]


def test_a_dead_row_has_no_gradient_and_a_frozen_one_learns_nothing():
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
    net[0].bias.data.fill_(-100)
    net[2].requires_grad_(False)
    first, act, last = norms(net, torch.ones(1, 2), torch.tensor([0]))
    assert (act.activation, first.gradient, first.weight_gradient) == (0, 0, 0)
    assert act.weight_gradient is None
    assert last.weight_gradient is None
    assert last.gradient > 0


def test_an_unknown_row_is_refused():
    with pytest.raises(ArchError, match="no row or part 'fc'"):
        norms(nn.Sequential(nn.Linear(2, 2)), torch.ones(1, 2), torch.tensor([0]), ["fc"])
