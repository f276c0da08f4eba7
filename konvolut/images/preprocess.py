"""From a decoded picture to what a net takes: one value describes it, and training and serving share it. No torch."""

from dataclasses import dataclass
from math import isfinite

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray
from PIL import Image

from konvolut.errors import RecipeError, nearest
from konvolut.types import Picture

FITS = ("crop", "pad", "stretch")


@dataclass(frozen=True, kw_only=True, slots=True)
class InputSpec:
    """What a net takes. Stored on the run, so that nobody has to remember it."""

    size: int  # px, the side of the square
    channels: int = 3  # 1 grey, 3 RGB
    fit: str = "pad"  # crop (the middle), pad (the whole picture on white) or stretch
    mean: tuple[float, ...] = (0.5,)  # subtracted from values in [0, 1]; one a channel, or one for all
    std: tuple[float, ...] = (0.5,)  # divides them

    def __post_init__(self) -> None:
        if self.size < 1:
            raise RecipeError(f"size = {self.size}; it is the side of a square in px, at least 1")
        if self.channels not in (1, 3):
            raise RecipeError(f"channels = {self.channels}; it is 1 (grey) or 3 (RGB)")
        if self.fit not in FITS:
            raise RecipeError(f"fit = {self.fit!r}{nearest(self.fit, FITS)}")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, self.channels) or not all(isfinite(value) for value in values):
                raise RecipeError(f"{name} = {values}; it is one finite number, or one for each of {self.channels}")
        if min(self.std) <= 0:
            raise RecipeError(f"std = {self.std}; values are divided by it, so it is above 0")


def preprocess(picture: Picture, spec: InputSpec) -> UInt8[ndarray, "s s channels"]:
    """Fit one picture to `spec`: (h, w, c) -> (size, size, channels), antialiased, still uint8.

    `crop` takes the largest centred square. `pad` keeps the whole picture, centred on white whatever its own border
    is. `stretch` changes its proportions. RGB becomes grey by the luma of ITU-R BT.601, grey becomes RGB by repetition.
    A picture that has the size and the channels already comes back with equal values.
    """
    height, width, channels = picture.shape
    if channels == 3 and spec.channels == 1:
        picture = _array(Image.fromarray(picture).convert("L"))
    if (height, width) != (spec.size, spec.size):
        picture = _fitted(picture, spec)
    return np.repeat(picture, spec.channels // picture.shape[2], axis=2)


def normalise(batch: UInt8[ndarray, "n h w c"], spec: InputSpec) -> Float32[ndarray, "n c h w"]:
    """What the net sees: (value / 255 - mean) / std, in float32, channels first."""
    scaled = batch.astype(np.float32) / np.float32(255)  # (n, h, w, c)
    normal = (scaled - np.array(spec.mean, np.float32)) / np.array(spec.std, np.float32)
    return np.ascontiguousarray(normal.transpose(0, 3, 1, 2))


def _fitted(picture: Picture, spec: InputSpec) -> UInt8[ndarray, "s s c"]:
    height, width, channels = picture.shape
    image = Image.fromarray(picture[..., 0] if channels == 1 else picture)
    if spec.fit == "stretch":
        return _array(_resized(image, (spec.size, spec.size), (0, 0, width, height)))
    if spec.fit == "crop":
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        return _array(_resized(image, (spec.size, spec.size), (left, top, left + side, top + side)))
    longest = max(width, height)
    # A strip of one pixel is the least that is still the picture.
    w, h = (max(1, round(side * spec.size / longest)) for side in (width, height))
    sheet = np.full((spec.size, spec.size, channels), 255, dtype=np.uint8)
    top, left = (spec.size - h) // 2, (spec.size - w) // 2
    sheet[top : top + h, left : left + w] = _array(_resized(image, (w, h), (0, 0, width, height)))
    return sheet


def _resized(image: Image.Image, size: tuple[int, int], box: tuple[int, int, int, int]) -> Image.Image:
    """Bicubic (Keys 1981, a = -0.5), widened when it shrinks: sharper than bilinear, and torch has the same filter."""
    return image.resize(size, Image.Resampling.BICUBIC, box=box)


def _array(image: Image.Image) -> Picture:
    values = np.asarray(image)
    return values[..., None] if values.ndim == 2 else values
