"""Kernels by name: how alike two rows of features are."""

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from sklearn.metrics.pairwise import additive_chi2_kernel, manhattan_distances, polynomial_kernel, rbf_kernel

from konvolut.errors import RecipeError, nearest

Rows = Float64[ndarray, "n d"]
Gram = Float64[ndarray, "n m"]
DEGREE = 3  # of the polynomial
UNSIGNED = ("chi2", "intersection")  # kernels between histograms: no value may be negative
SOME = 500  # rows by which the mean chi-square distance is told


def intersection(a: Rows, b: Rows) -> Gram:
    """The sum of the smaller of two values, from min(x, y) = (x + y - |x - y|) / 2 (Swain and Ballard 1991)."""
    return np.asarray((a.sum(1)[:, None] + b.sum(1) - manhattan_distances(a, b)) / 2)


KERNELS: Mapping[str, Callable[[Rows, Rows, float], Gram]] = {
    "linear": lambda a, b, _: a @ b.T,
    "polynomial": lambda a, b, gamma: polynomial_kernel(a, b, degree=DEGREE, gamma=gamma, coef0=1),
    "rbf": lambda a, b, gamma: rbf_kernel(a, b, gamma=gamma),
    "chi2": lambda a, b, gamma: np.exp(gamma * additive_chi2_kernel(a, b)),  # exp(-gamma sum (x - y)^2 / (x + y))
    "intersection": lambda a, b, _: intersection(a, b),
}


def known(kernel: str) -> None:
    """Raises RecipeError for an unknown name, with the nearest."""
    if kernel not in KERNELS:
        raise RecipeError(f"kernel {kernel!r}{nearest(kernel, KERNELS)}")


def width(kernel: str, rows: Rows) -> float:
    """gamma for these rows: 1/(d var), scikit-learn's "scale"; for chi2 1 over the mean distance (Zhang et al. 2007).

    It is 1 where all rows are equal.
    """
    if kernel == "chi2":
        some = rows[:: -(-len(rows) // SOME)]
        far = -additive_chi2_kernel(some, some).sum() / max(1, len(some) * (len(some) - 1))
        return float(1 / far) if far > 0 else 1.0
    var = float(rows.var())
    return 1 / (rows.shape[1] * var) if var > 0 else 1.0


def gram(kernel: str, a: Rows, b: Rows, gamma: float | None = None) -> Gram:
    """Every row of `a` against every row of `b`: (n, d), (m, d) -> (n, m). Without `gamma`, `width` of `b`.

    Raises RecipeError for an unknown kernel, and for negative values under chi2 or intersection.
    """
    known(kernel)
    if kernel in UNSIGNED and min(a.min(), b.min()) < 0:
        raise RecipeError(f"kernel {kernel}: it compares histograms, and a feature is negative; rbf or linear work")
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return np.asarray(KERNELS[kernel](a, b, width(kernel, b) if gamma is None else gamma), np.float64)


def diagonal(kernel: str, rows: Rows, gamma: float) -> Float64[ndarray, "n"]:
    """Each row against itself: the diagonal of its Gram matrix."""
    if kernel in ("rbf", "chi2"):
        return np.ones(len(rows))
    if kernel == "intersection":
        return np.asarray(rows.sum(1))
    square = (rows * rows).sum(1)
    return np.asarray(square if kernel == "linear" else (gamma * square + 1) ** DEGREE)
