"""Pictures of one size held in memory, and epochs over them whose order is a function of (seed, epoch)."""

import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from numpy import ndarray
from torch import Tensor

from konvolut.errors import RecipeError
from konvolut.images.augment import Augment, Dice, augment, principal_colours
from konvolut.images.dice import Stream, dice
from konvolut.images.imageset import Split
from konvolut.images.preprocess import InputSpec, preprocess
from konvolut.types import Labels, Pictures

RAM_SHARE = 0.25  # of the machine's memory that held pictures may take; beyond it they live in a mapped file


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """What a step takes."""

    images: Float[Tensor, "n c h w"]  # channels_last
    labels: Int64[Tensor, "n"]
    index: Int64[ndarray, "n"]  # of each picture in its split


@dataclass(frozen=True, slots=True, eq=False)
class Batches:
    """An epoch-addressable view of held pictures: `epoch(3)` is the same whenever, wherever and after whatever it is asked."""

    pictures: Pictures
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
        colours = self.colours() if self.how.lighting else None
        for index in np.array_split(self.order(number), len(self)):
            images = unit(self.pictures[index])
            images = augment(images, self.how, Dice(self.seed, number, index), colours)
            yield Batch(normalise(images, self.spec), torch.from_numpy(self.labels[index]), index)

    def colours(self) -> Float64[ndarray, "c c"]:
        """Principal colours of (at most 1,000 of) the pictures."""
        some = self.pictures[:: max(1, len(self.pictures) // 1000)]
        return principal_colours(some.reshape(-1, some.shape[-1]) / 255.0)


def unit(pictures: Pictures) -> Float[Tensor, "n c h w"]:
    """uint8 (n, h, w, c) -> float32 (n, c, h, w) in [0, 1], channels_last without a copy of the layout."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float().mul_(1 / 255)


def normalise(images: Float[Tensor, "n c h w"], spec: InputSpec) -> Float[Tensor, "n c h w"]:
    """Subtract the mean, divide by the standard deviation, channels_last."""
    mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in (spec.mean, spec.std))
    return images.sub(mean).div_(std).contiguous(memory_format=torch.channels_last)


def in_order(pictures: Pictures, spec: InputSpec, pixels: int = 1 << 20) -> Iterator[Float[Tensor, "n c h w"]]:
    """The pictures as they are, some `pixels` at a time (20 of 224 px, and never more than 256): what evaluation takes."""
    size = min(256, max(1, pixels // spec.size**2))
    for start in range(0, len(pictures), size):
        yield normalise(unit(pictures[start : start + size]), spec)


def hold(split: Split, spec: InputSpec) -> Pictures:
    """Decode and fit every picture of a split, in threads: uint8 (n, size, size, channels).

    Raises DataError with the path of the first picture that cannot be read.
    """
    shape = (len(split), spec.size, spec.size, spec.channels)
    held = room(shape)

    def put(i: int) -> None:
        held[i] = preprocess(split.picture(i), spec)

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
