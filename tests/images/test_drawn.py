"""The made world, held against what a picture of it must be: pixels decide, not the code that drew them."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import Float64
from numpy import ndarray
from scipy.ndimage import gaussian_filter
from skimage.measure import euler_number
from sklearn.neighbors import KNeighborsClassifier

from konvolut.errors import DataError
from konvolut.images.drawn import CLASSES, LEVELS, MIRRORS, Dials, _oklch, draw, masks

N = 40  # four pictures of each class
STILL = Dials()  # nothing varies but the class
DIALS = tuple(dial.name for dial in fields(Dials))
SHAPE = {"colour", "light", "blur", "texture", "clutter"}  # dials that leave the shape where it is


def areas(side: int, dials: Dials) -> Float64[ndarray, "n"]:
    """In pixels."""
    return masks(N, side, dials=dials).sum((1, 2)) / 255


def centres(side: int, dials: Dials) -> Float64[ndarray, "n 2"]:
    """The centroid of each mask, in pixels from the middle of the picture: right, down."""
    mask = masks(N, side, dials=dials).astype(np.float64)
    at = np.arange(side) - (side - 1) / 2
    return np.stack([mask.sum(1) @ at, mask.sum(2) @ at], axis=1) / mask.sum((1, 2))[:, None]


def floats(dials: Dials, side: int = 32) -> Float64[ndarray, "n h w c"]:
    return draw(N, side, dials=dials)[0].astype(np.float64)


# ---- the law of the set ----


def test_ten_drawn_are_four_and_the_six_that_follow():
    whole, labels = draw(10, dials=LEVELS["hard"])
    first, second = draw(4, dials=LEVELS["hard"]), draw(6, dials=LEVELS["hard"], start=4)
    assert np.array_equal(whole, np.concatenate([first[0], second[0]]))
    assert np.array_equal(labels, np.concatenate([first[1], second[1]]))


def test_a_picture_drawn_among_many_blocks_is_the_picture_drawn_alone():
    many = draw(1000, 32, dials=LEVELS["hard"])[0]
    for i in (0, 63, 64, 777, 999):
        assert np.array_equal(many[i], draw(1, 32, dials=LEVELS["hard"], start=i)[0][0])


def test_the_classes_go_round_so_that_a_set_is_balanced():
    assert draw(25, 16, start=7)[1].tolist() == [i % 10 for i in range(7, 32)]
    assert len(set(CLASSES)) == 10


def test_what_is_drawn_has_the_shape_and_type_it_says():
    pictures, labels = draw(3, 20)
    assert (pictures.shape, pictures.dtype, labels.dtype) == ((3, 20, 20, 3), np.uint8, np.int64)
    assert (masks(3, 20).shape, masks(3, 20).dtype) == ((3, 20, 20), np.uint8)


def test_no_pictures_are_an_empty_set_and_not_an_error():
    assert [a.shape for a in (*draw(0, 24), masks(0, 24))] == [(0, 24, 24, 3), (0,), (0, 24, 24)]


def test_another_seed_draws_other_pictures():
    assert (draw(N, seed=0)[0] != draw(N, seed=1)[0]).any((1, 2, 3)).all()


def test_at_zero_nothing_varies_but_the_class():
    pictures, labels = draw(N, dials=STILL)
    for label in range(10):
        assert len(np.unique(pictures[labels == label], axis=0)) == 1


# ---- the shapes ----


def test_areas_are_those_of_school_geometry():
    radius = 0.3 * 96
    # fmt: off
    school = {
        "disc": np.pi * 0.85**2,
        "ring": np.pi * (0.9**2 - 0.5**2),
        "square": 1.4**2,
        "triangle": 3 * np.sqrt(3) / 4,                                # equilateral, in a circle of radius 1
        "star": 5 * np.sin(np.radians(36)) * (3 - np.sqrt(5)) / 2,     # ten triangles: the inner radius is 1 / phi**2
        "cross": 2 * 1.9 * 0.56 - 0.56**2,
        "heart": (2 + np.pi / 2) * 0.72**2,                            # a square and two half discs on its sides
    }
    # fmt: on
    found = dict(zip(CLASSES, areas(96, STILL) / radius**2, strict=False))
    for name, area in school.items():
        assert found[name] == pytest.approx(area, rel=0.01), name


def test_topology_tells_the_ring_from_all_others():
    for name, mask in zip(CLASSES, masks(10, 96, dials=STILL), strict=True):
        assert euler_number(mask > 127) == (0 if name == "ring" else 1), name


@pytest.mark.parametrize("side", [16, 32])
def test_no_class_becomes_another_one_turned_and_resized(side):
    """The nearest of 3,000 masks, in any pose and size, is of the right class: no two classes share a place."""
    poses = masks(4000, side, dials=replace(STILL, rotation=1.0, scale=1.0)).reshape(4000, -1).astype(np.float32)
    labels = np.arange(4000) % 10
    neighbour = KNeighborsClassifier(1).fit(poses[:3000], labels[:3000])
    assert neighbour.score(poses[3000:], labels[3000:]) >= 0.998


def test_the_mirror_image_of_each_shape_is_one_of_its_rotations():
    mirrored = masks(10, 64, dials=STILL)[..., ::-1].astype(np.float64)
    poses = masks(2000, 64, dials=replace(STILL, rotation=1.0)).astype(np.float64)
    for label in range(10):
        apart = np.abs(poses[label::10] - mirrored[label]).sum((1, 2)) / mirrored[label].sum()
        assert (apart.min() < 0.06) == MIRRORS, CLASSES[label]


@pytest.mark.parametrize("level", LEVELS)
def test_the_same_picture_at_twice_the_size_looks_the_same(level):
    small = floats(LEVELS[level])
    large = floats(LEVELS[level], side=64).reshape(N, 32, 2, 32, 2, 3).mean((2, 4))
    assert np.abs(large - small).mean() < 1.5  # of 255
    assert np.quantile(np.abs(large - small), 0.99) < 12


@pytest.mark.parametrize("level", LEVELS)
def test_the_borders_cut_nothing_off_the_shape(level):
    dials = replace(LEVELS[level], place=1.0)
    assert areas(96, dials) == pytest.approx(areas(96, replace(dials, place=0.0)), rel=0.01)


# ---- each dial changes its factor alone ----


@settings(max_examples=10, deadline=None)
@given(name=st.sampled_from(sorted(SHAPE)), value=st.floats(0.0, 1.0), level=st.sampled_from(sorted(LEVELS)))
def test_only_place_scale_and_rotation_move_the_shape(name, value, level):
    dials = LEVELS[level]
    assert np.array_equal(masks(20, dials=dials), masks(20, dials=replace(dials, **{name: value})))


@pytest.mark.parametrize("name", DIALS)
def test_turning_a_dial_does_what_it_says_more_and_more(name):
    """The distance from the still picture grows with the dial, and is not nothing."""
    far = [np.abs(floats(replace(STILL, **{name: v})) - floats(STILL)).mean() for v in (0.0, 0.05, 0.3, 1.0)]
    assert far == sorted(far)
    assert far[0] == 0
    assert far[1] > 0


def test_place_moves_the_shape_and_keeps_its_area():
    moved = replace(STILL, place=1.0)
    assert areas(64, moved) == pytest.approx(areas(64, STILL), rel=0.02)
    room = 64 * (0.5 - 0.3)
    assert np.abs(centres(64, moved)).max() <= room + 0.1
    assert np.abs(centres(64, moved)).max(0) == pytest.approx([room, room], rel=0.1)
    assert centres(64, replace(STILL, place=0.5)) == pytest.approx(centres(64, moved) / 2, abs=0.1)


def test_scale_changes_the_area_and_keeps_the_centroid():
    ratio = areas(64, replace(STILL, scale=1.0)) / areas(64, STILL)
    assert 0.5 <= ratio.min() < 0.6
    assert 1.7 < ratio.max() <= 2.01
    assert centres(64, replace(STILL, scale=1.0)) == pytest.approx(0, abs=0.1)


def test_rotation_keeps_area_and_centroid_and_turns_the_long_axis():
    turned = replace(STILL, rotation=1.0)
    assert areas(64, turned) == pytest.approx(areas(64, STILL), rel=0.02)
    assert centres(64, turned) == pytest.approx(0, abs=0.1)
    assert (masks(N, dials=turned) != masks(N, dials=STILL)).any((1, 2))[10 * np.arange(4) + 2].all()  # the squares


def test_colour_paints_one_colour_on_the_shape_and_one_on_the_ground():
    pictures, mask = floats(replace(STILL, colour=1.0)), masks(N, dials=STILL)
    colours = set()
    for picture, cover in zip(pictures, mask, strict=True):
        for part in (cover == 255, cover == 0):
            assert len(np.unique(picture[part], axis=0)) == 1
        on, off = picture[cover == 255][0], picture[cover == 0][0]
        assert np.abs(on - off).max() >= 12  # of 255: no picture is empty
        colours.add(tuple(on))
    assert len(colours) == N


@pytest.mark.parametrize("name", ["place", "scale", "rotation"])
def test_moving_the_shape_does_not_repaint_it(name):
    """The colours are rolled apart: the brightest and the darkest value of every channel are the ones before."""
    moved = floats(replace(STILL, colour=1.0, **{name: 1.0}))
    plain = floats(replace(STILL, colour=1.0))
    assert np.array_equal(moved.max((1, 2)), plain.max((1, 2)))
    assert np.array_equal(moved.min((1, 2)), plain.min((1, 2)))


def test_the_palette_gives_back_a_published_pair_of_colours():
    """Ottosson 2020: OKLab (0.627955, 0.224863, 0.125846) is the red of sRGB; lightness 1 without chroma is white."""
    chroma, hue = np.hypot(0.224863, 0.125846), np.degrees(np.arctan2(0.125846, 0.224863))
    assert _oklch(np.array([0.627955]), float(chroma), np.array([hue]))[0] == pytest.approx([1, 0, 0], abs=1e-4)
    assert _oklch(np.array([1.0]), 0.0, np.array([0.0]))[0] == pytest.approx([1, 1, 1], abs=1e-6)


def test_light_multiplies_all_channels_by_one_plane():
    lit, plain = floats(replace(STILL, light=1.0)), floats(STILL)
    ratio = lit / plain
    y, x = np.mgrid[:32, :32]
    plane = np.stack([x.ravel(), y.ravel(), np.ones(x.size)], 1)
    for picture, base in zip(ratio, plain, strict=True):
        fitted = (plane @ np.linalg.lstsq(plane, picture.mean(-1).ravel(), rcond=None)[0]).reshape(32, 32)
        assert np.abs(fitted[..., None] * base - picture * base).max() < 2  # of 255: both pictures are rounded
    assert ratio.min() + 0.02 >= 0.16
    assert ratio.max() <= 1


def test_blur_is_the_gaussian_filter_of_another_library():
    """One that mirrors at the borders; the sigma is the one, of many, that fits a picture best."""
    blurred, sharp = floats(replace(STILL, blur=1.0)), floats(STILL)
    sigmas = np.arange(0.3, 2.05, 0.05)
    for picture, base in zip(blurred[:20], sharp[:20], strict=True):
        off = [np.abs(gaussian_filter(base, (s, s, 0), mode="reflect", truncate=6) - picture).max() for s in sigmas]
        if sigmas[np.argmin(off)] > 0.6:  # below, a sampled Gaussian is not a Gaussian
            assert min(off) < 8


def test_blur_keeps_the_mean_and_lowers_the_gradient_energy():
    blurred, sharp = floats(replace(STILL, blur=1.0)), floats(STILL)
    assert blurred.mean((1, 2)) == pytest.approx(sharp.mean((1, 2)), abs=0.5)  # of 255: rounding

    def energy(x: Float64[ndarray, "n h w c"]) -> Float64[ndarray, "n"]:
        return (np.diff(x, axis=1) ** 2).mean((1, 2, 3)) + (np.diff(x, axis=2) ** 2).mean((1, 2, 3))

    assert (energy(blurred) <= energy(sharp)).all()
    assert np.median(energy(blurred) / energy(sharp)) < 0.8


def test_texture_raises_the_variance_inside_the_shape_and_on_the_ground():
    rough, mask = floats(replace(STILL, texture=1.0)), masks(N, dials=STILL)
    for picture, cover in zip(rough, mask, strict=True):
        assert picture[cover == 255].var(0).min() > 20  # of 255 squared, where the still picture has 0
        assert picture[cover == 0].var(0).min() > 20


def test_clutter_lies_behind_the_shape():
    full, plain, mask = floats(replace(STILL, clutter=1.0)), floats(STILL), masks(N, dials=STILL)
    assert np.array_equal(full[mask == 255], plain[mask == 255])
    assert all((f != p)[m == 0].any() for f, p, m in zip(full, plain, mask, strict=True))


# ---- the guards ----


@pytest.mark.parametrize("name", DIALS)
@pytest.mark.parametrize("value", [-0.1, 1.5, float("nan")])
def test_a_dial_outside_its_range_is_refused(name, value):
    with pytest.raises(DataError, match=f"drawn: {name} = {value}; a dial is between 0 and 1"):
        Dials(**{name: value})


@pytest.mark.parametrize("wrong", [{"side": 15}, {"side": 97}, {"count": -1}, {"seed": -1}, {"start": -1}])
@pytest.mark.parametrize("make", [draw, masks])
def test_a_size_or_number_out_of_range_is_refused(make, wrong):
    with pytest.raises(DataError, match=f"drawn: {next(iter(wrong))} = {next(iter(wrong.values()))}"):
        make(**{"count": 2, **wrong})
