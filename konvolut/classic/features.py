"""Features by name: what turns pictures into rows of numbers, learnt from pictures where it must be."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from importlib.resources import files
from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from skimage.feature import hog as hog_of_one
from sklearn.decomposition import PCA

from konvolut.classic.geometry import contours, moments
from konvolut.classic.words import Arrays, bag, learn_patches, learn_words, pooled
from konvolut.errors import RecipeError, nearest
from konvolut.training.run import write
from konvolut.types import Pictures

Features = Float64[ndarray, "n d"]
COMPONENTS = 60  # of pca
ORIENTATIONS, BLOCK_CELLS = 9, 2  # of HOG (Dalal and Triggs 2005, section 6)
LEAST_SIDE = 8  # px: below it no patch, block or contour has room
CHEAP = ("raw", "pca")  # features that are as quickly made as read
KEPT = 32  # files in the cache
DECIDES = ("features.py", "geometry.py", "words.py")  # the files whose code has a say in a feature


@dataclass(frozen=True, slots=True)
class Feature:
    """One way to describe a picture."""

    take: Callable[[Pictures, Arrays], Features]
    signed: bool = False  # can a value be negative? Then chi2 and intersection do not apply
    learn: Callable[[Pictures, int], dict[str, ndarray]] | None = None  # (pictures, seed) -> what `take` needs


def raw(pictures: Pictures) -> Features:
    """The pixels, in [0, 1]."""
    return pictures.reshape(len(pictures), -1) / 255.0


def learn_pca(pictures: Pictures, seed: int) -> dict[str, ndarray]:
    rows = raw(pictures)
    found = PCA(min(COMPONENTS, *rows.shape), svd_solver="full" if min(rows.shape) < 200 else "covariance_eigh")
    found.fit(rows)
    return {"mean": found.mean_, "components": found.components_}


def cell(side: int) -> int:
    """px, the side of a HOG cell: a seventh of the picture."""
    return max(2, side // 7)


def hog(pictures: Pictures) -> Features:
    """Histograms of oriented gradients (Dalal and Triggs 2005): 9 directions, 2x2 cells a block, L2-Hys.

    Of colour, the channel with the largest gradient counts at each pixel.
    """
    side = cell(min(pictures.shape[1:3]))
    grey = pictures.shape[3] == 1
    found = [
        hog_of_one(
            picture[..., 0] if grey else picture, orientations=ORIENTATIONS, pixels_per_cell=(side, side),
            cells_per_block=(BLOCK_CELLS, BLOCK_CELLS), block_norm="L2-Hys", channel_axis=None if grey else -1,
        )
        for picture in pictures
    ]  # fmt: skip
    return np.asarray(found, np.float64)


FEATURES: Mapping[str, Feature] = {
    "raw": Feature(lambda pictures, _: raw(pictures)),
    "pca": Feature(
        lambda pictures, learnt: (raw(pictures) - learnt["mean"]) @ learnt["components"].T, signed=True, learn=learn_pca
    ),
    "patches": Feature(pooled, learn=learn_patches),  # Coates, Lee and Ng 2011
    "words": Feature(bag, learn=learn_words),  # Lazebnik, Schmid and Ponce 2006
    "hog": Feature(lambda pictures, _: hog(pictures)),
    "moments": Feature(lambda pictures, _: moments(pictures), signed=True),
    "contours": Feature(lambda pictures, _: contours(pictures)),
}


@dataclass(frozen=True, slots=True, eq=False)
class Extract:
    """Features that are ready to be taken: call it on pictures of the size it was fitted on."""

    name: str
    arrays: Mapping[str, ndarray]  # what was learnt; empty of those that learn nothing

    def __call__(self, pictures: Pictures) -> Features:
        """(n, h, w, c) uint8 -> (n, d) float64."""
        return np.asarray(FEATURES[self.name].take(pictures, self.arrays), np.float64)


def fitted(name: str, pictures: Pictures, seed: int = 0) -> Extract:
    """The features called `name`, learnt from `pictures` where they learn at all.

    Raises RecipeError for an unknown name, or pictures that are too small for any.
    """
    if name not in FEATURES:
        raise RecipeError(f"features {name!r}{nearest(name, FEATURES)}")
    side = min(pictures.shape[1:3])
    if side < LEAST_SIDE and name not in ("raw", "pca"):
        raise RecipeError(f"features {name}: pictures of {side} px are too small; {LEAST_SIDE} px is the least")
    learn = FEATURES[name].learn
    return Extract(name, learn(pictures, seed) if learn else {})


def cached(extract: Extract, pictures: Pictures, folder: Path | None = None) -> Features:
    """`extract(pictures)`, looked up in `folder` first: by the pictures, what was learnt, and the code.

    Without a folder the user's own cache is taken; it keeps the last KEPT. A file that cannot be read is made anew.
    """
    if extract.name in CHEAP:
        return extract(pictures)
    libraries = [version(name) for name in ("numpy", "scikit-image", "scikit-learn")]
    total = sha256(f"{extract.name} {pictures.shape} {libraries}".encode())
    for name in DECIDES:
        total.update(files("konvolut").joinpath("classic", name).read_bytes())
    for array in (*extract.arrays.values(), pictures):
        total.update(np.ascontiguousarray(array).data)
    path = (folder or cache_folder()) / f"{total.hexdigest()[:32]}.npy"
    try:
        return np.asarray(np.load(path, allow_pickle=False), np.float64)
    except (OSError, ValueError, EOFError):
        pass
    found = extract(pictures)
    held = BytesIO()
    np.save(held, found, allow_pickle=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, held.getvalue())
        for old in sorted(path.parent.glob("*.npy"), key=lambda file: file.stat().st_mtime)[:-KEPT]:
            old.unlink(missing_ok=True)
    except OSError:  # a full or read-only disk costs time, not the answer
        pass
    return found


def cache_folder() -> Path:
    """Where features are kept from one run to the next."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "konvolut" / "features"
