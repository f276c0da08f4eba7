"""Vision as geometry: moments, contours, and the fit of a shape by least squares."""

from math import cos, sin
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from skimage.measure import find_contours

from konvolut.classic.words import luma
from konvolut.types import Pictures

Points = Float64[ndarray, "m 2"]  # (x, y)
HARMONICS = 12  # on either side of 0
SAMPLES = 128  # points a contour is drawn by
ORDERS = tuple((p, q) for p in range(5) for q in range(5) if 2 <= p + q <= 4)  # of the central moments


def ink(pictures: Pictures) -> Float64[ndarray, "n h w"]:
    """How far each pixel's grey is from the ground, the median of the picture's border: 0 is ground, at most 1."""
    grey = luma(pictures).astype(np.float64)
    border = np.concatenate([grey[:, 0], grey[:, -1], grey[:, 1:-1, 0], grey[:, 1:-1, -1]], axis=1)
    return np.asarray(np.abs(grey - np.median(border, axis=1)[:, None, None]))


def moments(pictures: Pictures) -> Float64[ndarray, "n 19"]:
    """Normalised central moments of order 2 to 4, then Hu's seven (Hu 1962), each as sign(v) log(1 + 1000 |v|).

    The ink's place does not matter; Hu's do not change either when it is turned or scaled. All 0 without ink.
    """
    weight = ink(pictures)
    h, w = weight.shape[1:]
    mass = weight.sum((1, 2))
    safe = np.where(mass > 0, mass, 1.0)
    y, x = np.arange(h, dtype=np.float64), np.arange(w, dtype=np.float64)
    cx, cy = np.einsum("nhw,w->n", weight, x) / safe, np.einsum("nhw,h->n", weight, y) / safe
    dx, dy = x - cx[:, None], y - cy[:, None]
    eta = {}
    for p, q in ORDERS:
        central = np.einsum("nhw,nw,nh->n", weight, dx**p, dy**q, optimize=True)
        eta[p, q] = central / safe ** (1 + (p + q) / 2)
    found = np.stack([*(eta[order] for order in ORDERS), *hu(eta)], 1)
    return np.asarray(np.sign(found) * np.log1p(1000 * np.abs(found)))


def hu(eta: dict[tuple[int, int], Float64[ndarray, "n"]]) -> list[Float64[ndarray, "n"]]:
    """Hu's seven invariants of normalised central moments (Hu 1962, eq. 57 to 59)."""
    sum2, slant = eta[2, 0] + eta[0, 2], eta[2, 0] - eta[0, 2]
    a, b = eta[3, 0] - 3 * eta[1, 2], 3 * eta[2, 1] - eta[0, 3]
    c, d = eta[3, 0] + eta[1, 2], eta[2, 1] + eta[0, 3]
    return [
        sum2,
        slant**2 + 4 * eta[1, 1] ** 2,
        a**2 + b**2,
        c**2 + d**2,
        a * c * (c**2 - 3 * d**2) + b * d * (3 * c**2 - d**2),
        slant * (c**2 - d**2) + 4 * eta[1, 1] * c * d,
        b * c * (c**2 - 3 * d**2) - a * d * (3 * c**2 - d**2),
    ]


def contour(weight: Float64[ndarray, "h w"]) -> Points | None:
    """The longest closed contour at half the most ink, (x, y) in px, first point not repeated; None without ink."""
    most = weight.max()
    if most <= 0:
        return None
    sheet = np.pad(weight, 1)  # so that what touches the border is closed there
    found = [line[:-1, ::-1] - 1 for line in find_contours(sheet, most / 2) if len(line) > 3]
    return max(found, key=length, default=None)


def length(points: Points) -> float:
    """px around a closed contour."""
    return float(np.linalg.norm(np.roll(points, -1, 0) - points, axis=1).sum())


def resampled(points: Points, count: int = SAMPLES) -> Points:
    """`count` points on a closed contour, the same way apart along it."""
    closed = np.concatenate([points, points[:1]])
    way = np.concatenate([[0.0], np.linalg.norm(np.diff(closed, axis=0), axis=1).cumsum()])
    at = np.arange(count) * way[-1] / count
    return np.stack([np.interp(at, way, closed[:, axis]) for axis in (0, 1)], 1)


def fourier(points: Points, harmonics: int = HARMONICS) -> Float64[ndarray, "d"]:
    """Magnitudes of the Fourier coefficients 1..n and -1..-n of a closed contour, over the larger of the first two.

    Shifting, turning, scaling and the first point have no say (Zahn and Roskies 1972; Granlund 1972).
    """
    size = np.abs(np.fft.fft(points[:, 0] + 1j * points[:, 1]))
    found = np.concatenate([size[1 : harmonics + 1], size[-1 : -harmonics - 1 : -1]])
    return np.asarray(found / max(found[0], found[harmonics], 1e-12))


def contours(pictures: Pictures) -> Float64[ndarray, "n 24"]:
    """The Fourier descriptors of each picture's longest contour; 0 throughout where there is none."""
    found = np.zeros((len(pictures), 2 * HARMONICS))
    for row, weight in zip(found, ink(pictures), strict=True):
        line = contour(weight)
        if line is not None:
            row[:] = fourier(resampled(line))
    return found


class Fit(NamedTuple):
    """template -> scale * turned(template) + shift."""

    scale: float
    rotation: float  # radians, from x to y
    shift: Float64[ndarray, "2"]
    residual: float  # mean squared distance between the points and the template after it, px^2

    def __call__(self, template: Points) -> Points:
        turn = np.array([[cos(self.rotation), -sin(self.rotation)], [sin(self.rotation), cos(self.rotation)]])
        return np.asarray(self.scale * template @ turn.T + self.shift)


def fit_similarity(points: Points, template: Points) -> Fit:
    """The similarity that brings `template` nearest to `points`, row by row, in closed form (Umeyama 1991, no mirror).

    With the correspondences known the problem is linear least squares in (scale cos, scale sin, shift): convex.
    """
    p, q = (rows[:, 0] + 1j * rows[:, 1] for rows in (points, template))
    p0, q0 = p.mean(), q.mean()
    spread = float((np.abs(q - q0) ** 2).sum())
    factor = complex((np.conj(q - q0) * (p - p0)).sum()) / spread if spread > 0 else 0j
    shift = p0 - factor * q0
    residual = float((np.abs(p - factor * q - shift) ** 2).mean())
    return Fit(abs(factor), float(np.angle(factor)), np.array([shift.real, shift.imag]), residual)


def fit_unknown(points: Points, template: Points, start: float = 0.0, rounds: int = 100) -> Fit:
    """The same without correspondences, from the rotation `start` (radians): iterated closest points (Besl, McKay 1992).

    Each of `points` is matched to the nearest of the template's, the similarity is fitted, and so on until the residual
    falls no more. Not convex: what it comes to depends on `start`.
    """
    spread = [float(np.sqrt(((rows - rows.mean(0)) ** 2).sum(1).mean())) for rows in (points, template)]
    found = Fit(spread[0] / max(spread[1], 1e-12), start, np.zeros(2), np.inf)
    found = found._replace(shift=points.mean(0) - found(template).mean(0))
    for _ in range(rounds):
        apart = ((points[:, None] - found(template)[None]) ** 2).sum(2)
        fit = fit_similarity(points, template[apart.argmin(1)])
        if fit.residual >= found.residual * (1 - 1e-12):
            break
        found = fit
    return found
