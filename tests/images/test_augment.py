"""Each change by hand, or against another implementation; and that a picture's luck is its own."""

import cmath
import colorsys

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import pad

from konvolut.errors import RecipeError
from konvolut.images import augment as module
from konvolut.images.augment import Augment, Dice, augment, principal_colours

PICTURES = torch.rand(16, 3, 12, 12, generator=torch.Generator().manual_seed(0))
DICE = Dice(0, 0, np.arange(16))
EVERYTHING = Augment(
    flip=True, shift=0.1, rotate=20.0, scale=0.2, shear=5.0, brightness=0.2, contrast=0.2, saturation=0.2, hue=0.05,
    lighting=0.1, erase=0.3,
)  # fmt: skip


class Loaded(Dice):
    """Dice that always show the same number."""

    shown = 0.0

    def unit(self, stream):
        return torch.full((len(self.index),), self.shown)


def loaded(shown: float) -> Dice:
    Loaded.shown = shown
    return Loaded(0, 0, np.arange(16))


def test_no_strength_changes_nothing():
    assert torch.equal(augment(PICTURES, Augment(), DICE), PICTURES)


def test_a_picture_draws_the_same_luck_in_any_batch():
    colours = principal_colours(np.random.default_rng(0).random((100, 3)))
    whole = augment(PICTURES, EVERYTHING, DICE, colours)
    part = augment(PICTURES[5:8], EVERYTHING, Dice(0, 0, np.arange(5, 8)), colours)
    torch.testing.assert_close(whole[5:8], part, rtol=1e-5, atol=1e-6)
    assert not torch.equal(whole, augment(PICTURES, EVERYTHING, Dice(0, 1, np.arange(16)), colours))


def test_half_the_pictures_are_mirrored_and_nothing_else_happens():
    many = torch.arange(4.0).view(1, 1, 1, 4).expand(1000, 1, 1, 4)
    found = augment(many, Augment(flip=True), Dice(0, 0, np.arange(1000)))
    mirrored = (found[:, 0, 0, 0] == 3).sum().item()
    assert 430 < mirrored < 570  # 4.4 standard deviations
    assert (found.sort(-1).values == many).all()


def test_a_shift_is_pad_and_crop():
    found = augment(PICTURES, Augment(shift=0.25), DICE)
    padded = pad(PICTURES, (3, 3, 3, 3), mode="replicate")
    crops = [(y, x) for y in range(7) for x in range(7)]
    for one, wide in zip(found, padded, strict=True):
        assert any(torch.equal(one, wide[:, y : y + 12, x : x + 12]) for y, x in crops)


def test_a_quarter_turn_is_exact():
    found = augment(PICTURES, Augment(rotate=90.0), loaded(1.0))  # unit 1 is a swing of +1
    turned = [torch.rot90(PICTURES, k, (2, 3)) for k in (1, 3)]
    assert any(torch.allclose(found, t, atol=1e-5) for t in turned)


def test_affine_with_nothing_to_do_is_the_identity():
    assert torch.allclose(augment(PICTURES, Augment(rotate=10.0), loaded(0.5)), PICTURES, atol=1e-5)


def test_scale_doubles_a_square():
    small = torch.zeros(16, 1, 16, 16)
    small[:, :, 6:10, 6:10] = 1.0
    grown = augment(small, Augment(scale=1.0), loaded(1.0))
    assert grown.sum((1, 2, 3)) == pytest.approx(torch.full((16,), 64.0), rel=0.05)  # 4 times 16 px


def test_brightness_and_contrast_by_hand():
    grey = torch.tensor([0.2, 0.6]).view(1, 1, 1, 2).expand(16, 1, 1, 2)
    assert augment(grey, Augment(brightness=0.5), loaded(1.0))[0].flatten().tolist() == pytest.approx([0.3, 0.9])
    # the mean is 0.4; twice the distance from it
    assert augment(grey, Augment(contrast=1.0), loaded(1.0))[0].flatten().tolist() == pytest.approx([0.0, 0.8])


def test_no_saturation_is_luma():
    found = augment(PICTURES, Augment(saturation=1.0), loaded(0.0))  # a swing of -1: factor 0
    luma = (PICTURES * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1)
    assert torch.allclose(found, luma[:, None].expand(-1, 3, -1, -1), atol=1e-6)


def test_a_turned_hue_keeps_luma_and_turns_the_colour_by_that_angle():
    red = torch.tensor([0.6, 0.4, 0.4]).view(1, 3, 1, 1).expand(16, 3, 1, 1)
    found = module.turn_hue(red, torch.full((16,), 1 / 12))
    before, after = (colorsys.rgb_to_yiq(*one[0].flatten().tolist()) for one in (red, found))
    assert after[0] == pytest.approx(before[0], abs=0.005)
    turn = (cmath.phase(complex(*after[1:])) - cmath.phase(complex(*before[1:]))) / (2 * cmath.pi)
    assert turn == pytest.approx(1 / 12, abs=0.005)


def test_principal_colours_span_the_covariance():
    pixels = np.random.default_rng(0).random((500, 3)) @ np.array([[1, 0.5, 0], [0, 1, 0.2], [0, 0, 0.3]])
    colours = principal_colours(pixels)
    assert colours @ colours.T == pytest.approx(np.cov(pixels.T))


def test_lighting_adds_one_colour_to_every_pixel_of_a_picture():
    plain = torch.full((16, 3, 4, 4), 0.5)
    found = augment(plain, Augment(lighting=0.1), DICE, np.eye(3) * 0.2)
    assert (found == found[:, :, :1, :1]).all()
    assert len({tuple(one.tolist()) for one in found[:, :, 0, 0]}) == 16


def test_erase_blanks_one_square():
    found = augment(torch.zeros(16, 3, 20, 20), Augment(erase=0.5), loaded(0.5))
    assert (found == 0.5).sum((1, 2, 3)).tolist() == [3 * 100] * 16


@pytest.mark.parametrize(("field", "value"), [("rotate", 181.0), ("shift", -0.1), ("hue", 0.6), ("erase", 2.0)])
def test_a_strength_out_of_range_is_refused(field, value):
    with pytest.raises(RecipeError, match=f"{field} = "):
        Augment(**{field: value})


def test_another_side_is_pillows_antialiased_one():
    found = module.resized(PICTURES, 5)
    for picture, made in zip(PICTURES, found, strict=True):
        for channel, own in zip(picture.numpy(), made.numpy(), strict=True):
            theirs = Image.fromarray(channel).resize((5, 5), Image.Resampling.BILINEAR)
            np.testing.assert_allclose(own, np.asarray(theirs), atol=1e-6)
    assert module.resized(PICTURES, 12) is PICTURES
