"""Random crops of pictures that are decoded anew every time, as many at once as a step takes, ahead of the step.

Where on the picture a crop lies depends on (seed, epoch, the picture's index) and its proportions, and on nothing else:
not on threads, and not on how small the file was decoded.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from math import exp, log, sqrt

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from numpy import ndarray

from konvolut.images.dice import Stream, dice
from konvolut.images.imageset import Split
from konvolut.images.preprocess import InputSpec, grey_or_colour
from konvolut.types import Picture, Pictures

ASPECT = (3 / 4, 4 / 3)  # width to height of a crop: Szegedy et al. 2014, section 6
AHEAD = 2  # steps whose pictures are made while one is taken

Box = tuple[int, int, int, int]  # left, top, width, height in px


@dataclass(frozen=True, slots=True, eq=False)
class Crops:
    """A split whose every picture is, in each epoch, another crop of itself: `least` of its area or more."""

    split: Split
    spec: InputSpec
    least: float
    seed: int = 0
    threads: int = 0  # 0: one a core

    def __len__(self) -> int:
        return len(self.split)

    def steps(self, epoch: int, parts: Sequence[Int64[ndarray, "n"]]) -> Iterator[Pictures]:
        """The pictures of each part, in order. Raises DataError with the path of one that cannot be read."""
        with ThreadPoolExecutor(self.threads or os.cpu_count()) as threads:
            waiting: deque[tuple[Pictures, list[Future[None]]]] = deque()
            try:
                for part in parts:
                    waiting.append(self._begun(epoch, part, threads.submit))
                    if len(waiting) > AHEAD:
                        yield _ended(*waiting.popleft())
                while waiting:
                    yield _ended(*waiting.popleft())
            finally:  # whoever stops in the middle waits for no picture that has not been begun
                threads.shutdown(wait=True, cancel_futures=True)

    def _begun(
        self, epoch: int, part: Int64[ndarray, "n"], submit: Callable[..., Future[None]]
    ) -> tuple[Pictures, list[Future[None]]]:
        side = self.spec.size
        room = np.empty((len(part), side, side, self.spec.channels), np.uint8)
        streams = np.array([Stream.AREA, Stream.ASPECT, Stream.LEFT, Stream.TOP])
        chances = dice(self.seed, epoch, part[:, None], streams)
        return room, [
            submit(self._put, room, k, int(index), chance.tolist())
            for k, (index, chance) in enumerate(zip(part, chances, strict=True))
        ]

    def _put(self, room: Pictures, place: int, index: int, chance: list[float]) -> None:
        def shrink(width: int, height: int) -> float:
            _, _, wide, high = box(chance, width, height, self.least)
            return max(1.0, min(wide, high) / self.spec.size)

        how = self.spec.decoding | {"shrink": shrink if self.spec.jpeg == "scaled" else None}
        picture = self.split.picture(index, **how)
        cut(picture, box(chance, picture.shape[1], picture.shape[0], self.least), self.spec, room[place])


def _ended(room: Pictures, pending: list[Future[None]]) -> Pictures:
    for one in pending:
        one.result()
    return room


def box(chance: Sequence[float], width: int, height: int, least: float) -> Box:
    """Where a crop lies: its area, its proportions (uniform in their logarithm) and its place each from a chance in [0, 1).

    A crop that would not fit is narrowed to what does; the usual way, to draw again, needs a number of draws that no
    one knows beforehand.
    """
    area = (least + (1 - least) * chance[0]) * width * height
    low, high = map(log, ASPECT)
    aspect = exp(low + (high - low) * chance[1])
    wide = min(width, max(1, round(sqrt(area * aspect))))
    tall = min(height, max(1, round(sqrt(area / aspect))))
    return int(chance[2] * (width - wide + 1)), int(chance[3] * (height - tall + 1)), wide, tall


def cut(picture: Picture, where: Box, spec: InputSpec, room: UInt8[ndarray, "s s channels"]) -> None:
    """One crop, resized to fill `room` as `preprocess` would, by torch, which is four times as fast at it.

    The two agree within 1/255; within 2/255 where a crop is enlarged, which torch rounds twice.
    """
    left, top, wide, high = where
    part = grey_or_colour(picture[top : top + high, left : left + wide], spec.channels)
    # What `interpolate` calls; it would answer in planes, and to turn those over takes longer than to make them. The part
    # is copied by numpy: torch would do that by all its threads.
    image, sized = (torch.from_numpy(one).permute(2, 0, 1)[None] for one in (np.ascontiguousarray(part), room))
    torch.ops.aten._upsample_bicubic2d_aa.out(image, room.shape[:2], False, None, None, out=sized)
