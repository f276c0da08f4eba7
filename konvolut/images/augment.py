"""Random changes a picture keeps its class under, on whole batches, drawn by counter-based dice.

Every function takes float images (n, c, h, w) in [0, 1] and returns the same shape; which number an image draws depends
on (seed, epoch, its index in the split, the stream) and on nothing else. A strength of 0 draws nothing and costs nothing.
"""

from dataclasses import dataclass, fields
from math import pi

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from numpy import ndarray
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, interpolate

from konvolut.errors import RecipeError
from konvolut.images.dice import Stream, dice

GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601 luma, the weights Pillow uses too


@dataclass(frozen=True, kw_only=True, slots=True)
class Augment:
    """How far each change may go; 0 leaves it out."""

    crop: float = 0.0  # least share of the area a random crop keeps; 0.08 is GoogLeNet's (2014, section 6); 0: no crops
    flip: bool = False  # left to right, every second time
    shift: float = 0.0  # share of the side, either way, in x and in y: a random crop of the padded picture
    rotate: float = 0.0  # degrees, either way
    scale: float = 0.0  # share: 0.1 is a size between 1/1.1 and 1.1
    shear: float = 0.0  # degrees, either way
    brightness: float = 0.0  # share: values times 1 - b .. 1 + b
    contrast: float = 0.0  # share: distance from the mean grey times 1 - c .. 1 + c
    saturation: float = 0.0  # share: distance from each pixel's own grey
    hue: float = 0.0  # turns of the colour circle, either way
    lighting: float = 0.0  # standard deviation along the set's principal colours; 0.1 is AlexNet's (2012, section 4.1)
    erase: float = 0.0  # side of one square blanked with mid grey, as a share of the picture's

    def __post_init__(self) -> None:
        limits = {"rotate": 180.0, "shear": 45.0, "hue": 0.5}
        for field in fields(self):
            value, most = getattr(self, field.name), limits.get(field.name, 1.0)
            if not 0 <= value <= most:
                raise RecipeError(f"{field.name} = {value}; it lies between 0 and {most:g}")

    @property
    def resamples(self) -> bool:
        """Does a picture change place by fractions of a pixel?"""
        return bool(self.rotate or self.scale or self.shear)


@dataclass(frozen=True, slots=True)
class Dice:
    """The numbers of one batch: its images' indices at one (seed, epoch)."""

    seed: int
    epoch: int
    index: Int64[ndarray, "n"]

    def unit(self, stream: int) -> Float[Tensor, "n"]:
        """Uniform in [0, 1)."""
        return torch.from_numpy(dice(self.seed, self.epoch, self.index, stream)).float()

    def swing(self, stream: int) -> Float[Tensor, "n"]:
        """Uniform in [-1, 1)."""
        return 2 * self.unit(stream) - 1

    def normal(self, stream: int) -> Float[Tensor, "n"]:
        """Standard normal."""
        found: Tensor = torch.special.ndtri(self.unit(stream).double().clamp(1e-12, 1 - 1e-12))
        return found.float()


def augment(
    images: Float[Tensor, "n c h w"], how: Augment, dice: Dice, colours: Float64[ndarray, "c c"] | None = None
) -> Float[Tensor, "n c h w"]:
    """Apply every change whose strength is not 0: geometry first, then light, then `erase`.

    `colours` are the set's principal colours (see `principal_colours`); `lighting` needs them.
    """
    if how.resamples:
        images = affine(images, how, dice)
    else:
        images = shift(images, how.shift, dice) if how.shift else images
        images = flip(images, dice) if how.flip else images
    if how.brightness or how.contrast or how.saturation:
        images = jitter(images, how, dice)
    if how.hue and images.shape[1] == 3:
        images = turn_hue(images, how.hue * dice.swing(Stream.HUE))
    if how.lighting:
        assert colours is not None, "lighting needs the principal colours of the training pictures"
        images = light(images, how.lighting, colours, dice)
    if how.erase:
        images = erase(images, how.erase, dice)
    return images


def flip(images: Float[Tensor, "n c h w"], dice: Dice) -> Float[Tensor, "n c h w"]:
    """Mirror every image left to right with probability one half."""
    mirrored = dice.unit(Stream.FLIP) < 0.5
    return torch.where(mirrored.view(-1, 1, 1, 1), images.flip(-1), images)


def shift(images: Float[Tensor, "n c h w"], share: float, dice: Dice) -> Float[Tensor, "n c h w"]:
    """Move every image by whole pixels, at most `share` of its side, rounded; the edge repeats: pad and crop."""
    n, _, h, w = images.shape
    dy, dx = map(torch.from_numpy, steps(h, w, share, dice))
    rows = (torch.arange(h) - dy[:, None]).clamp(0, h - 1)  # (n, h)
    columns = (torch.arange(w) - dx[:, None]).clamp(0, w - 1)  # (n, w)
    last = images.permute(0, 2, 3, 1)  # (n, h, w, c): a gather of whole pixels
    moved = last[torch.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2)


def steps(height: int, width: int, share: float, dice: Dice) -> tuple[Int64[ndarray, "n"], Int64[ndarray, "n"]]:
    """Whole pixels down and to the right, one a picture, at most `share` of the side, rounded."""
    down, right = (
        (dice.swing(stream) * (share * side + 0.5)).round().long().numpy()
        for stream, side in ((Stream.SHIFT_Y, height), (Stream.SHIFT_X, width))
    )
    return down, right


