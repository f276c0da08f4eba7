"""Near duplicates: copies are found however they were made, and what only looks alike is not."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from konvolut.images import alike
from konvolut.images.alike import Pair, pairs, sketch

COUNT = 40


def scene(seed: int, height: int = 160, width: int = 200) -> Image.Image:
    """Amplitude 1 / frequency, random phases: the statistics of photographs."""
    rng = np.random.default_rng(seed)
    down, across = np.meshgrid(np.fft.fftfreq(height, 1 / height), np.fft.rfftfreq(width, 1 / width), indexing="ij")
    amplitude = 1 / np.maximum(1, np.hypot(down, across))
    amplitude[0, 0] = 0
    values = np.fft.irfft2(amplitude * np.exp(2j * np.pi * rng.random(amplitude.shape)), s=(height, width))
    grey = np.clip(125 + 40 * values / values.std(), 0, 255).astype(np.uint8)
    return Image.merge("RGB", [Image.fromarray(grey)] * 3)


def saved(image: Image.Image, kind: str, quality: int) -> Image.Image:
    file = BytesIO()
    image.save(file, kind, quality=quality)
    return Image.open(file).convert("RGB")


def sketched(images) -> np.ndarray:
    return np.stack([sketch(np.asarray(image)) for image in images])


def found(images, **how) -> set[tuple[int, int]]:
    return {(pair.first, pair.second) for pair in pairs(sketched(images), **how)}


COPIES = {
    "jpeg": lambda image: saved(image, "JPEG", 40),
    "webp": lambda image: saved(image, "WEBP", 50),
    "half": lambda image: image.resize((100, 80)),
    "twice": lambda image: image.resize((400, 320)),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.3),
    "contrast": lambda image: ImageEnhance.Contrast(image).enhance(0.7),
    "cropped": lambda image: image.crop((10, 0, 196, 153)),  # of 200 x 160: 5 %, 0, 2 % and 4.4 %
    "mirrored": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
}


@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_is_found_and_nothing_else(kind):
    images = [scene(seed) for seed in range(COUNT)]
    made = {(i, COUNT + i) for i in range(COUNT)}
    seen = found([*images, *map(COPIES[kind], images)])
    assert seen <= made
    assert len(seen) >= 0.95 * COUNT


def test_a_pair_says_whether_it_is_mirrored_and_mirrored_ones_can_be_left_out():
    image = scene(0)
    held = sketched([image, image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), image.resize((100, 80))])
    assert {(p.first, p.second): p.mirrored for p in pairs(held)} == {(0, 1): True, (0, 2): False, (1, 2): True}
    assert [(p.first, p.second) for p in pairs(held, mirrored=False)] == [(0, 2)]


def test_another_thing_before_the_same_backdrop_is_another_picture():
    backdrop = np.asarray(scene(0))
    images = []
    for seed in range(1, 13):
        image = backdrop.copy()
        image[50:110, 60:140] = np.asarray(scene(seed))[50:110, 60:140]  # 15 % of it
        images.append(image)
    assert found(images) == set()


def test_equal_luma_in_other_colours_is_another_picture():
    """Luma by ITU-R BT.601 is 0.299 R + 0.587 G + 0.114 B: a red of 255 is as light as a green of 130."""
    grey = np.asarray(scene(3))[..., 0].astype(float) / 255
    nothing = np.zeros_like(grey)
    red = np.stack([255 * grey, nothing, nothing], axis=-1).astype(np.uint8)
    green = np.stack([nothing, 0.299 / 0.587 * 255 * grey, nothing], axis=-1).astype(np.uint8)
    assert np.abs(np.subtract(*(sketch(one)[:1024].astype(int) for one in (red, green)))).max() <= 2
    assert found([red, green]) == set()
    assert found([red, red // 2 * 2]) == {(0, 1)}


def test_drawings_on_plain_ground_are_no_copies_unless_their_pixels_are_nearly_equal():
    """Discs of many sizes and places, 45,000 pairs: what is found differs by about a pixel of 64, and copies are found."""
    y, x = np.mgrid[:64, :64]
    drawn = np.random.default_rng(0).uniform((24, 24, 8), (40, 40, 20), (300, 3))  # down, across, radius; px
    discs = [np.where((y - a) ** 2 + (x - b) ** 2 < r * r, 0, 255).astype(np.uint8)[..., None] for a, b, r in drawn]
    again = [saved(Image.fromarray(disc[..., 0]).convert("RGB"), "JPEG", 80) for disc in discs[:20]]
    seen = pairs(sketched([*discs, *again]))
    assert {(i, 300 + i) for i in range(20)} <= {(pair.first, pair.second) for pair in seen}
    assert len(seen) < 20 + 60
    for pair in seen:
        one, other = drawn[pair.first], drawn[pair.second % 300].copy()
        if pair.mirrored:
            other[1] = 63 - other[1]
        assert np.abs(one - other).max() < 1.2


def test_a_disc_is_no_ellipse():
    y, x = np.mgrid[:60, :60]
    disc = Image.fromarray(np.where((y - 30) ** 2 + (x - 30) ** 2 < 400, 0, 255).astype(np.uint8)).convert("RGB")
    held, shapes = sketched([disc, disc.resize((120, 60)), disc.resize((120, 120))]), np.array([1, 2, 1], np.float32)
    assert [(pair.first, pair.second) for pair in pairs(held, proportions=shapes)] == [(0, 2)]
    assert len(pairs(held)) == 3


def test_a_crowd_of_copies_is_linked_without_trying_every_pair():
    image = scene(5)
    copies = [saved(image, "JPEG", 40 + i % 50) for i in range(200)]
    seen = pairs(sketched(copies))
    linked = {0}
    for _ in range(200):
        linked |= {i for pair in seen if {pair.first, pair.second} & linked for i in (pair.first, pair.second)}
    assert linked == set(range(200))


def test_the_work_grows_like_the_number_of_pictures(monkeypatch):
    """Comparisons are counted, not timed, in a crowd where every pair would be worth one: the hashes are nearly equal."""
    monkeypatch.setattr(alike, "WINDOW", 2)  # so that few pictures are already a crowd
    compared = []

    def none(first, second, part):
        compared.append(len(part.first))
        return np.zeros(len(first), np.float32), np.zeros(len(first), bool)

    monkeypatch.setattr(alike, "_compared", none)
    noise = np.random.default_rng(0).integers(-6, 7, (4000, alike.BYTES))
    held = (sketch(np.asarray(scene(0))) + noise).clip(0, 255).astype(np.uint8)
    work = []
    for count in (1000, 4000):
        compared.clear()
        pairs(held[:count])
        work.append(sum(compared) / count)
    assert work[1] < 1.5 * work[0]  # where every pair is tried: 4
    assert work[0] > 20


def test_nothing_and_one_picture_have_no_pair():
    assert pairs(np.zeros((0, alike.BYTES), np.uint8)) == []
    assert pairs(sketched([scene(0)])) == []


def test_grey_and_the_same_in_colour_have_one_sketch():
    grey = np.asarray(scene(1))[..., :1]
    assert (sketch(grey) == sketch(np.repeat(grey, 3, axis=2))).all()
    assert pairs(np.stack([sketch(grey)] * 2)) == [Pair(0, 1, pytest.approx(1), False)]


def test_a_mirrored_hash_is_the_hash_of_the_mirror():
    """The cosine of wave k is odd about the middle for odd k: mirroring changes the sign of those coefficients."""
    luma = np.random.default_rng(0).integers(0, 256, (9, 32, 32)).astype(np.float32)
    hashes = [alike._hashes(alike._coefficients(values, 0)) for values in (luma, luma[:, :, ::-1].copy())]
    assert (hashes[0] ^ alike._MIRROR == hashes[1]).all()
