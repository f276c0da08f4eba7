"""Pictures of one size, held or cropped anew each time, and epochs over them whose order is a function of (seed, epoch)."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from sys import getrefcount
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int64
from numpy import ndarray
from torch import Tensor

from konvolut.errors import RecipeError
from konvolut.images.augment import Augment, Dice, augment, principal_colours
from konvolut.images.balance import balanced_order
from konvolut.images.crops import AHEAD, Crops
from konvolut.images.dice import Stream, dice
from konvolut.images.imageset import Split
from konvolut.images.mix import Pairs, blended, pairs
from konvolut.images.moves import Moves, fits, moved
from konvolut.images.preprocess import InputSpec, preprocess
from konvolut.types import Labels, Pictures

CACHED = 1 << 20  # values that stay in the processors' second caches, as float32
ALONE = (1 << 15) - 1  # values that torch goes through on the thread it is called from
NOBODYS = 3  # references to an array that no tensor holds: the list, the loop and the count itself
RAM_SHARE = 0.25  # of the machine's memory that held pictures may take; beyond it they live in a mapped file


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """What a step takes."""

    images: Float[Tensor, "n c h w"]  # channels_last
    labels: Int64[Tensor, "n"]
    index: Int64[ndarray, "n"]  # of each picture in its split
    of: int  # pictures that the step takes in all processes
    others: Int64[Tensor, "n"] | None = None  # the labels of what is blended into each picture
    share: Float[Tensor, "n"] | None = None  # of the picture itself


class Division(Protocol):
    """How an epoch is cut into steps, and which rows of a step this process takes."""

    def steps(self, order: Int64[ndarray, "n"], count: int, /) -> Sequence[Int64[ndarray, "batch"]]: ...

    def own(self, index: Int64[ndarray, "batch"], /) -> Int64[ndarray, "share"]: ...


@dataclass(frozen=True, slots=True, eq=False)
class Share:
    """What a process takes of a step."""

    step: Int64[ndarray, "n"]  # the pictures of all processes
    own: Int64[ndarray, "k"]  # places in it
    blend: Pairs | None  # of the whole step

    @property
    def needed(self) -> Int64[ndarray, "m"]:
        """The pictures to read: its own, and after them those that are only blended into its own."""
        places = self.own
        if self.blend is not None:
            places = np.concatenate([places, np.setdiff1d(self.blend.partner[places], places)])
        found: Int64[ndarray, m] = self.step[places]
        return found

    def batch(self, images: Float[Tensor, "m c h w"], labels: Labels) -> Batch:
        """Its own pictures, and blended into each its partner."""
        index, own = self.step[self.own], len(self.own)
        if self.blend is None:
            return Batch(images, torch.from_numpy(labels[index]), index, len(self.step))
        place = {picture: k for k, picture in enumerate(self.needed.tolist())}
        partners = self.step[self.blend.partner[self.own]]
        others = images[[place[picture] for picture in partners.tolist()]]
        return Batch(
            blended(images[:own], others, self.blend.part(self.own)),
            torch.from_numpy(labels[index]),
            index,
            len(self.step),
            torch.from_numpy(labels[partners]),
            torch.from_numpy(self.blend.share[self.own]).float(),
        )


class Alone:
    """One process takes all."""

    def steps(self, order: Int64[ndarray, "n"], count: int) -> list[Int64[ndarray, "batch"]]:
        """Their sizes differ by at most one: a short last batch would upset batch norm."""
        return np.array_split(order, count)

    def own(self, index: Int64[ndarray, "batch"]) -> Int64[ndarray, "batch"]:
        return index


WHOLE = Alone()


@dataclass(frozen=True, slots=True, eq=False)
class Batches:
    """An epoch-addressable view of pictures: `epoch(3)` is the same whenever, wherever and after whatever it is asked."""

    pictures: Pictures | Crops
    labels: Labels
    spec: InputSpec
    size: int  # pictures a step, at most, over all processes
    seed: int = 0
    how: Augment = Augment()
    division: Division = WHOLE
    mix: tuple[float, float] = (0.0, 0.0)  # alphas of mixup and of CutMix; 0: none
    balanced: bool = False  # is every class seen equally often?
    _laid: list[Moves] = field(default_factory=list, init=False, repr=False)  # made once, when first needed

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
        """Every picture once, or every class as often as another, shuffled by (seed, epoch)."""
        if self.balanced:
            return balanced_order(self.labels, self.seed, epoch)
        return np.argsort(dice(self.seed, epoch, np.arange(len(self.labels)), Stream.ORDER), kind="stable")

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        """Every picture once, or of each step the rows that are this process's.

        From step `start` on, where an epoch goes on: nothing before it is read.
        """
        colours, pool = self.colours(), Pool()
        busy = isinstance(self.pictures, Crops)  # threads of torch's would wait for those that decode, at every step
        steps = self.division.steps(self.order(number), len(self))[start:]
        shares = [Share(step, self.division.own(np.arange(len(step))), self.blend(step, number)) for step in steps]
        wanted = [share.needed for share in shares]
        for share, index, images in zip(shares, wanted, self._moved(number, wanted), strict=True):
            if self._later() == Augment():
                ready = seen(images, self.spec, pool, ALONE if busy else CACHED)
            else:
                ready = normalise(self._augmented(images, number, index, colours), self.spec)
            yield share.batch(ready, self.labels)

    def blend(self, step: Int64[ndarray, "n"], epoch: int) -> Pairs | None:
        side = (self.spec.size, self.spec.size)
        return pairs(step, self.seed, epoch, *self.mix, side) if any(self.mix) else None

    def first(self, count: int) -> Pictures:
        """The first pictures of the first epoch as the net sees them, before they are normalised."""
        index = self.order(0)[:count]
        (images,) = self._moved(0, [index])
        shown = self._augmented(images, 0, index, self.colours())
        return shown.mul(255).round().clamp(0, 255).byte().permute(0, 2, 3, 1).contiguous().numpy()

    def _moved(self, epoch: int, parts: list[Int64[ndarray, "n"]]) -> Iterator[Pictures]:
        """The pictures of each part, whole pixels moved where no finer change of place follows."""
        how, held = self.how, self.pictures
        moves = (how.shift or how.flip) and not how.resamples
        if isinstance(held, Crops):
            pictures = held.steps(epoch, parts)
        elif moves and len(parts) > 1 and fits(held, how):
            if not self._laid:
                self._laid.append(Moves(held, how))
            yield from (self._laid[0].take(index, Dice(self.seed, epoch, index)) for index in parts)
            return
        else:
            pictures = (held[index] for index in parts)
        for index, images in zip(parts, pictures, strict=True):  # nobody else has these
            yield moved(images, how, Dice(self.seed, epoch, index)) if moves else images

    def _later(self) -> Augment:
        """What is left to do with pictures that have been moved."""
        return replace(self.how, crop=0.0) if self.how.resamples else replace(self.how, crop=0.0, shift=0.0, flip=False)

    def _augmented(
        self, images: Pictures, epoch: int, index: Int64[ndarray, "n"], colours: Float64[ndarray, "c c"] | None
    ) -> Float[Tensor, "n c h w"]:
        return augment(unit(images), self._later(), Dice(self.seed, epoch, index), colours)

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


def seen(
    pictures: Pictures, spec: InputSpec, pool: "Pool | None" = None, values: int = CACHED
) -> Float[Tensor, "n c h w"]:
    """`normalise(unit(pictures))`, to the bit; some `values` at a time, so that they stay in the processor's cache."""
    n, h, w, c = pictures.shape
    if c == 1:
        return normalise(unit(pictures), spec)
    mean, std = (torch.tensor(values).expand(c).repeat(w) for values in (spec.mean, spec.std))
    shape = (n * h, w * c)
    found = torch.from_numpy((pool or Pool()).room(shape))
    rows = max(1, values // (w * c))
    for part, some in zip(found.split(rows), torch.from_numpy(pictures).view(shape).split(rows), strict=True):
        part.copy_(some).mul_(1 / 255).sub_(mean).div_(std)
    return found.view(n, h, w, c).permute(0, 3, 1, 2)


class Pool:
    """Rooms for batches that are used again once no tensor lies in them: new ones cost more than what is done in them."""

    def __init__(self) -> None:
        self._rooms: list[Float32[ndarray, ...]] = []

    def room(self, shape: tuple[int, ...]) -> Float32[ndarray, "..."]:
        for one in self._rooms:
            if one.shape == shape and getrefcount(one) == NOBODYS:
                return one
        self._rooms = [*self._rooms[-AHEAD:], np.empty(shape, np.float32)]
        return self._rooms[-1]


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
