"""Features: dimensions by arithmetic, laws they must keep, and learning that is the same for the same seed."""

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import pairwise_distances

from konvolut.classic.features import FEATURES, cached, fitted
from konvolut.classic.words import LEVELS, WORDS, centres, descriptors, directions, distances, pooled, windows
from konvolut.errors import RecipeError
from konvolut.images.drawn import draw


@pytest.fixture(scope="module")
def pictures():
    return draw(40)[0]


@pytest.fixture(scope="module")
def grey(pictures):
    return np.ascontiguousarray(pictures[:, 2:30, 2:30, :1])


def test_hog_has_as_many_numbers_as_its_blocks(grey, pictures):
    # 28 px: cells of 4 px, 7 x 7 of them, 6 x 6 blocks of 2 x 2 cells of 9 directions; 32 px: 8 x 8 cells
    assert fitted("hog", grey)(grey).shape == (40, 6 * 6 * 2 * 2 * 9)
    assert fitted("hog", pictures)(pictures).shape == (40, 7 * 7 * 2 * 2 * 9)


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("size", [8, 14, 32])
def test_every_feature_is_finite_of_the_promised_sign_and_one_row_a_picture(name, size, pictures):
    some = np.ascontiguousarray(pictures[:24, :size, :size])
    flat = np.full((1, size, size, 3), 255, np.uint8)  # nothing on it
    found = fitted(name, some)(np.concatenate([some, flat]))
    assert found.dtype == np.float64
    assert len(found) == 25
    assert np.isfinite(found).all()
    assert FEATURES[name].signed or (found >= 0).all()


@pytest.mark.parametrize("name", FEATURES)
def test_a_picture_is_described_alone_and_the_same_seed_learns_the_same(name, grey):
    extract = fitted(name, grey, seed=3)
    whole = extract(grey)
    assert np.allclose(extract(grey[7:8]), whole[7:8], atol=1e-5)  # BLAS may sum one row another way than many
    assert np.array_equal(fitted(name, grey, seed=3)(grey), whole)
    learns = bool(extract.arrays) and name != "pca"
    assert learns == (not np.array_equal(fitted(name, grey, seed=4)(grey), whole))


def test_the_bag_counts_every_descriptor_once_at_each_level(grey):
    found = fitted("words", grey)(grey)
    assert found.shape == (40, WORDS * (1 + 4 + 16))
    ends = np.cumsum([WORDS * 4**level for level in range(LEVELS)])
    shares = [part.sum(1) for part in np.split(found, ends[:-1], axis=1)]
    assert np.allclose(shares, np.array([0.25, 0.25, 0.5])[:, None])  # Lazebnik et al. 2006, eq. 3


def test_a_ramp_has_one_direction_and_a_descriptor_is_at_most_of_length_one(grey):
    ramp = np.tile(np.linspace(0, 1, 16, dtype=np.float32), (1, 16, 1))
    planes = directions(ramp)
    assert np.allclose(planes[..., 0], 1 / 15, atol=1e-6)  # to the right; the other directions have nothing
    assert np.allclose(planes[..., 1:], 0)
    assert np.linalg.norm(descriptors(grey), axis=-1).max() <= 1 + 1e-5
    assert not descriptors(np.zeros_like(grey[:1])).any()


def test_centres_are_where_lloyd_stops_and_no_worse_than_scikit_learn():
    points = np.random.default_rng(0).normal(size=(300, 2)).astype(np.float32)
    start = points[np.sort(np.random.default_rng(5).choice(300, 6, replace=False))]
    theirs = KMeans(6, init=start, n_init=1, max_iter=300, tol=0).fit(points).cluster_centers_
    assert np.allclose(centres(points, 6, seed=5, rounds=300), theirs, atol=1e-5)
    assert np.allclose(distances(points, start), pairwise_distances(points, start) ** 2, atol=1e-4)


def test_triangle_activation_by_hand(grey):
    """One picture, identity whitening, two centres: max(0, mean distance - distance), averaged over a quadrant."""
    cut = windows(grey[:1])[0]
    d = cut.shape[-1]
    two = np.stack([cut[0, 0], cut[-1, -1]])
    learnt = {"mean": np.zeros(d, np.float32), "zca": np.eye(d, dtype=np.float32), "centres": two}
    hand = np.zeros((12, 12, 2))  # 23 x 23 patches: the quadrants share the middle row and column
    for y in range(12):
        for x in range(12):
            far = [np.linalg.norm(cut[y, x].astype(np.float64) - centre) for centre in two]
            hand[y, x] = [max(0.0, np.mean(far) - one) for one in far]
    assert np.allclose(pooled(grey[:1], learnt)[0, :2], hand.mean((0, 1)), atol=1e-2)


def test_what_was_computed_is_read_again_until_something_changes(grey, tmp_path):
    extract = fitted("contours", grey)
    first = cached(extract, grey, tmp_path)
    (file,) = tmp_path.iterdir()
    np.save(file, first + 1)
    assert np.array_equal(cached(extract, grey, tmp_path), first + 1)  # it was read, not computed
    file.write_bytes(b"cut short")
    assert np.array_equal(cached(extract, grey, tmp_path), first)
    cached(extract, grey[1:], tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_unknown_and_too_small():
    with pytest.raises(RecipeError, match="features 'hoq'; did you mean 'hog'"):
        fitted("hoq", np.zeros((2, 28, 28, 1), np.uint8))
    with pytest.raises(RecipeError, match="pictures of 6 px are too small; 8 px is the least"):
        fitted("hog", np.zeros((2, 6, 6, 1), np.uint8))
