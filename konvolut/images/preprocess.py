"""From a decoded picture to what a net takes: one value describes it, and training and serving share it. No torch."""

from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray
from PIL import Image

from konvolut.errors import RecipeError, nearest
from konvolut.types import Picture

FITS = ("crop", "pad", "stretch")
JPEGS = ("whole", "scaled")


@dataclass(frozen=True, kw_only=True, slots=True)
class InputSpec:
    """What a net takes. Stored on the run, so that nobody has to remember it."""

    size: int  # px, the side of the square
    channels: int = 3  # 1 grey, 3 RGB
    fit: str = "pad"  # crop (the middle), pad (the whole picture on the background) or stretch
    zoom: float = 1.0  # share of the side that is kept, in the middle: 0.875 is 224 px of a picture resized to 256
    background: int = 255  # the grey under what is transparent, and beside what is padded
    jpeg: str = "whole"  # whole; or scaled: decoded at a half, quarter or eighth where that is not smaller than needed
    mean: tuple[float, ...] = (0.5,)  # subtracted from values in [0, 1]; one a channel, or one for all
    std: tuple[float, ...] = (0.5,)  # divides them

    def __post_init__(self) -> None:
        if self.size < 1:
            raise RecipeError(f"size = {self.size}; it is the side of a square in px, at least 1")
        if self.channels not in (1, 3):
            raise RecipeError(f"channels = {self.channels}; it is 1 (grey) or 3 (RGB)")
        for field, value, known in (("fit", self.fit, FITS), ("jpeg", self.jpeg, JPEGS)):
            if value not in known:
                raise RecipeError(f"{field} = {value!r}{nearest(value, known)}")
        if not 0 < self.zoom <= 1:
            raise RecipeError(f"zoom = {self.zoom}; it is a share of the side, above 0 and at most 1")
        if not 0 <= self.background <= 255:
            raise RecipeError(f"background = {self.background}; it is a grey between 0 and 255")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, self.channels) or not all(isfinite(value) for value in values):
                raise RecipeError(f"{name} = {values}; it is one finite number, or one for each of {self.channels}")
        if min(self.std) <= 0:
            raise RecipeError(f"std = {self.std}; values are divided by it, so it is above 0")

    @property
    def decoding(self) -> dict[str, Any]:
        """What `Split.picture` and `decode.read` are told."""
        return {"shrink": self.shrink if self.jpeg == "scaled" else None, "background": self.background}

    def shrink(self, width: int, height: int) -> float:
        """By how many times a picture of that size will be made smaller in each direction, at least."""
        sides = (width, height)
        across = {"crop": min(sides), "pad": max(sides), "stretch": min(sides)}[self.fit]
        return max(1.0, across * self.zoom / self.size)


def preprocess(picture: Picture, spec: InputSpec) -> UInt8[ndarray, "s s channels"]:
    """Fit one picture to `spec`: (h, w, c) -> (size, size, channels), antialiased, still uint8.

    `crop` takes the largest centred square. `pad` keeps the whole picture, centred on the background whatever its own
    border is. `stretch` changes its proportions. Of each, `zoom` keeps the middle.
    A picture that has the size and the channels already comes back with equal values.
    """
    height, width, channels = picture.shape
    if channels == 3 and spec.channels == 1:
        picture = grey_or_colour(picture, 1)
    if (height, width) != (spec.size, spec.size) or spec.zoom < 1:
        picture = _fitted(picture, spec)
    return grey_or_colour(picture, spec.channels)


def grey_or_colour(picture: Picture, channels: int) -> Picture:
    """RGB to grey by the luma of ITU-R BT.601, grey to RGB by repetition; one that has the channels is itself."""
    if picture.shape[2] > channels:
        return _array(Image.fromarray(picture).convert("L"))
    return picture if picture.shape[2] == channels else np.repeat(picture, channels, axis=2)


def normalise(batch: UInt8[ndarray, "n h w c"], spec: InputSpec) -> Float32[ndarray, "n c h w"]:
    """What the net sees: (value / 255 - mean) / std, in float32, channels first."""
    scaled = batch.astype(np.float32) / np.float32(255)  # (n, h, w, c)
    normal = (scaled - np.array(spec.mean, np.float32)) / np.array(spec.std, np.float32)
    return np.ascontiguousarray(normal.transpose(0, 3, 1, 2))


def _fitted(picture: Picture, spec: InputSpec) -> UInt8[ndarray, "s s c"]:
    height, width, channels = picture.shape
    image = Image.fromarray(picture[..., 0] if channels == 1 else picture)
    if spec.fit != "pad":
        wide, high = (width, height) if spec.fit == "stretch" else (min(width, height),) * 2
        wide, high = (max(1, round(side * spec.zoom)) for side in (wide, high))
        left, top = (width - wide) // 2, (height - high) // 2
        return _array(_resized(image, (spec.size, spec.size), (left, top, left + wide, top + high)))
    longest = max(1, round(max(width, height) * spec.zoom))
    wide, high = min(width, longest), min(height, longest)
    left, top = (width - wide) // 2, (height - high) // 2
    # A strip of one pixel is the least that is still the picture.
    w, h = (max(1, round(side * spec.size / longest)) for side in (wide, high))
    sheet = np.full((spec.size, spec.size, channels), spec.background, dtype=np.uint8)
    y, x = (spec.size - h) // 2, (spec.size - w) // 2
    sheet[y : y + h, x : x + w] = _array(_resized(image, (w, h), (left, top, left + wide, top + high)))
    return sheet


def _resized(image: Image.Image, size: tuple[int, int], box: tuple[int, int, int, int]) -> Image.Image:
    """Bicubic (Keys 1981, a = -0.5), widened when it shrinks: sharper than bilinear, and torch has the same filter."""
    return image.resize(size, Image.Resampling.BICUBIC, box=box)


def _array(image: Image.Image) -> Picture:
    values = np.array(image)  # one that may be written to
    return values[..., None] if values.ndim == 2 else values
