"""What a picture's pixels say against it: blank, tiny, very dark or bright, blurred, of odd aspect, animated. No torch."""

import numpy as np
from jaxtyping import Float32
from numpy import ndarray
from PIL import Image

from konvolut.images.decode import Header
from konvolut.types import Picture

FAULTS = ("blank", "tiny", "dark", "bright", "blurred", "aspect", "frames")
EVEN = 4  # levels about the median within which all but EVEN_REST of the values of a blank picture lie
EVEN_REST = 0.001
TINY = 16  # px; a shorter side holds less than the smallest nets were made for
DARK = 48  # levels of luma that the brightest 0.5 % of a very dark picture do not reach
BRIGHT = 208  # that the darkest 0.5 % of a very bright one do not fall below
ASPECT = 4.0  # long side by short side
SHARP = 0.15  # strength of the finest detail against detail 8 times as coarse: 1/64 in a smooth picture, about 1 in a sharp one
JUDGED = 96  # px; in a smaller picture, blur cannot be told from a lack of pixels
LARGE = 512  # px, the longest side at which blur is looked for: what is lost above it, no net would see


def faults(picture: Picture, header: Header) -> tuple[str, ...]:
    """Which of FAULTS a decoded picture has. A blank picture is called neither dark, bright nor blurred."""
    height, width = picture.shape[:2]
    short, long = sorted((height, width))
    found = [name for name, is_so in (("tiny", short < TINY), ("aspect", long > ASPECT * short)) if is_so]
    if header.frames > 1 and header.format != "MPO":  # whose further frames are previews and depths
        found.append("frames")
    small = _small(picture)
    if _blank(picture):
        found.append("blank")
    else:
        low, high = np.percentile(small, (0.5, 99.5))
        found += [name for name, is_so in (("dark", high < DARK), ("bright", low > BRIGHT)) if is_so]
        if min(small.shape) >= JUDGED and sharpness(small) < SHARP:
            found.append("blurred")
    return tuple(name for name in FAULTS if name in found)


def sharpness(luma: Float32[ndarray, "h w"]) -> float:
    """Root mean square of the second differences, against that of the picture averaged over 8 x 8 px.

    Where all is smooth, these are 64 times as large: 1/64. A picture of natural statistics has as much detail at each
    scale: about 1. Blurred with a Gaussian of 3 px, and saved as JPEG, ten photographs came to between 0.05 and 0.12; as
    they were, to between 0.27 and 1.2.
    """
    height, width = (side // 8 for side in luma.shape)
    coarse = luma[: 8 * height, : 8 * width].reshape(height, 8, width, 8).mean(axis=(1, 3))
    return float(np.sqrt(_curvature(luma) / max(_curvature(coarse), 1e-6)))


def _curvature(values: Float32[ndarray, "h w"]) -> float:
    around = values[:-2, 1:-1] + values[2:, 1:-1] + values[1:-1, :-2] + values[1:-1, 2:]
    return float(((around - 4 * values[1:-1, 1:-1]) ** 2).mean())


def _blank(picture: Picture) -> bool:
    middle = np.median(picture[:: max(1, len(picture) // 64), :: max(1, picture.shape[1] // 64)], axis=(0, 1))
    off = np.abs(picture.astype(np.int16) - middle.astype(np.int16)).max(axis=2) > EVEN
    return bool(off.mean() <= EVEN_REST)


def _small(picture: Picture) -> Float32[ndarray, "h w"]:
    """Luma, reduced by a whole number until no side is above LARGE."""
    image = Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture).convert("L")
    times = -(-max(image.size) // LARGE)
    return np.asarray(image.reduce(times) if times > 1 else image, dtype=np.float32)
