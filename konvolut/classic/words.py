"""Dictionaries learnt from small patches: the bag of visual words, and k-means features pooled over quadrants."""

from collections.abc import Iterator, Mapping
from math import pi

import numpy as np
from jaxtyping import Float32, Float64, Int64
from numpy import ndarray
from numpy.lib.stride_tricks import sliding_window_view

from konvolut.types import Pictures

Arrays = Mapping[str, ndarray]
WORDS = 100  # in the dictionary of the bag
LEVELS = 3  # of the pyramid: the whole picture, 2x2 parts, 4x4 parts
ANGLES = 8  # directions of a gradient, as in SIFT
PATCH = 6  # px, the side of a patch (Coates, Lee and Ng 2011, section 4.5: the best receptive field)
CENTRES = 200  # k-means features
SAMPLE = 20_000  # patches or descriptors a dictionary is learnt from
BLOCK = 128  # pictures at a time: bounds the memory


def luma(pictures: Pictures) -> Float32[ndarray, "n h w"]:
    """Grey values in [0, 1], by ITU-R BT.601 where there is colour."""
    if pictures.shape[3] == 1:
        return np.asarray(pictures[..., 0], np.float32) / np.float32(255)
    return np.asarray(pictures @ np.array([0.299, 0.587, 0.114], np.float32), np.float32) / np.float32(255)


def blocks(pictures: Pictures) -> Iterator[Pictures]:
    for start in range(0, len(pictures), BLOCK):
        yield pictures[start : start + BLOCK]


def distances(a: Float32[ndarray, "n d"], b: Float32[ndarray, "m d"]) -> Float32[ndarray, "n m"]:
    """Squared Euclidean distances, at least 0."""
    cross = a @ b.T
    cross *= -2
    cross += (a * a).sum(1)[:, None]
    cross += (b * b).sum(1)
    return np.asarray(np.maximum(cross, 0, out=cross))


def centres(points: Float32[ndarray, "n d"], k: int, seed: int, rounds: int = 25) -> Float32[ndarray, "k d"]:
    """k-means by Lloyd's iteration, from `k` of the points drawn by `seed`; a centre that nothing is near to stays.

    Written out, since its sums then do not depend on how many threads there are.
    """
    pick = np.random.default_rng(seed).choice(len(points), k, replace=len(points) < k)
    found, exact = points[np.sort(pick)].copy(), points.astype(np.float64)
    for _ in range(rounds):
        near = distances(points, found).argmin(1)
        count = np.bincount(near, minlength=k)
        some_near = count > 0
        order = np.argsort(near, kind="stable")
        starts = (np.cumsum(count) - count)[some_near]
        moved = found.copy()
        moved[some_near] = np.add.reduceat(exact[order], starts) / count[some_near, None]
        if np.array_equal(moved, found):
            break
        found = moved
    return found


def some(count: int, most: int, seed: int) -> Int64[ndarray, "m"]:
    """At most `most` of `count` places, in order."""
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, most, replace=False))


# --- the bag of visual words (Csurka et al. 2004) with a spatial pyramid (Lazebnik, Schmid and Ponce 2006)


