"""Pictures of one size, held or cropped anew each time, and epochs over them whose order is a function of (seed, epoch)."""

import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from numpy import ndarray
from torch import Tensor

from konvolut.errors import RecipeError
from konvolut.images.augment import Augment, Dice, augment, moved, principal_colours
from konvolut.images.crops import Crops
from konvolut.images.dice import Stream, dice
from konvolut.images.imageset import Split
from konvolut.images.preprocess import InputSpec, preprocess
from konvolut.types import Labels, Pictures

CACHED = 1 << 20  # values that stay in a processor's second cache, as float32
RAM_SHARE = 0.25  # of the machine's memory that held pictures may take; beyond it they live in a mapped file


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """What a step takes."""

    images: Float[Tensor, "n c h w"]  # channels_last
    labels: Int64[Tensor, "n"]
    index: Int64[ndarray, "n"]  # of each picture in its split


@dataclass(frozen=True, slots=True, eq=False)
class Batches:
    """An epoch-addressable view of pictures: `epoch(3)` is the same whenever, wherever and after whatever it is asked."""

    pictures: Pictures | Crops
    labels: Labels
    spec: InputSpec
    size: int  # pictures a step, at most
    seed: int = 0
    how: Augment = Augment()

    def __post_init__(self) -> None:
        if self.size > len(self.labels):
            raise RecipeError(
                f"batch = {self.size}, but only {len(self.labels)} pictures are there to train on; "
                f"take at most that many, or more pictures"
            )

    def __len__(self) -> int:
        """Steps an epoch."""
        return -(-len(self.labels) // self.size)

    def order(self, epoch: int) -> Int64[ndarray, "n"]:
        """Every picture once, shuffled by (seed, epoch)."""
        return np.argsort(dice(self.seed, epoch, np.arange(len(self.labels)), Stream.ORDER), kind="stable")

    def epoch(self, number: int) -> Iterator[Batch]:
        """Every picture once, in steps whose sizes differ by at most one: a short last batch would upset batch norm."""
        colours = self.colours()
        parts = np.array_split(self.order(number), len(self))
        for index, pictures in zip(parts, self._taken(number, parts), strict=True):
            images, how, dice = self._moved(pictures, number, index)
            ready = (
                seen(images, self.spec)
                if how == Augment()
                else normalise(augment(unit(images), how, dice, colours), self.spec)
            )
            yield Batch(ready, torch.from_numpy(self.labels[index]), index)

    def first(self, count: int) -> Pictures:
        """The first pictures of the first epoch as the net sees them, before they are normalised."""
        index = self.order(0)[:count]
        (pictures,) = self._taken(0, [index])
        images, how, dice = self._moved(pictures, 0, index)
        shown = augment(unit(images), how, dice, self.colours())
        return shown.mul(255).round().clamp(0, 255).byte().permute(0, 2, 3, 1).contiguous().numpy()

    def _taken(self, epoch: int, parts: list[Int64[ndarray, "n"]]) -> Iterator[Pictures]:
        if isinstance(self.pictures, Crops):
            return self.pictures.steps(epoch, parts)
        return (self.pictures[index] for index in parts)

    def _moved(self, pictures: Pictures, epoch: int, index: Int64[ndarray, "n"]) -> tuple[Pictures, Augment, Dice]:
        """Pictures whose whole pixels have moved, and what is left to do with them and by which luck."""
        how, dice = replace(self.how, crop=0.0), Dice(self.seed, epoch, index)
        if how.rotate or how.scale or how.shear:
            return pictures, how, dice
        return moved(pictures, how, dice), replace(how, shift=0.0, flip=False), dice

    def colours(self) -> Float64[ndarray, "c c"] | None:
        """Principal colours of (at most 1,000 of) the pictures, where something is done with them."""
        if not self.how.lighting:
            return None
        every = max(1, len(self.labels) // 1000)
        if isinstance(self.pictures, Crops):
            some = hold(self.pictures.split.part(range(0, len(self.labels), every)), self.spec)
        else:
            some = self.pictures[::every]
        return principal_colours(some.reshape(-1, some.shape[-1]) / 255.0)


def unit(pictures: Pictures) -> Float[Tensor, "n c h w"]:
    """uint8 (n, h, w, c) -> float32 (n, c, h, w) in [0, 1], channels_last without a copy of the layout."""
    return torch.from_numpy(pictures).float().mul_(1 / 255).permute(0, 3, 1, 2)


def normalise(images: Float[Tensor, "n c h w"], spec: InputSpec) -> Float[Tensor, "n c h w"]:
    """Subtract the mean, divide by the standard deviation, channels_last."""
    n, c, h, w = images.shape
    mean, std = (torch.tensor(values) for values in (spec.mean, spec.std))
    if c == 1:
        return images.sub(mean.view(1, 1, 1, 1)).div_(std).contiguous(memory_format=torch.channels_last)
    # In memory order, as long rows: a number for each channel would make loops of three.
    rows = images.permute(0, 2, 3, 1).reshape(n * h, w * c)
    mean, std = (one.expand(c).repeat(w) for one in (mean, std))
    return rows.sub(mean).div_(std).view(n, h, w, c).permute(0, 3, 1, 2)


def seen(pictures: Pictures, spec: InputSpec) -> Float[Tensor, "n c h w"]:
    """`normalise(unit(pictures))`, to the bit; some pictures at a time, so that each stays in the processor's cache."""
    n, h, w, c = pictures.shape
    if c == 1:
        return normalise(unit(pictures), spec)
    mean, std = (torch.tensor(values).expand(c).repeat(w) for values in (spec.mean, spec.std))
    found, given = torch.empty(n * h, w * c), torch.from_numpy(pictures).view(n * h, w * c)
    rows = h * max(1, CACHED // (h * w * c))
    for part, values in zip(found.split(rows), given.split(rows), strict=True):
        part.copy_(values).mul_(1 / 255).sub_(mean).div_(std)
    return found.view(n, h, w, c).permute(0, 3, 1, 2)


def in_order(pictures: Pictures, spec: InputSpec, pixels: int = 1 << 20) -> Iterator[Float[Tensor, "n c h w"]]:
    """The pictures as they are, some `pixels` at a time (20 of 224 px, and never more than 256): what evaluation takes."""
    size = min(256, max(1, pixels // spec.size**2))
    for start in range(0, len(pictures), size):
        yield seen(pictures[start : start + size], spec)


def hold(split: Split, spec: InputSpec) -> Pictures:
    """Decode and fit every picture of a split, in threads: uint8 (n, size, size, channels).

    Raises DataError with the path of the first picture that cannot be read.
    """
    shape = (len(split), spec.size, spec.size, spec.channels)
    held = room(shape)

    def put(i: int) -> None:
        held[i] = preprocess(split.picture(i, **spec.decoding), spec)

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for _ in threads.map(put, range(len(split))):
            pass
    return held


def room(shape: tuple[int, ...]) -> Pictures:
    """An empty array, in memory where it fits, else in a mapped file that goes with the process."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 8 << 30
    if np.prod(shape, dtype=np.int64) <= RAM_SHARE * memory:
        return np.empty(shape, np.uint8)
    with tempfile.TemporaryFile() as file:  # the mapping outlives the handle
        return np.memmap(file, np.uint8, "w+", shape=shape)
