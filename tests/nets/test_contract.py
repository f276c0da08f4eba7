"""What every family keeps, at the smallest size that still exercises it."""

import ast
import re
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from konvolut.blocks.basic import Dense
from konvolut.nets.arch import build, least_side
from konvolut.nets.catalogue import CATALOGUE, EDITIONS, named
from konvolut.nets.fit import fit, fixed
from konvolut.nets.names import parsed
from konvolut.nets.variants import narrow, without_last_activation


def small(name, divisor=8, side=None):
    """Narrow, its dense rows 32 wide; a paper's net fitted to 28 px, an edition's at the least size that it takes."""
    arch = without_last_activation(narrow(named(name), divisor))
    rows = [
        replace(row, spec=replace(row.spec, out=32))
        if isinstance(row.spec, Dense) and row.name != arch.rows[-1].name
        else row
        for row in arch.rows
    ]
    arch = replace(arch, rows=tuple(rows), heads=tuple(thin(head) for head in arch.heads))
    if parsed(name).edition or side:
        side = side or least_side(arch, arch.input[0], heads=True)
        return fixed(arch, (arch.input[0], side, side), 10)
    return fit(arch, (3, 28, 28), 10)[0]


def thin(head):
    dense = [row for row in head.rows[:-1] if isinstance(row.spec, Dense)]
    rows = [replace(row, spec=replace(row.spec, out=32)) if row in dense else row for row in head.rows]
    return replace(head, rows=tuple(rows))


FAMILIES = {name: small(name, *how) for name, how in {
    "lenet": (1,), "lenet@d2l": (1, 28), "lenet-bn@d2l": (1, 28),
    "alexnet": (), "alexnet-ungrouped": (), "alexnet@d2l": (8, 96), "alexnet@torchvision": (8, 96),
    "vgg-11": (), "vgg-11-lrn": (), "vgg-16c": (), "vgg-11+bn": (), "vgg-11+bn.after": (), "vgg-11+bn.input": (),
    "vgg-11@d2l": (), "vgg-11@torchvision": (), "vgg-11+bn@torchvision": (),
    "nin": (), "nin-cifar": (), "nin@d2l": (1,),
    "googlenet": (4, 96), "googlenet@d2l": (4, 32), "googlenet@torchvision": (4, 32), "inception-v3@torchvision": (8,),
    "resnet-18": (), "resnet-18-a": (), "resnet-18-c": (), "resnet-50": (),
    "resnet-18@d2l": (8, 32), "resnet-50@torchvision": (8, 32),
    "plain-18": (), "resnet-20": (1,), "plain-20": (1,), "preact-18": (), "preact-110": (2,),
}.items()}  # fmt: skip


def maker(name):
    """The function that makes a table of the catalogue."""
    make = EDITIONS[parsed(name).edition][parsed(name).base]
    return getattr(make, "func", make)


def test_every_table_of_the_catalogue_is_made_as_one_that_is_walked_here():
    assert {maker(name) for name in CATALOGUE} == {maker(name) for name in FAMILIES}


MODELS = sorted({Path(maker(name).__code__.co_filename) for name in CATALOGUE})


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_a_model_file_opens_with_the_source_it_was_read_in(path):
    first = ast.get_docstring(ast.parse(path.read_text())) or ""
    assert re.search(r"arXiv:\d{4}\.\d{4,5}|(19|20)\d\d", first), path.name
    assert re.search(r"[Tt]able|[Ss]ection|[Ff]igure", first), path.name


@pytest.fixture(scope="module", params=FAMILIES)
def case(request):
    arch = FAMILIES[request.param]
    return build(arch), torch.randn(8, *arch.input, generator=torch.Generator().manual_seed(0))


def loss(net, images):
    """Cross-entropy of every answer there is: the trunk's, and in training those of the heads."""
    answers = net(images)
    return sum(cross_entropy(one, torch.arange(8)) for one in (answers if isinstance(answers, tuple) else (answers,)))


def test_an_image_does_not_see_its_neighbours(case):
    net, images = case
    net.eval()
    with torch.no_grad():
        torch.testing.assert_close(net(images)[:1], net(images[:1]), rtol=1e-4, atol=1e-5)


def test_every_parameter_gets_a_gradient(case):
    net, images = case
    net.train()
    loss(net, images).backward()
    dead = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    net.zero_grad()
    assert not dead


def test_an_untrained_net_answers_about_as_well_as_chance(case):
    net, images = case
    net.train()
    with torch.no_grad():
        heads = len(net.arch.heads)
        for module in net.modules():  # where a dense row is 32 wide, what dropout leaves weighs too much
            module.train(not isinstance(module, nn.Dropout))
        assert loss(net, images).item() < 5 * 2.303 * (
            1 + heads
        )  # log 10; each max pool without a norm widens the answers


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
    other = build(net.arch, seed=1)
    other.load_state_dict(net.state_dict())
    with torch.no_grad():
        assert torch.equal(other.eval()(images), net(images))
