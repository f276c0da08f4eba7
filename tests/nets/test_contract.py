"""What every family keeps, at the smallest size that still exercises it."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import cross_entropy

from konvolut.blocks.basic import Dense
from konvolut.nets.arch import build
from konvolut.nets.catalogue import named
from konvolut.nets.fit import fit
from konvolut.nets.variants import narrow, with_norm, without_last_activation


def small(name, divisor):
    """Fitted to 28 px, narrow, its dense rows 32 wide."""
    arch = without_last_activation(fit(narrow(named(name), divisor), (3, 28, 28), 10)[0])
    rows = [
        replace(row, spec=replace(row.spec, out=32)) if isinstance(row.spec, Dense) and row.spec.act == "relu" else row
        for row in arch.rows
    ]
    return replace(arch, rows=tuple(rows))


FAMILIES = {
    "lenet": small("lenet", 1),
    "alexnet": small("alexnet", 8),
    "vgg-11": small("vgg-11", 8),
    "vgg-11+bn": with_norm(small("vgg-11", 8), "bn"),
    "nin": small("nin", 8),
    "googlenet": small("googlenet", 4),
    "resnet-18": small("resnet-18", 8),
    "resnet-50": small("resnet-50", 8),
    "resnet-20": small("resnet-20", 1),
}


@pytest.fixture(scope="module", params=FAMILIES)
def case(request):
    arch = FAMILIES[request.param]
    return build(arch), torch.randn(8, *arch.input, generator=torch.Generator().manual_seed(0))


def test_an_image_does_not_see_its_neighbours(case):
    net, images = case
    net.eval()
    with torch.no_grad():
        torch.testing.assert_close(net(images)[:1], net(images[:1]), rtol=1e-4, atol=1e-5)


def test_every_parameter_gets_a_gradient(case):
    net, images = case
    net.train()
    cross_entropy(net(images), torch.arange(8)).backward()
    dead = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    net.zero_grad()
    assert not dead


def test_an_untrained_net_answers_about_as_well_as_chance(case):
    net, images = case
    net.train()
    with torch.no_grad():
        assert cross_entropy(net(images), torch.arange(8)).item() < 3 * 2.303  # log 10


def test_precision_is_that_of_its_numbers(case):
    net, images = case
    net.eval()
    with torch.no_grad():
        single, double = net(images), deepcopy(net).double()(images.double())
        half = deepcopy(net).bfloat16()(images.bfloat16())
    assert (double.dtype, half.dtype) == (torch.float64, torch.bfloat16)
    torch.testing.assert_close(single.double(), double, rtol=1e-3, atol=1e-4)
    assert (half.float() - single).abs().max() < 0.1 * (1 + single.abs().max())  # bf16 keeps 8 bits, 3 digits a layer


def test_the_order_of_memory_changes_nothing(case):
    net, images = case
    net.eval()
    last = deepcopy(net).to(memory_format=torch.channels_last)
    with torch.no_grad(), torch.autocast("cpu", enabled=False):
        given = last(images.to(memory_format=torch.channels_last))
        torch.testing.assert_close(given, net(images), rtol=1e-4, atol=1e-5)


def test_the_exported_program_agrees_at_another_batch_size(case):
    net, images = case
    net.eval()
    batch = torch.export.Dim("batch", min=1, max=256)
    program = torch.export.export(net, (images[:4],), dynamic_shapes=({0: batch},))
    with torch.no_grad():
        torch.testing.assert_close(program.module()(images[:3]), net(images[:3]), rtol=1e-4, atol=1e-5)


def test_weights_travel_by_their_names(case):
    net, images = case
    net.eval()
    other = build(FAMILIES["lenet"]) if "C3" in dict(net.named_children()) else deepcopy(net)
    for p in other.parameters():
        p.data.normal_()
    other.load_state_dict(net.state_dict())
    with torch.no_grad():
        assert torch.equal(other.eval()(images), net(images))
