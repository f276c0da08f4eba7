"""What is said against a picture's pixels, on pictures of which it is true by construction."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from konvolut.images.decode import Header
from konvolut.images.quality import faults, sharpness

RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (128, 160, 3), dtype=np.uint8)


def said(picture, frames=1, kind="PNG"):
    picture = np.atleast_3d(np.asarray(picture, np.uint8))
    height, width = picture.shape[:2]
    return faults(picture, Header(kind, "RGB", width, height, 1, frames))


def test_nothing_is_said_of_a_sound_picture():
    assert said(NOISE) == ()
    assert said(NOISE[:32, :32]) == ()
    assert said(NOISE[:28, :28, :1]) == ()


def test_one_colour_is_blank_whatever_colour_and_despite_noise_of_compression():
    for level in (0, 128, 255):
        assert said(np.full((64, 64, 3), level)) == ("blank",)
    assert said(100 + RNG.integers(-4, 5, (64, 64, 3))) == ("blank",)


def test_a_few_words_on_a_page_are_not_blank():
    page = np.full((200, 200, 3), 255)
    page[90:94, 50:150] = 0  # 1 % of it
    assert said(page) == ()
    page[90:94, 50:150] = 255
    page[90, 50:80] = 0  # 0.075 %: a hair
    assert said(page) == ("blank",)


def test_colours_of_one_luma_are_not_blank():
    """0.299 x 255 = 0.587 x 130: red and green, equally light."""
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:32, :, 0], picture[32:, :, 1] = 200, 102
    assert "blank" not in said(picture)


def test_tiny_and_long_are_told_by_the_sides():
    assert said(NOISE[:15, :40]) == ("tiny",)
    assert said(NOISE[:16, :40]) == ()
    assert said(NOISE[:20, :80]) == ()
    assert said(NOISE[:20, :81]) == ("aspect",)
    assert said(NOISE[:81, :20]) == ("aspect",)


def test_very_dark_and_very_bright_leave_ink_on_paper_alone():
    assert said(NOISE // 8) == ("dark",)
    assert said(224 + NOISE // 8) == ("bright",)
    drawing = np.full((64, 64), 255)
    drawing[30:32, 10:54] = 0  # 2 % ink
    assert said(drawing) == ()
    assert said(255 - drawing) == ()


def test_more_frames_are_said_but_for_a_cameras_previews():
    assert said(NOISE, frames=2, kind="GIF") == ("frames",)
    assert said(NOISE, frames=2, kind="MPO") == ()


@pytest.mark.parametrize("radius", [3, 5])
def test_blur_is_seen_and_its_lack_too(radius):
    """Of a chessboard of greys, and of noise that was averaged over 4 x 4 px, by Pillow's Gaussian."""
    blocks = np.kron(RNG.integers(0, 256, (20, 20)), np.ones((16, 16))).astype(np.uint8)
    soft = Image.fromarray(np.kron(RNG.integers(0, 256, (80, 80)), np.ones((4, 4))).astype(np.uint8))
    for picture in (Image.fromarray(blocks), soft):
        image = picture.convert("RGB")
        assert said(image) == ()
        assert said(image.filter(ImageFilter.GaussianBlur(radius))) == ("blurred",)
    assert said(image.resize((90, 90)).filter(ImageFilter.GaussianBlur(radius))) == ()  # too small to tell


def test_sharpness_of_a_parabola_is_a_sixty_fourth():
    """Its second difference is 2 everywhere; of averages over 8 px, 2 x 8 x 8."""
    y, x = np.mgrid[:128, :128].astype(np.float32)
    assert sharpness((x * x + y * y) / 128) == pytest.approx(1 / 64, rel=1e-3)


def test_sharpness_of_white_noise_is_eight():
    """Averages over 8 x 8 px of independent values have an eighth of their spread."""
    noise = np.random.default_rng(1).normal(0, 1, (512, 512)).astype(np.float32)
    assert sharpness(noise) == pytest.approx(8, rel=0.05)
