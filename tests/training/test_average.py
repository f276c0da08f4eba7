"""The mean of a net's weights, by its formula in numpy."""

import numpy as np
import pytest
import torch
from torch import nn

from konvolut.training.average import Average


def small():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(32, 2))


def walk(net, average, steps, start=0):
    """The values of every tensor after each step of a made-up training."""
    seen = []
    for number in range(start, start + steps):
        torch.manual_seed(number)
        with torch.no_grad():
            for weight in net.parameters():
                weight.add_(torch.randn_like(weight))
            net(torch.randn(4, 1, 6, 6))  # batch norm measures, and counts
        average.update()
        seen.append({name: tensor.numpy().copy() for name, tensor in net.state_dict().items()})
    return seen


@pytest.mark.parametrize("decay", [0.3, 0.9999])
def test_it_is_the_recursion_with_the_decay_that_begins_low(decay):
    net = small()
    first = {name: tensor.numpy().copy() for name, tensor in net.state_dict().items()}
    average = Average(net, decay)
    expected = {name: value.astype(np.float64) for name, value in first.items()}
    for n, now in enumerate(walk(net, average, 12)):
        d = min(decay, (1 + n) / (10 + n))
        expected = {name: d * value + (1 - d) * now[name] for name, value in expected.items()}
    for name, value in expected.items():
        if name == "1.num_batches_tracked":
            assert average.held[name] == 12
        else:
            np.testing.assert_allclose(average.held[name], value, rtol=1e-5, atol=1e-5)
    assert np.abs(expected["1.running_mean"] - now["1.running_mean"]).max() > 1e-3


def test_inside_the_net_has_the_mean_and_after_it_its_own_to_the_bit_in_the_same_tensors():
    net = small()
    average = Average(net, 0.5)
    walk(net, average, 3)
    own = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    mean = {name: tensor.clone() for name, tensor in average.held.items()}
    places = [weight.data_ptr() for weight in net.parameters()]
    with average.swapped():
        assert all(torch.equal(tensor, mean[name]) for name, tensor in net.state_dict().items())
    with pytest.raises(KeyError), average.swapped():
        raise KeyError
    assert all(torch.equal(tensor, own[name]) for name, tensor in net.state_dict().items())
    assert all(torch.equal(tensor, mean[name]) for name, tensor in average.held.items())
    assert [weight.data_ptr() for weight in net.parameters()] == places


def test_it_goes_on_from_its_state_as_if_nothing_had_happened(tmp_path):
    net, other = small(), small()
    whole, half = Average(net, 0.99), Average(other, 0.99)
    walk(net, whole, 6)
    walk(other, half, 3)
    torch.save({"net": other.state_dict(), "average": half.state()}, tmp_path / "state.pt")
    kept = torch.load(tmp_path / "state.pt", weights_only=True)
    again = small()
    again.load_state_dict(kept["net"])
    rest = Average(again, 0.99)
    rest.restore(kept["average"])
    walk(again, rest, 3, start=3)
    assert rest.updates == 6
    assert all(torch.equal(rest.held[name], tensor) for name, tensor in whole.held.items())


def test_what_does_not_change_is_its_own_mean_to_the_bit():
    net = small()
    average = Average(net, 0.99)
    for _ in range(20):
        average.update()
    assert all(torch.equal(average.held[name], tensor) for name, tensor in net.named_parameters())
