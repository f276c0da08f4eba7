"""Geometry: invariances that are theorems, scikit-image's moments, and planted similarities."""

from math import pi

import numpy as np
import pytest
from skimage.measure import moments_central, moments_hu, moments_normalized

from konvolut.classic.geometry import (
    HARMONICS,
    ORDERS,
    contour,
    contours,
    fit_similarity,
    fit_unknown,
    fourier,
    ink,
    length,
    moments,
    resampled,
)


def blob(seed=0, size=40):
    """An irregular dark shape, with room around it."""
    dice = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] - size / 2 + 0.5
    angle, radius = np.arctan2(y, x), np.hypot(y, x)
    edge = 9 + sum(dice.normal() * np.cos(k * angle + dice.uniform(0, 2 * pi)) for k in (2, 3, 5))
    return (255 - 200 * np.clip(edge - radius, 0, 1)).astype(np.uint8)[None, ..., None]


def test_moments_are_those_of_scikit_image():
    picture = blob()
    eta = moments_normalized(moments_central(ink(picture)[0], order=4), order=4)  # [row order, column order]
    want = np.array([*(eta[q, p] for p, q in ORDERS), *moments_hu(eta)])
    got = moments(picture)[0]
    got = np.sign(got) * np.expm1(np.abs(got)) / 1000
    same = [*range(len(want) - 1)]
    assert np.allclose(got[same], want[same], rtol=1e-9, atol=1e-14)
    assert abs(got[-1]) == pytest.approx(abs(want[-1]), abs=1e-14)  # its sign goes by which way y points


def test_a_shift_changes_no_moment_and_a_quarter_turn_none_of_hus():
    picture = blob()
    assert np.allclose(moments(np.roll(picture, (5, -7), (1, 2))), moments(picture), atol=1e-9)
    turned = moments(np.rot90(picture, axes=(1, 2)))
    assert np.allclose(turned[:, len(ORDERS) :], moments(picture)[:, len(ORDERS) :], atol=1e-9)
    assert not np.allclose(turned[:, : len(ORDERS)], moments(picture)[:, : len(ORDERS)], atol=1e-3)


def test_ground_is_what_the_border_is():
    picture = blob()
    assert np.allclose(ink(255 - picture), ink(picture), atol=1e-6)
    assert not moments(np.full((1, 9, 9, 3), 77, np.uint8)).any()
    assert not contours(np.full((1, 9, 9, 3), 77, np.uint8)).any()


def turned(points, angle):
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return points @ turn.T


def test_magnitudes_do_not_know_the_first_point_nor_place_size_and_turn():
    points = resampled(contour(ink(blob())[0]))
    want = fourier(points)
    assert len(want) == 2 * HARMONICS
    for other in (np.roll(points, 31, 0), turned(points, 1.1), 3 * points, points + np.array([40, -7])):
        assert np.allclose(fourier(other), want, atol=1e-12)
    assert not np.allclose(fourier(points * (1, 2)), want, atol=1e-2)


def test_a_circle_has_one_harmonic():
    angle = np.arange(64) * 2 * pi / 64
    assert np.allclose(fourier(np.stack([np.cos(angle), np.sin(angle)], 1)), np.eye(2 * HARMONICS)[0], atol=1e-12)


def test_a_square_of_ink_is_contoured_at_half_a_pixel():
    sheet = np.zeros((12, 12))
    sheet[3:8, 3:8] = 1
    line = contour(sheet)
    assert line.min() == 2.5
    assert line.max() == 7.5
    assert length(line) == pytest.approx(4 * 4 + 4 * np.hypot(0.5, 0.5))  # 5 px a side, corners cut at half a pixel
    assert np.allclose(np.linalg.norm(np.diff(resampled(line, 1000), axis=0), axis=1).max(), length(line) / 1000)
    sheet[:3] = 1
    assert contour(sheet) is not None  # ink at the border is closed there


def test_a_planted_similarity_comes_back_exactly():
    template = np.random.default_rng(1).normal(size=(30, 2))
    points = 2.5 * turned(template, -2.0) + (3, -4)
    fit = fit_similarity(points, template)
    assert fit.scale == pytest.approx(2.5)
    assert fit.rotation == pytest.approx(-2.0)
    assert np.allclose(fit.shift, (3, -4))
    assert fit.residual < 1e-24
    assert np.allclose(fit(template), points)


def test_no_similarity_nearby_is_better():
    dice = np.random.default_rng(2)
    points, template = dice.normal(size=(2, 30, 2))
    fit = fit_similarity(points, template)
    for _ in range(50):
        other = fit._replace(
            scale=fit.scale + dice.normal() / 20, rotation=fit.rotation + dice.normal() / 20,
            shift=fit.shift + dice.normal(size=2) / 20,
        )  # fmt: skip
        assert ((points - other(template)) ** 2).sum(1).mean() > fit.residual


def test_without_correspondences_the_start_decides():
    template = np.random.default_rng(1).uniform(-10, 10, size=(25, 2))
    moved = 1.3 * turned(np.random.default_rng(0).permutation(template), 0.3) + (5, 6)
    near, far = fit_unknown(moved, template, start=0.25), fit_unknown(moved, template, start=0.25 + pi)
    assert near.residual < 1e-20
    assert near.rotation == pytest.approx(0.3)
    assert near.scale == pytest.approx(1.3)
    assert far.residual > 1  # px^2: another minimum, for the problem is not convex
