"""From a picture to a net's input: geometry by hand, values against Pillow's and torch's own."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.nn.functional import interpolate

from konvolut.errors import RecipeError
from konvolut.images.preprocess import FITS, InputSpec, normalise, preprocess


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).integers(0, 256, shape, dtype=np.uint8)


@given(st.integers(1, 60), st.integers(1, 60), st.sampled_from([1, 3]), st.sampled_from([1, 3]), st.sampled_from(FITS))
@settings(max_examples=60, deadline=None)
def test_any_picture_takes_the_size_and_the_channels_of_the_spec(height, width, held, wanted, fit):
    made = preprocess(noise(height, width, held), InputSpec(size=17, channels=wanted, fit=fit))
    assert (made.shape, made.dtype) == ((17, 17, wanted), np.uint8)


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_of_the_right_size_passes_bit_equal(fit, channels):
    picture = noise(32, 32, channels)
    assert (preprocess(picture, InputSpec(size=32, channels=channels, fit=fit)) == picture).all()


def test_crop_takes_the_middle_square():
    picture = noise(10, 16, 3)
    assert (preprocess(picture, InputSpec(size=10, fit="crop")) == picture[:, 3:13]).all()
    assert (preprocess(picture.swapaxes(0, 1), InputSpec(size=10, fit="crop")) == picture.swapaxes(0, 1)[3:13]).all()


def test_pad_keeps_the_whole_picture_in_the_middle_of_white():
    black = np.zeros((10, 20, 3), dtype=np.uint8)
    made = preprocess(black, InputSpec(size=20, fit="pad"))
    assert (made[5:15] == 0).all()
    assert (made[:5] == 255).all()
    assert (made[15:] == 255).all()
    line = preprocess(np.zeros((1, 500, 1), dtype=np.uint8), InputSpec(size=20, channels=1))
    assert (line == 0).sum() == 20  # a strip of one pixel is left of a line


def test_stretch_keeps_halves_as_halves():
    halves = np.zeros((12, 40, 1), dtype=np.uint8)
    halves[:, 20:] = 200
    made = preprocess(halves, InputSpec(size=8, channels=1, fit="stretch"))[..., 0]
    assert (made[:, :2] == 0).all()
    assert (made[:, 6:] == 200).all()


def test_shrinking_averages_and_does_not_skip():
    """A checkerboard of single pixels is grey from afar; picking every eighth pixel would give black or white."""
    board = (255 * (np.indices((64, 64)).sum(0) % 2)).astype(np.uint8)[..., None]
    assert abs(preprocess(board, InputSpec(size=8, channels=1)).astype(int) - 127.5).max() <= 2


@pytest.mark.parametrize("side", [20, 32, 75])
def test_resizing_agrees_with_torch_within_one_of_255(side):
    picture = noise(48, 48, 3)
    batch = torch.from_numpy(picture).permute(2, 0, 1)[None]
    theirs = interpolate(batch, (side, side), mode="bicubic", antialias=True)[0].permute(1, 2, 0).numpy()
    ours = preprocess(picture, InputSpec(size=side))
    assert abs(ours.astype(int) - theirs.astype(int)).max() <= 1


def test_grey_is_the_luma_of_bt_601_and_colour_from_grey_is_repetition():
    colours = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], dtype=np.uint8)
    grey = preprocess(colours, InputSpec(size=2, channels=1))
    assert grey[..., 0].tolist() == [[76, 150], [29, 255]]  # 0.299, 0.587 and 0.114 of 255
    repeated = preprocess(grey, InputSpec(size=2, channels=3))
    assert (repeated == grey).all()


def test_normalise_by_hand():
    batch = np.array([[[[0, 51, 255]]]], dtype=np.uint8)  # one pixel
    spec = InputSpec(size=1, mean=(0.0, 0.1, 0.5), std=(1.0, 0.5, 0.25))
    made = normalise(batch, spec)
    assert (made.shape, made.dtype, made.flags.c_contiguous) == ((1, 3, 1, 1), np.float32, True)
    np.testing.assert_allclose(made.ravel(), [0, 0.2, 2], rtol=1e-6)
    np.testing.assert_allclose(normalise(batch, InputSpec(size=1)).ravel(), [-1, -0.6, 1], rtol=1e-6)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"size": 0}, "size = 0; it is the side of a square in px, at least 1"),
        ({"channels": 4}, r"channels = 4; it is 1 \(grey\) or 3 \(RGB\)"),
        ({"fit": "padd"}, "fit = 'padd'; did you mean 'pad'"),
        ({"mean": (0.5, 0.5)}, r"mean = \(0.5, 0.5\); it is one finite number, or one for each of 3"),
        ({"mean": (float("nan"),)}, r"mean = \(nan,\); it is one finite number"),
        ({"std": (0.2, 0.0, 0.2)}, r"std = \(0.2, 0.0, 0.2\); values are divided by it, so it is above 0"),
    ],
)
def test_a_spec_that_cannot_be_met_is_refused(fields, message):
    with pytest.raises(RecipeError, match=message):
        InputSpec(**{"size": 8, **fields})


def test_zoom_keeps_the_middle_as_resizing_and_then_cropping_does():
    """224 of 256 px: what published weights were measured on."""
    y, x = np.mgrid[:300, :400]
    picture = np.stack([x * 0.6, y * 0.8, (x + y) * 0.3], -1).astype(np.uint8)
    ours = preprocess(picture, InputSpec(size=224, fit="crop", zoom=224 / 256))
    resized = Image.fromarray(picture).resize((round(400 * 256 / 300), 256), Image.Resampling.BICUBIC)
    left = (resized.width - 224) // 2
    theirs = np.asarray(resized.crop((left, 16, left + 224, 240)))
    assert np.abs(ours.astype(int) - theirs).max() <= 2


def test_the_background_is_what_was_asked_for_beside_a_padded_picture():
    padded = preprocess(np.full((10, 20, 3), 9, np.uint8), InputSpec(size=20, background=77))
    assert (padded[:5] == 77).all()
    assert (padded[5:15] == 9).all()


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_a_picture_is_never_decoded_smaller_than_it_is_needed(fit):
    spec = InputSpec(size=224, fit=fit)
    for width, height in ((4000, 3000), (300, 2000), (224, 224), (100, 100), (449, 1000)):
        factor = spec.shrink(width, height)
        shorter, longer = sorted((width / factor, height / factor))
        assert factor == 1 or (longer if fit == "pad" else shorter) >= 224 - 1e-9


@pytest.mark.parametrize(("field", "value"), [("zoom", 0.0), ("zoom", 1.5), ("background", 256), ("jpeg", "half")])
def test_a_spec_refuses_what_makes_no_sense(field, value):
    with pytest.raises(RecipeError, match=f"{field} = "):
        InputSpec(size=8, **{field: value})