def cell(side: int) -> int:
    """px, the side of one of the 2x2 cells of a descriptor: a seventh of the picture, at least 2."""
    return max(2, side // 7)


def directions(grey: Float32[ndarray, "n h w"]) -> Float32[ndarray, "n h w angles"]:
    """The strength of every pixel's gradient, shared between the two nearest of the directions."""
    down, right = np.gradient(grey, axis=(1, 2))
    strength = np.hypot(down, right)
    place = (np.arctan2(down, right) / (2 * pi) % 1.0) * ANGLES
    low = np.floor(place)
    share = strength * (place - low)
    planes = np.zeros((*grey.shape, ANGLES), np.float32)
    for angle in range(ANGLES):
        planes[..., angle] = np.where(low % ANGLES == angle, strength - share, 0)
        planes[..., angle] += np.where((low + 1) % ANGLES == angle, share, 0)
    return planes


def descriptors(pictures: Pictures) -> Float32[ndarray, "n rows columns d"]:
    """Dense descriptors of 2x2 cells by 8 directions, half a cell apart, normalised and clipped at 0.2 as in SIFT.

    Where nothing changes in a window its descriptor is 0: flat ground is a word of its own.
    """
    c = cell(min(pictures.shape[1:3]))
    sums = directions(luma(pictures)).cumsum(1).cumsum(2)
    sums = np.pad(sums, ((0, 0), (1, 0), (1, 0), (0, 0)))
    cells = sums[:, c:, c:] - sums[:, :-c, c:] - sums[:, c:, :-c] + sums[:, :-c, :-c]  # of every c x c window
    step = max(1, c // 2)
    corners = (cells[:, :-c, :-c], cells[:, :-c, c:], cells[:, c:, :-c], cells[:, c:, c:])
    found = np.concatenate([corner[:, ::step, ::step] for corner in corners], axis=-1)
    for clip in (0.2, 1.0):
        length = np.sqrt((found * found).sum(-1, keepdims=True))
        found = np.clip(found / np.maximum(length, 1e-3), 0, clip)
    return np.asarray(found, np.float32)


def learn_words(pictures: Pictures, seed: int) -> dict[str, ndarray]:
    """A dictionary of descriptors, from at most 1,000 of the pictures."""
    seen = descriptors(pictures[some(len(pictures), 1000, seed)])
    rows = seen.reshape(-1, seen.shape[-1])
    return {"words": centres(rows[some(len(rows), SAMPLE, seed)], WORDS, seed)}


def bag(pictures: Pictures, learnt: Arrays) -> Float64[ndarray, "n d"]:
    """Histograms of words over a pyramid; a level counts half as much as the finer one (Lazebnik et al. 2006, eq. 3)."""
    words = learnt["words"]
    k, found = len(words), []
    for some_pictures in blocks(pictures):
        seen = descriptors(some_pictures)
        n, rows, columns, d = seen.shape
        near = distances(seen.reshape(-1, d), words).argmin(1).reshape(n, rows, columns)
        levels = []
        for level in range(LEVELS):
            parts = 2**level
            weight = 2.0 ** (max(level, 1) - LEVELS)  # 1/4, 1/4, 1/2 for three levels
            part = np.arange(rows)[:, None] * parts // rows * parts + np.arange(columns) * parts // columns
            place = (np.arange(n)[:, None, None] * parts**2 + part) * k + near
            counts = np.bincount(place.ravel(), minlength=n * parts**2 * k)
            levels.append(weight * counts.reshape(n, -1) / (rows * columns))
        found.append(np.concatenate(levels, 1))
    return np.concatenate(found)


# --- k-means features (Coates, Lee and Ng 2011)


def windows(pictures: Pictures) -> Float32[ndarray, "n rows columns d"]:
    """Every patch, less its mean, divided by its deviation (which is floored, so that noise stays small)."""
    step = max(1, min(pictures.shape[1:3]) // 28)
    cut = sliding_window_view(pictures, (PATCH, PATCH), axis=(1, 2))[:, ::step, ::step]  # type: ignore[call-overload]
    flat = np.asarray(cut.reshape(*cut.shape[:3], -1), np.float32)
    flat -= flat.mean(-1, keepdims=True)
    flat /= np.sqrt(flat.var(-1, keepdims=True) + 10)  # of values to 255, as in the paper's section 3.1.1
    return flat


def learn_patches(pictures: Pictures, seed: int) -> dict[str, ndarray]:
    """Whitening (ZCA) and k-means centres, from random patches that are not flat."""
    chosen = pictures[some(len(pictures), 500, seed)]
    rows = np.concatenate([windows(part).reshape(-1, PATCH * PATCH * pictures.shape[3]) for part in blocks(chosen)])
    lively = rows[(rows * rows).mean(1) > 0.1]
    rows = lively if len(lively) > CENTRES else rows
    rows = rows[some(len(rows), SAMPLE, seed)]
    mean = rows.mean(0)
    values, vectors = np.linalg.eigh(np.cov((rows - mean).T.astype(np.float64)))
    zca = ((vectors / np.sqrt(np.maximum(values, 0) + 0.1)) @ vectors.T).astype(np.float32)
    return {"mean": mean, "zca": zca, "centres": centres((rows - mean) @ zca, CENTRES, seed)}


def pooled(pictures: Pictures, learnt: Arrays) -> Float64[ndarray, "n d"]:
    """How much nearer than the mean distance each centre is ("triangle"), averaged over each quadrant."""
    found = []
    for some_pictures in blocks(pictures):
        cut = windows(some_pictures)
        n, rows, columns, d = cut.shape
        far = np.sqrt(distances((cut.reshape(-1, d) - learnt["mean"]) @ learnt["zca"], learnt["centres"]))
        active = np.maximum(far.mean(1, keepdims=True) - far, 0).reshape(n, rows, columns, -1)
        halves = [(slice(0, -(-side // 2)), slice(side // 2, side)) for side in (rows, columns)]
        quadrants = [active[:, y, x].mean((1, 2)) for y in halves[0] for x in halves[1]]
        found.append(np.concatenate(quadrants, 1))
    return np.concatenate(found).astype(np.float64)
