"""Shifting by hand, and a law: a constant picture does not move."""

import numpy as np
import pytest
import torch
from torch import nn

from konvolut.errors import ArchError
from konvolut.images.preprocess import InputSpec
from konvolut.lens.shift import shifted, shifts

SPEC = InputSpec(size=4, channels=1, mean=(0.0,), std=(1.0,))


def test_by_hand_the_border_is_repeated_into_what_comes_free():
    picture = np.arange(9, dtype=np.uint8).reshape(3, 3, 1)
    assert shifted(picture, 1, 0)[..., 0].tolist() == [[0, 0, 1], [3, 3, 4], [6, 6, 7]]
    assert shifted(picture, -2, 0)[..., 0].tolist() == [[2, 2, 2], [5, 5, 5], [8, 8, 8]]
    assert shifted(picture, 0, -1)[..., 0].tolist() == [[3, 4, 5], [6, 7, 8], [6, 7, 8]]
    assert (shifted(picture, 0, 0) == picture).all()


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.Flatten(), nn.Linear(48, 5))


def test_every_move_along_an_axis_comes_once():
    found = shifts(net(), np.zeros((4, 4, 1), np.uint8), SPEC, 0, reach=2)
    moves = [(one.dx, one.dy) for one in found]
    assert len(moves) == len(set(moves)) == 9
    assert set(moves) == {(0, 0), *((s, 0) for s in (-2, -1, 1, 2)), *((0, s) for s in (-2, -1, 1, 2))}


def test_a_constant_picture_stays_what_it_is():
    found = shifts(net(), np.full((4, 4, 1), 99, np.uint8), SPEC, 2, ("0",))
    assert {one.moved["0"] for one in found} == {0.0}
    assert [one.probability for one in found] == pytest.approx([found[0].probability] * 13)


def test_the_probability_is_that_of_the_moved_picture():
    picture = np.random.default_rng(0).integers(0, 256, (4, 4, 1), np.uint8)
    model = net().train()
    for one in shifts(model, picture, SPEC, 2, ("0",)):
        moved = torch.from_numpy(np.ascontiguousarray(shifted(picture, one.dx, one.dy)[None, ..., 0])).float() / 255
        still = torch.from_numpy(picture[None, ..., 0]).float() / 255
        with torch.no_grad():
            assert one.probability == pytest.approx(float(model(moved[None])[0].softmax(0)[2]), rel=1e-4)
            maps, before = model[0](moved[None]), model[0](still[None])
        assert one.moved["0"] == pytest.approx(float((maps - before).norm() / before.norm()), rel=1e-4, abs=1e-6)
    assert model.training
    assert not model[0]._forward_hooks


def test_maps_that_were_zero_are_told_by_how_far_they_moved():
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    model[1].weight.data.zero_()
    model[1].bias.data.zero_()
    picture = np.zeros((4, 4, 1), np.uint8)
    assert {one.moved["1"] for one in shifts(model, picture, SPEC, 0, ("1",))} == {0.0}


def test_an_unknown_row_is_refused():
    with pytest.raises(ArchError, match="no row or part 'conv9'"):
        shifts(net(), np.zeros((4, 4, 1), np.uint8), SPEC, 0, ("conv9",))
