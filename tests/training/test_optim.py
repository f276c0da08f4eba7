"""Muon against its formula in numpy, torch's own on matrices, and torch's SGD on what is not made orthogonal."""

import numpy as np
import pytest
import torch
from torch import nn

from konvolut.nets.arch import build
from konvolut.nets.catalogue import named
from konvolut.training.optim import ORTHOGONAL, Muon, optimizer, orthogonal
from konvolut.training.recipe import Recipe
from konvolut.training.trunk import head_parameters


def newton_schulz(matrix: np.ndarray) -> np.ndarray:
    """Jordan et al. 2024, in float64."""
    x = matrix / np.linalg.norm(matrix)
    turned = x.shape[0] > x.shape[1]
    x = x.T if turned else x
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x.T if turned else x


@pytest.mark.parametrize("shape", [(16, 144), (64, 64), (30, 8)], ids=str)
def test_a_step_is_its_formula_and_its_singular_values_are_near_1(shape):
    matrices = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
    for found, matrix in zip(orthogonal(matrices), matrices, strict=True):
        np.testing.assert_allclose(found, newton_schulz(matrix.double().numpy()), atol=2e-5)
    values = torch.linalg.svdvals(orthogonal(torch.randn(1, 16, 144)))
    assert 0.65 < values.min() < values.max() < 1.25


def test_convolutions_of_one_shape_step_as_each_does_alone_by_hand():
    torch.manual_seed(0)
    weights = [nn.Parameter(torch.randn(s).contiguous(memory_format=torch.channels_last))
               for s in ((8, 4, 3, 3), (8, 4, 3, 3), (24, 2, 1, 1))]  # fmt: skip
    expected = [weight.detach().double().numpy().copy() for weight in weights]
    means = [0.0 * value for value in expected]
    muon = Muon([{"params": weights, "weight_decay": 0.1, "orthogonal": True}], lr=0.05, momentum=0.9)
    for _ in range(3):
        for n, weight in enumerate(weights):
            weight.grad = torch.randn_like(weight)
            gradient = weight.grad.double().numpy()
            means[n] = 0.9 * means[n] + gradient
            rows, columns = gradient.shape[0], gradient[0].size
            step = newton_schulz((gradient + 0.9 * means[n]).reshape(rows, columns)) * max(1, rows / columns) ** 0.5
            expected[n] = expected[n] * (1 - 0.05 * 0.1) - 0.05 * step.reshape(gradient.shape)
        muon.step()
    for weight, value in zip(weights, expected, strict=True):
        np.testing.assert_allclose(weight.detach(), value, atol=2e-5)
        assert weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("shape", [(20, 12), (12, 20)], ids=str)
def test_on_matrices_it_is_torchs_own_up_to_bf16(shape):
    torch.manual_seed(0)
    one, other = (nn.Parameter(torch.ones(shape)) for _ in range(2))
    ours = Muon([{"params": [one], "weight_decay": 0.1, "orthogonal": True}], lr=0.1, momentum=0.95)
    theirs = torch.optim.Muon([other], lr=0.1, weight_decay=0.1, momentum=0.95, nesterov=True)
    for _ in range(4):
        one.grad = torch.randn(shape)
        other.grad = one.grad.clone()
        ours.step()
        theirs.step()
    moved = (other.detach() - 1).norm()
    assert (one - other).norm() < 0.03 * moved


def test_what_is_not_orthogonal_is_torchs_sgd():
    torch.manual_seed(0)
    mine = [nn.Parameter(torch.randn(5, 4)), nn.Parameter(torch.randn(4))]
    its = [nn.Parameter(weight.detach().clone()) for weight in mine]
    ours = Muon([{"params": mine, "weight_decay": 0.01}], lr=0.1, momentum=0.9)
    theirs = torch.optim.SGD(its, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01)
    for _ in range(5):
        for one, other in zip(mine, its, strict=True):
            one.grad = torch.randn_like(one)
            other.grad = one.grad.clone()
        ours.step()
        theirs.step()
    for one, other in zip(mine, its, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)


def test_convolutions_are_made_orthogonal_and_classifier_biases_and_norms_are_not():
    net = build(named("resnet-20"))
    muon = optimizer(net, Recipe(optimizer="muon", trunk=0.5))
    kinds = {id(w): (g["orthogonal"], g["rate"], g["weight_decay"]) for g in muon.param_groups for w in g["params"]}
    last = {id(weight) for weight in head_parameters(net)}
    assert len(kinds) == len(list(net.parameters()))
    for weight in net.parameters():
        wide, head = weight.ndim > 1, id(weight) in last
        rate = (1.0 if head else 0.5) * (ORTHOGONAL if wide and not head else 1.0)
        assert kinds[id(weight)] == (wide and not head, rate, 5e-4 * wide)


def test_frozen_weights_and_those_without_a_gradient_stay():
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Conv2d(2, 2, 1), nn.Flatten(), nn.Linear(8, 2))
    net[0].requires_grad_(False)
    before = [weight.detach().clone() for weight in net.parameters()]
    muon = optimizer(net, Recipe(optimizer="muon"))
    net[3](torch.ones(1, 8)).sum().backward()
    muon.step()
    changed = [not torch.equal(w, b) for w, b in zip(net.parameters(), before, strict=True)]
    assert changed == [False] * 4 + [True] * 2


def test_it_resumes_to_the_bit(tmp_path):
    def steps(net, muon, numbers):
        for number in numbers:
            torch.manual_seed(number)
            muon.zero_grad()
            net(torch.randn(4, 3, 8, 8)).square().mean().backward()
            muon.step()

    def start():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
        return net, optimizer(net, Recipe(optimizer="muon"))

    net, muon = start()
    steps(net, muon, range(6))
    half, first = start()
    steps(half, first, range(3))
    torch.save((half.state_dict(), first.state_dict()), tmp_path / "state.pt")
    again, rest = start()
    weights, state = torch.load(tmp_path / "state.pt", weights_only=True)
    again.load_state_dict(weights)
    rest.load_state_dict(state)
    steps(again, rest, range(3, 6))
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), net.parameters(), strict=True))
