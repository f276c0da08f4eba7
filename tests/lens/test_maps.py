"""Filters and maps as grey values worked out by hand."""

from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from konvolut.errors import ArchError
from konvolut.lens.maps import filter_pictures, first_filters, map_pictures, map_rows, spread, tile
from konvolut.nets.arch import build
from konvolut.nets.catalogue import named


def test_a_filter_has_zero_at_mid_grey_and_its_largest_weight_at_the_end_of_the_scale():
    kernel = torch.tensor([[[[0.0, 0.5], [-1.0, 1.0]]], [[[0.0, 0.0], [0.0, 4.0]]], [[[0.0, 0.0], [0.0, 0.0]]]])
    shown = [one[..., 0].tolist() for one in filter_pictures(kernel)]
    # 128 + 127 w / max |w|; 128 + 63.5 rounds to the even 192
    assert shown == [[[128, 192], [1, 255]], [[128, 128], [128, 255]], [[128, 128], [128, 128]]]


def test_three_channels_are_a_colour_and_share_one_contrast():
    kernel = torch.tensor([2.0, -1.0, 0.0]).reshape(1, 3, 1, 1)
    assert filter_pictures(kernel)[0].tolist() == [[[255, 64, 128]]]  # 128 - 63.5 = 64.5 rounds to the even 64


def test_other_numbers_of_channels_are_shown_by_their_mean():
    kernel = torch.tensor([1.0, 3.0, -1.0, 1.0]).reshape(1, 2, 1, 2)  # means 0 and 2
    assert filter_pictures(kernel)[0].tolist() == [[[128], [255]]]


def test_a_grouped_convolution_shows_what_each_filter_sees_of_its_group():
    net = nn.Sequential(nn.Sequential(nn.Conv2d(6, 4, 5, groups=2)), nn.Conv2d(4, 4, 3))
    assert first_filters(net).shape == (4, 3, 5, 5)
    assert filter_pictures(first_filters(net))[0].shape == (5, 5, 3)
    assert torch.equal(first_filters(net), net[0][0].weight)


def test_a_net_without_convolutions_has_no_filters():
    with pytest.raises(ArchError, match="no convolution"):
        first_filters(nn.Sequential(nn.Linear(2, 2)))


def test_maps_come_by_falling_activity_and_black_is_zero():
    maps = torch.tensor([[[0.0, 1.0]], [[0.0, 0.0]], [[2.0, 4.0]], [[-4.0, 4.0]], [[-1.0, -3.0]]])
    found = map_pictures(maps, most=4)
    assert [one.channel for one in found] == [3, 2, 4, 0]  # mean |.| = 4, 3, 2, 0.5
    assert [one.mean for one in found] == [0, 3, -2, 0.5]
    assert [one.largest for one in found] == [4, 4, -1, 1]
    # -4 .. 4 is 0 .. 255; 2 of 4 is 127.5, to the even 128; -3 .. -1 is 0 .. 255; 0 .. 1 is 0 .. 255
    assert [one.picture.ravel().tolist() for one in found] == [[0, 255], [128, 255], [255, 0], [0, 255]]


def test_a_dead_map_is_black_and_equal_maps_keep_their_order():
    found = map_pictures(torch.zeros(3, 2, 2))
    assert [one.channel for one in found] == [0, 1, 2]
    assert not np.any([one.picture for one in found])


def test_the_rows_with_maps_are_those_the_paper_draws_as_maps():
    # LeCun et al. 1998, figure 2: C1, S2, C3, S4 are maps of 28, 14, 10 and 5 px; C5 is 120 maps of one pixel
    net = build(named("lenet")).train()
    found = map_rows(net, torch.zeros(1, 1, 32, 32))
    assert found == {"C1": (6, 28, 28), "S2": (6, 14, 14), "C3": (16, 10, 10), "S4": (16, 5, 5)}
    assert net.training


def test_a_few_rows_are_spread_from_the_first_to_the_last():
    assert spread(list("abc"), 4) == list("abc")
    assert spread(list("abcdefghij"), 4) == list("adgj")


@pytest.mark.parametrize(("shape", "size"), [((7, 7, 1), (84, 84)), ((112, 56, 3), (42, 84)), ((1, 200, 1), (84, 1))])
def test_tiles_are_84_px_long(shape, size):
    assert Image.open(BytesIO(tile(np.zeros(shape, np.uint8)))).size == size


def test_the_pixels_of_a_small_picture_become_squares():
    pixels = np.random.default_rng(0).integers(0, 256, (6, 6, 3), np.uint8)
    large = np.asarray(Image.open(BytesIO(tile(pixels))))
    assert (large == np.kron(pixels, np.ones((14, 14, 1), np.uint8))).all()
