"""Receptive fields: by arithmetic, held against the papers' geometry and against gradients."""

import pytest
import torch
from torch import nn

from konvolut.blocks.basic import AdaptivePool, Conv, MaxPool
from konvolut.blocks.inception import Inception
from konvolut.blocks.residual import Basic, Stage
from konvolut.blocks.spec import Row
from konvolut.lens.field import Field, field, through, widest
from konvolut.lens.ledger import ledger
from konvolut.nets.arch import Arch, build
from konvolut.nets.catalogue import named


def sights(name, side=None):
    arch = named(name)
    held = ledger(arch, side and (arch.input[0], side, side))
    return {line.name: (line.sees[0].size, line.sees[0].stride) for line in held.lines if line.sees}


def test_alexnet_row_by_row():
    found = sights("alexnet")
    # conv1 11; pool1 + 2 * 4; conv2 + 4 * 8; pool2 + 2 * 8; three 3x3 + 2 * 16 each; pool5 + 2 * 16
    assert {row: px for row, (px, _) in found.items()} == {
        "conv1": 11, "pool1": 19, "conv2": 51, "pool2": 67, "conv3": 99, "conv4": 131, "conv5": 163, "pool5": 195,
    }  # fmt: skip
    assert [px for _, px in found.values()] == [4, 8, 8, 16, 16, 16, 16, 32]


@pytest.mark.parametrize(("name", "row", "px", "stride"), [
    ("lenet", "S4", 16, 4),
    ("vgg-11", "pool5", 150, 32), ("vgg-13", "pool5", 156, 32), ("vgg-16", "pool5", 212, 32), ("vgg-19", "pool5", 268, 32),
    ("nin@d2l", "block4", 195, 32),
    ("googlenet", "5b", 715, 32),
    ("resnet-18", "conv5_x", 435, 32), ("resnet-34", "conv5_x", 899, 32),
    ("resnet-50@torchvision", "conv5_x", 427, 32), ("resnet-101@torchvision", "conv5_x", 971, 32),
    ("resnet-152@torchvision", "conv5_x", 1451, 32),
    ("resnet-20", "stage3", 81, 4), ("resnet-56", "stage3", 249, 4), ("resnet-110", "stage3", 501, 4),
])  # fmt: skip
def test_published_fields(name, row, px, stride):
    assert sights(name, 64 if name.startswith("resnet-") and "0" not in name[-2:] else None)[row] == (px, stride)


def test_striding_before_the_3x3_widens_what_a_bottleneck_sees():
    # 11 behind pool1; 3x3s of 2 * 4, 2 * 8, 2 * 16, 2 * 32 px, 3 + 4 + 6 + 3 of them, each at its stage's own stride
    assert sights("resnet-50")["conv5_x"] == (11 + 3 * 8 + 4 * 16 + 6 * 32 + 3 * 64, 32)


def test_dense_rows_and_global_pools_see_all():
    seen = {line.name: line.sees for line in ledger(named("resnet-20")).lines}
    assert seen["gap"] is None
    assert seen["fc"] is None


def test_an_adaptive_pool_that_does_nothing_widens_nothing():
    behind = AdaptivePool(6).make((8, 6, 6))
    assert through(behind, Field(195, 32, -66), 0, places=6) == Field(195, 32, -66)
    assert through(behind, Field(195, 32, -66), 0, places=12) == Field(195 + 32, 64, -66)  # windows of two places
    assert through(behind, Field(195, 32, -66), 0, places=13) is None  # windows of uneven size
    assert through(behind, Field(195, 32, -66), 0) is None


def test_the_widest_way_counts_where_ways_part():
    assert widest([Field(3, 2, -1), Field(7, 2, -3)]) == Field(7, 2, -3)
    assert widest([Field(3, 2, -1), None]) is None


def test_a_composite_of_an_unknown_kind_is_taken_to_see_all():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 3)

    assert through(Twice(), Field(), 0) is None


TINY = Arch(
    "tiny",
    "made here",
    (1, 61, 61),
    (
        Row("conv1", Conv(2, 5, s=2, p=1)),
        Row("pool", MaxPool(3, 2, 1)),
        Row("mixed", Inception(1, 1, 1, 1, 1, 1)),
        Row("stage", Stage(2, Basic(4, norm="none"), s=2)),
        Row("tall", Conv(1, (3, 1))),
    ),
)


@pytest.mark.parametrize("row", [row.name for row in TINY.rows])
def test_the_gradient_of_a_place_reaches_as_far_as_its_field(row):
    """Weights and pixels are positive and pools are means: every pixel in sight then has a gradient above 0."""
    net = build(TINY)
    for name, part in list(net.named_modules()):
        if isinstance(part, nn.MaxPool2d):
            parent, _, last = name.rpartition(".")
            setattr(net.get_submodule(parent), last, nn.AvgPool2d(part.kernel_size, part.stride, part.padding))
    with torch.no_grad():
        for weight in net.parameters():
            weight.fill_(0.1)
    picture = torch.ones(1, 1, 61, 61, requires_grad=True)
    maps = picture
    for name, part in net.named_children():
        maps = part(maps)
        if name == row:
            break
    middle = [side // 2 for side in maps.shape[2:]]
    (reached,) = torch.autograd.grad(maps[0, :, middle[0], middle[1]].sum(), picture)
    fields = field(net, row)
    for axis, at in enumerate(middle):
        lit = reached[0, 0].sum(1 - axis).nonzero().flatten()
        start = fields[axis].start + at * fields[axis].stride
        assert (lit.min(), lit.max() + 1) == (max(0, start), min(61, start + fields[axis].size))