def affine(images: Float[Tensor, "n c h w"], how: Augment, dice: Dice) -> Float[Tensor, "n c h w"]:
    """Flip, rotate, scale, shear and shift about the centre in one bilinear resampling; the edge repeats."""
    angle = dice.swing(Stream.ROTATE) * how.rotate * pi / 180
    slant = torch.tan(dice.swing(Stream.SHEAR) * how.shear * pi / 180)
    zoom = (1 + how.scale) ** dice.swing(Stream.SCALE)
    mirror = torch.where(dice.unit(Stream.FLIP) < 0.5, -1.0, 1.0) if how.flip else torch.ones_like(zoom)
    cos, sin = torch.cos(angle) / zoom, torch.sin(angle) / zoom
    # The grid asks where an output pixel comes from: rotation by -angle over zoom, after the shear, then the mirror.
    into = torch.stack([mirror * cos, mirror * (cos * slant + sin), -sin, cos - sin * slant], dim=1).view(-1, 2, 2)
    moved = 2 * how.shift * torch.stack([dice.swing(Stream.SHIFT_X), dice.swing(Stream.SHIFT_Y)], dim=1)
    matrix = torch.cat([into, -(into @ moved[:, :, None])], dim=2)  # (n, 2, 3)
    grid = affine_grid(matrix, list(images.shape), align_corners=False)
    return grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def jitter(images: Float[Tensor, "n c h w"], how: Augment, dice: Dice) -> Float[Tensor, "n c h w"]:
    """Brightness, contrast, saturation, in this order, each by its own factor an image; clipped to [0, 1]."""

    def factor(strength: float, stream: Stream) -> Float[Tensor, "n 1 1 1"]:
        return (1 + strength * dice.swing(stream)).view(-1, 1, 1, 1)

    images = images * factor(how.brightness, Stream.BRIGHTNESS)
    mean = grey(images).mean((1, 2, 3), keepdim=True)
    images = mean + (images - mean) * factor(how.contrast, Stream.CONTRAST)
    if how.saturation and images.shape[1] == 3:
        own = grey(images)
        images = own + (images - own) * factor(how.saturation, Stream.SATURATION)
    return images.clamp(0, 1)


def grey(images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n 1 h w"]:
    """BT.601 luma; a grey image is its own."""
    if images.shape[1] == 1:
        return images
    return (images * images.new_tensor(GREY).view(1, 3, 1, 1)).sum(1, keepdim=True)


def turn_hue(images: Float[Tensor, "n 3 h w"], turns: Float[Tensor, "n"]) -> Float[Tensor, "n 3 h w"]:
    """Turn every colour about the grey axis by `turns` of the circle, luma kept, clipped to [0, 1].

    A rotation in the YIQ plane (the linear form of a hue shift), so one small matrix an image.
    """
    to_yiq = torch.tensor([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
    cos, sin = torch.cos(2 * pi * turns), torch.sin(2 * pi * turns)
    spin = torch.zeros(len(turns), 3, 3)
    spin[:, 0, 0], spin[:, 1, 1], spin[:, 2, 2] = 1, cos, cos
    spin[:, 1, 2], spin[:, 2, 1] = -sin, sin
    matrix = torch.linalg.inv(to_yiq) @ spin @ to_yiq  # (n, 3, 3)
    return torch.einsum("nij,njhw->nihw", matrix, images).clamp(0, 1)


def principal_colours(pixels: Float64[ndarray, "m c"]) -> Float64[ndarray, "c c"]:
    """Eigenvectors of the pixels' covariance times the root of their eigenvalues, one a column; values in [0, 1].

    AlexNet (2012, section 4.1) adds alpha times these columns, alpha ~ N(0, 0.1) once an image; there the eigenvalue
    itself multiplies, in units of 0..255. With values in [0, 1] the root keeps the strength in units of the spread.
    """
    values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(pixels.T)))
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0)))


def light(
    images: Float[Tensor, "n c h w"], strength: float, colours: Float64[ndarray, "c c"], dice: Dice
) -> Float[Tensor, "n c h w"]:
    """AlexNet's lighting: the same colour added to every pixel of an image, along the set's principal colours."""
    alpha = strength * torch.stack([dice.normal(Stream.LIGHTING + k) for k in range(colours.shape[1])], dim=1)
    added = alpha @ torch.from_numpy(colours).float().T  # (n, c)
    return (images + added[:, :, None, None]).clamp(0, 1)


def resized(images: Float[Tensor, "n c h w"], side: int) -> Float[Tensor, "n c side side"]:
    """The pictures at another side, in px, antialiased; at their own they are themselves."""
    if images.shape[-2:] == (side, side):
        return images
    return interpolate(images, (side, side), mode="bilinear", antialias=True)


def erase(images: Float[Tensor, "n c h w"], share: float, dice: Dice) -> Float[Tensor, "n c h w"]:
    """Blank one square of side `share` of the picture with mid grey, anywhere, also half outside (DeVries 2017)."""
    _, _, h, w = images.shape
    half = share / 2
    y, x = (torch.arange(h) + 0.5) / h, (torch.arange(w) + 0.5) / w
    rows = (y - dice.unit(Stream.ERASE)[:, None]).abs() < half  # (n, h)
    columns = (x - dice.unit(Stream.ERASE + 1)[:, None]).abs() < half  # (n, w)
    return images.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], 0.5)
