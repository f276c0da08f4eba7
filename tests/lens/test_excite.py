"""What excites a channel: planted pictures, receptive fields from the literature and from where gradients reach."""

import numpy as np
import pytest
import torch
from torch import nn

from konvolut.errors import ArchError
from konvolut.images.preprocess import InputSpec
from konvolut.lens.excite import exciting
from konvolut.lens.field import Field, box, field
from konvolut.nets.arch import build, facts
from konvolut.nets.catalogue import named
from konvolut.nets.features import features
from konvolut.nets.fit import fit

GREY = InputSpec(size=9, channels=1, mean=(0.0,), std=(1.0,))


@pytest.mark.parametrize(
    ("name", "row", "size", "stride"),
    [  # Araujo, Norris and Sim, Computing Receptive Fields of Convolutional Neural Networks, Distill 2019, table 1
        ("alexnet/8", "pool5", 195, 32),
        ("vgg-16/16", "pool5", 212, 32),
        ("resnet-50/16", "conv5_x", 483, 32),
        ("resnet-101/16", "conv5_x", 1027, 32),
    ],
)
def test_receptive_fields_are_the_published_ones(name, row, size, stride):
    down, along = field(modules(name), row)
    assert (down.size, down.stride) == (size, stride)
    assert down == along


def modules(name):
    arch = named(name)
    net = nn.Sequential()
    for row, fact in zip(arch.rows, facts(arch), strict=True):
        net.add_module(row.name, row.spec.make(fact.takes))
    return net


@pytest.mark.parametrize("name", ["resnet-20", "resnet-34-a/16", "googlenet/8", "nin-cifar/8", "lenet", "vgg-11/16"])
def test_a_field_is_exactly_what_the_gradient_of_one_place_reaches(name):
    arch = fit(named(name), (1, 32, 32), 3)[0]
    net = build(arch).eval()
    with torch.no_grad():
        for p in net.parameters():
            p.abs_().add_(0.01)  # positive weights on positive maps: nothing cancels and no unit is dead
    for module in net.modules():  # a maximum takes one pixel of its window; a mean takes all
        for key, child in list(module.named_children()):
            if isinstance(child, nn.MaxPool2d):
                pool = nn.AvgPool2d(child.kernel_size, child.stride, child.padding, ceil_mode=child.ceil_mode)
                setattr(module, key, pool)
    picture = torch.rand(1, *arch.input, dtype=torch.float64).requires_grad_()
    net = net.double()
    side = arch.input[1]
    seen = 0
    for row in (row.name for row in arch.rows):
        maps = features(net, picture, (row,), grad=True)[row]
        fields = field(net, row)
        if maps.ndim < 4:
            assert fields is None
            continue
        place = (maps.shape[2] // 2, maps.shape[3] // 3)
        (slope,) = torch.autograd.grad(maps[0, :, place[0], place[1]].sum(), picture)
        rows, columns = (np.flatnonzero(slope[0, 0].abs().sum(axis)) for axis in (1, 0))
        assert box(fields, place, side) == (rows[0], columns[0], rows[-1] + 1, columns[-1] + 1), row
        seen += 1
    assert seen > 2


def test_windows_add_up_by_hand():
    # 3x3 stride 2 pad 1, then 5x1: five places 2 apart and 3 wide see 2 * 4 + 3 = 11 rows, and 3 columns
    net = nn.Sequential(nn.Conv2d(1, 1, 3, 2, 1), nn.ReLU(), nn.Conv2d(1, 1, (5, 1), padding=(2, 0)))
    assert field(net, "2") == (Field(11, 2, -1 - 4), Field(3, 2, -1))
    dilated = nn.Sequential(nn.Conv2d(1, 1, 3, dilation=2))
    assert field(dilated, "0") == (Field(5, 1, 0), Field(5, 1, 0))


def test_a_part_inside_a_block_sees_what_its_way_has_seen():
    net = modules("resnet-20")
    stage = [name for name, _ in net.named_children()][1]
    inner = [field(net, f"{stage}.0.{way}") for way in ("body.0", "body", "shortcut")]
    assert [one[0].size for one in inner] == [5, 7, 3]  # behind the 3x3 of conv1: one more, two more, none


def test_whatever_sees_a_whole_map_or_is_not_known_sees_the_picture():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 3)

    net = nn.Sequential(nn.Conv2d(1, 1, 3), Own(), nn.ReLU())
    assert field(net, "2") is None
    assert field(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.ReLU()), "1") is None
    assert box(None, (2, 1), 28) == (0, 0, 28, 28)
    with pytest.raises(ArchError, match="no row or part"):
        field(net, "conv")


def test_a_box_ends_at_the_edge_of_the_picture():
    fields = (Field(5, 2, -2), Field(3, 1, 0))
    assert box(fields, (0, 0), 9) == (0, 0, 3, 3)
    assert box(fields, (4, 6), 9) == (6, 6, 9, 9)


def spots():
    """Five dark pictures, each with one bright pixel: where, and how bright."""
    pictures = np.zeros((5, 9, 9, 1), np.uint8)
    for i, (y, x, value) in enumerate([(4, 4, 51), (1, 7, 255), (8, 0, 102), (2, 2, 255), (0, 0, 0)]):
        pictures[i, y, x] = value
    return pictures


def detector():
    """Channel 0 finds a bright pixel at the middle of its 3x3 window, channel 1 is dead."""
    net = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(162, 2))
    net[0].weight.data.zero_()
    net[0].weight.data[0, 0, 1, 1] = 2
    return net


def test_the_brightest_spots_are_found_where_they_were_planted():
    found = exciting(detector(), spots(), GREY, {"0": (0,), "1": (1, 0)}, top=3)
    assert set(found) == {("0", 0), ("1", 1), ("1", 0)}
    first = found["0", 0]
    assert [patch.index for patch in first] == [1, 3, 2]  # equal ones by index
    assert [patch.value for patch in first] == pytest.approx([2, 2, 0.8])  # 2 * 255 / 255, 2 * 102 / 255
    assert [patch.box for patch in first] == [(0, 6, 3, 9), (1, 1, 4, 4), (7, 0, 9, 2)]
    assert found["1", 0] == first
    assert found["1", 1] == []


def test_a_picture_that_excites_nothing_is_left_out():
    assert [patch.index for patch in exciting(detector(), spots(), GREY, {"0": (0,)})["0", 0]] == [1, 3, 2, 0]


def test_the_order_of_batches_does_not_matter():
    many = np.concatenate([spots()] * 60)  # more than the 256 pictures of one batch
    found = exciting(detector(), many, GREY, {"1": (0,)}, top=4)["1", 0]
    assert [patch.index for patch in found] == [1, 3, 6, 8]


def test_rows_without_maps_and_channels_that_are_not_there_are_refused():
    with pytest.raises(ArchError, match="row '2' gives 162 numbers and no maps"):
        exciting(detector(), spots(), GREY, {"2": (0,)})
    with pytest.raises(ArchError, match="row '0' has no channel 2; it has 2"):
        exciting(detector(), spots(), GREY, {"0": (2,)})
