"""Near duplicates: pictures that show the same, however they were saved, resized, lit, mirrored or cut a little. No torch.

A picture is kept as a sketch: its luma, area-averaged to 32 x 32, and its tints, to 8 x 8. The signs of 64 of the lowest cosine
coefficients of the luma are its hash (after Zauner 2010, "Implementation and benchmarking of perceptual image hash functions").
Neighbours are looked for in sorted lists of rotated hashes (Manku, Jain and Das Sarma 2007, "Detecting near-duplicates
for web crawling"), and each candidate pair is laid over one another by least squares (Lucas and Kanade 1981) before its
sketches are compared. The work grows as n log n, also where thousands of pictures look alike.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Float32, Int64, UInt8, UInt64
from numpy import ndarray
from PIL import Image

from konvolut.types import Picture

SIDE = 32  # px of a sketch
TINT = 8  # px of its tints
BYTES = SIDE * SIDE + 2 * TINT * TINT  # luma, then Cb and Cr
CROPS = (0.0, 0.025, 0.05)  # share cut from each side: what a copy may have lost is at most half a step away
TABLES = 4  # sorted lists, each beginning with bits of its own
FLIPS = 3  # the least certain bits of a list's beginning are also tried the other way round
WINDOW = 8  # neighbours looked at to each side of a place in a list
BITS = 12  # of 64 that may differ between candidates
STEPS = 5  # of least squares
HOPE = 0.5  # correlation of the slopes from which on two pictures are laid over one another
BUSY = 0.95  # the same once they are, at least
WORST = 0.7  # difference of the slopes in the worst of 16 parts, as a share of the slopes, at most
PLAIN = 0.99  # correlation of pixels for pictures of little detail, which are not moved
PLAIN_BITS = 6  # of 64 that may differ between these
PROPORTION = 0.12  # by which the logarithms of their proportions may differ: 5 % cut at both ends is 0.105
FLAT = 0.16  # median slope of a sketch as a share of its spread: below, it is a picture of little detail
FAINT = 1.5  # levels of that slope: below, it is one too
TINTS = 10.0  # levels by which the tints of two pictures may differ; a third of the tints where that is more
BLOCK = 1024  # pictures or pairs worked on at a time


class Sketches(Protocol):
    """The sketches of n pictures, in memory or on disk: (n, BYTES) uint8, and rows of it by a list of numbers."""

    def __len__(self) -> int: ...
    def __getitem__(self, rows: Int64[ndarray, "m"], /) -> UInt8[ndarray, "m b"]: ...


def sketch(picture: Picture) -> UInt8[ndarray, "b"]:
    """Luma and tints of a picture (ITU-R BT.601), antialiased to 32 x 32 and 8 x 8, one after the other."""
    grey = picture.shape[2] == 1
    image = Image.fromarray(picture[..., 0] if grey else picture)
    if max(image.size) > 8 * SIDE:
        image = image.resize((4 * SIDE, 4 * SIDE), Image.Resampling.BOX)
    tints = () if grey else image.convert("YCbCr").split()[1:]
    parts = [image.convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR)]
    parts += [tint.resize((TINT, TINT), Image.Resampling.BILINEAR) for tint in tints]
    held = np.full(BYTES, 128, np.uint8)  # grey has no tint
    drawn = np.concatenate([np.asarray(part).ravel() for part in parts])
    held[: len(drawn)] = drawn
    return held


def _luma(held: UInt8[ndarray, "m b"]) -> Float32[ndarray, "m 32 32"]:
    return held[:, : SIDE * SIDE].astype(np.float32).reshape(-1, SIDE, SIDE)


def _tints(held: UInt8[ndarray, "m b"]) -> Float32[ndarray, "m 2 8 8"]:
    return held[:, SIDE * SIDE :].astype(np.float32).reshape(-1, 2, TINT, TINT) - 128


def _frequencies() -> tuple[Int64[ndarray, "64"], Int64[ndarray, "64"]]:
    """Across and down, the 64 lowest but the mean, dealt out so that each list begins with a sixteenth of low and high."""
    across, down = (axis.ravel() for axis in np.meshgrid(np.arange(10), np.arange(10)))
    order = np.argsort(across**2 + down**2, kind="stable")[1:65]
    dealt = order.reshape(-1, TABLES).T.ravel()
    return across[dealt], down[dealt]


ACROSS, DOWN = _frequencies()
_PLACE = (np.uint64(1) << np.arange(63, -1, -1, dtype=np.uint64)).astype(np.uint64)  # of each bit
_MIRROR = np.bitwise_or.reduce(_PLACE[ACROSS % 2 == 1])  # the bits that change when a picture is mirrored


def _cosines(crop: float) -> Float32[ndarray, "10 32"]:
    """Rows that give the cosine coefficients of a sketch whose ends are cut by a share `crop`."""
    edges = np.clip(np.arange(SIDE + 1) / SIDE, crop, 1 - crop)
    centre, held = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    inside = (centre - crop) / (1 - 2 * crop)
    return (np.cos(np.pi * np.arange(10)[:, None] * inside) * held).astype(np.float32)


def _coefficients(luma: Float32[ndarray, "n 32 32"], crop: float) -> Float32[ndarray, "n 64"]:
    rows = _cosines(crop)
    return np.asarray((rows @ (luma - luma.mean(axis=(1, 2), keepdims=True)) @ rows.T)[:, DOWN, ACROSS])


def _hashes(coefficients: Float32[ndarray, "n 64"]) -> UInt64[ndarray, "n"]:
    return np.asarray(((coefficients > 0) * _PLACE).sum(axis=1, dtype=np.uint64))


def _rotated(hashes: UInt64[ndarray, "..."], table: int) -> UInt64[ndarray, "..."]:
    by = np.uint64(table * 64 // TABLES)
    return hashes if table == 0 else (hashes << by) | (hashes >> (np.uint64(64) - by))


@dataclass(frozen=True, slots=True)
class Pair:
    """Two pictures that show the same."""

    first: int
    second: int
    likeness: float  # 0 to 1, of what was compared
    mirrored: bool


def pairs(sketches: Sketches, mirrored: bool = True, proportions: Float32[ndarray, "n"] | None = None) -> list[Pair]:
    """Every pair of pictures found to show the same, by number, first < second, in order.

    mirrored: also those that are each other's mirror image. proportions: width by height of each, if known; a disc is
    not an ellipse, though their sketches are equal. Of a crowd of copies not each pair is found, but each copy's
    nearest are. Memory beside the sketches: about 100 bytes a picture.
    """
    if len(sketches) < 2:
        return []
    index = _index(sketches, proportions)
    found: dict[tuple[int, int], Pair] = {}
    for rows in _blocks(len(sketches)):
        asked = _candidates(_luma(sketches[rows]), rows, index, mirrored)
        fresh = [
            (min(pair), max(pair)) not in found
            for pair in zip(asked.first.tolist(), asked.second.tolist(), strict=True)
        ]
        places = np.flatnonzero(fresh)
        for start in range(0, len(places), BLOCK):
            part = asked.part(places[start : start + BLOCK])
            likeness, same = _compared(sketches[part.first], sketches[part.second], part)
            for i in np.flatnonzero(same):
                low, high = sorted((int(part.first[i]), int(part.second[i])))
                if (low, high) not in found or found[low, high].likeness < likeness[i]:
                    found[low, high] = Pair(low, high, float(likeness[i]), bool(part.mirrored[i]))
    return [found[key] for key in sorted(found)]


@dataclass(frozen=True, slots=True, eq=False)
class _Index:
    hashes: UInt64[ndarray, "n"]
    plain: Bool[ndarray, "n"]
    proportions: Float32[ndarray, "n"]  # logarithms
    lists: tuple[tuple[UInt64[ndarray, "n"], Int64[ndarray, "n"]], ...]  # rotated hashes in order, and whose they are


@dataclass(frozen=True, slots=True, eq=False)
class _Candidates:
    first: Int64[ndarray, "p"]
    second: Int64[ndarray, "p"]
    crop: Float32[ndarray, "p"]  # what the second seems to have lost of the first at each side, as a share
    mirrored: Bool[ndarray, "p"]

    def part(self, rows: Int64[ndarray, "m"]) -> "_Candidates":
        return _Candidates(self.first[rows], self.second[rows], self.crop[rows], self.mirrored[rows])


def _index(sketches: Sketches, proportions: Float32[ndarray, "n"] | None) -> _Index:
    hashes, plain = [], []
    for rows in _blocks(len(sketches)):
        luma = _luma(sketches[rows])
        hashes.append(_hashes(_coefficients(luma, 0)))
        plain.append(_plain(luma))
    every = np.concatenate(hashes)
    lists = []
    for table in range(TABLES):
        turned = _rotated(every, table)
        order = np.argsort(turned, kind="stable")
        lists.append((turned[order], order))
    known = np.zeros(len(every), np.float32) if proportions is None else np.log(proportions)
    return _Index(every, np.concatenate(plain), known, tuple(lists))


def _blocks(count: int) -> Iterator[Int64[ndarray, "m"]]:
    for start in range(0, count, BLOCK):
        yield np.arange(start, min(start + BLOCK, count))


def _candidates(
    luma: Float32[ndarray, "m 32 32"], rows: Int64[ndarray, "m"], index: _Index, mirrored: bool
) -> _Candidates:
    """Pairs of one of `rows` and any other whose hashes differ in few bits, each once and the best way round."""
    kept = []
    for place, crop in enumerate(CROPS):
        coefficients = _coefficients(luma, crop)
        own = _hashes(coefficients)
        for table, (turned, order) in enumerate(index.lists):
            begin = table * 64 // TABLES
            weak = begin + np.argsort(np.abs(coefficients[:, begin : begin + 64 // TABLES]), axis=1)[:, :FLIPS]
            for tried in [own, *(own ^ _PLACE[weak[:, i]] for i in range(FLIPS))]:
                for mirror in (np.uint64(0), _MIRROR)[: 1 + mirrored]:
                    at = np.searchsorted(turned, _rotated(tried ^ mirror, table))[:, None] + np.arange(-WINDOW, WINDOW)
                    near = order[np.clip(at, 0, len(order) - 1)]  # (m, 2 * WINDOW)
                    far = np.bitwise_count(index.hashes[near] ^ (own ^ mirror)[:, None])
                    i, j = np.nonzero((far <= BITS) & (near != rows[:, None]))
                    near, far = near[i, j], far[i, j]
                    plain = index.plain[rows[i]] | index.plain[near]
                    stretched = np.abs(index.proportions[rows[i]] - index.proportions[near]) > PROPORTION
                    fit = ~plain | ((far <= PLAIN_BITS) & ~stretched) if crop == 0 else ~plain
                    how = np.full(int(fit.sum()), 2 * place + bool(mirror))
                    kept.append(np.stack([rows[i[fit]], near[fit], far[fit], how]))
    first, second, far, how = np.concatenate(kept, axis=1)
    order = np.lexsort((far, second, first))  # of one pair, the way in which fewest bits differ comes first
    once = np.diff(first[order] * len(index.hashes) + second[order], prepend=-1) != 0
    first, second, how = (values[order][once] for values in (first, second, how))
    return _Candidates(first, second, np.array(CROPS, np.float32)[how // 2], how % 2 == 1)


def _compared(
    first: UInt8[ndarray, "p b"],
    second: UInt8[ndarray, "p b"],
    pair: _Candidates,
) -> tuple[Float32[ndarray, "p"], Bool[ndarray, "p"]]:
    """How alike the second of each pair is to the first, or to a part of it, and whether that is enough."""
    a, b = _luma(first), _luma(second)
    a[pair.mirrored] = a[pair.mirrored, :, ::-1]
    plain = _plain(a) | _plain(b)
    likeness = _correlation(a, b)
    same = plain & (likeness >= PLAIN)
    rest = np.flatnonzero(~plain)
    a, b = _soft(a[rest]), _soft(b[rest])
    way = np.zeros((len(rest), 4), np.float32)  # moved across, stretched across, moved down, stretched down
    way[:, 1] = way[:, 3] = 1 - 2 * pair.crop[rest]
    likeness[rest], worst = _judged(_sampled(a, way), b)
    same[rest] = (likeness[rest] >= BUSY) & (worst <= WORST)
    near = np.flatnonzero(~same[rest] & (likeness[rest] >= HOPE))
    likeness[rest[near]], worst = _judged(_sampled(a[near], _laid(a[near], b[near], way[near])), b[near])
    same[rest[near]] = (likeness[rest[near]] >= BUSY) & (worst <= WORST)
    return likeness, same & _tinted_alike(_tints(first), _tints(second), pair.mirrored)


def _tinted_alike(
    a: Float32[ndarray, "p 2 8 8"], b: Float32[ndarray, "p 2 8 8"], mirrored: Bool[ndarray, "p"]
) -> Bool[ndarray, "p"]:
    """Are the tints the same, but for a gain of a half to twice? A red apple and a green one may have equal luma."""
    a[mirrored] = a[mirrored, :, :, ::-1]
    a, b = a.reshape(len(a), 2 * TINT * TINT), b.reshape(len(b), 2 * TINT * TINT)
    gain = np.clip((a * b).sum(axis=1) / ((a * a).sum(axis=1) + np.float32(1e-3)), 0.5, 2)
    off = np.sqrt(((gain[:, None] * a - b) ** 2).mean(axis=1))
    return np.asarray(off <= np.maximum(TINTS, np.sqrt((b * b).mean(axis=1)) / 3))


def _judged(
    a: Float32[ndarray, "p 32 32"], b: Float32[ndarray, "p 32 32"]
) -> tuple[Float32[ndarray, "p"], Float32[ndarray, "p"]]:
    """The correlation of the slopes of two pictures, and by how much they differ where they differ most.

    That is the root of the mean square of the difference in the worst of 4 x 4 parts, against the whole's: another thing
    before one backdrop fills a part, and changes little of the whole.
    """
    a, b = _slopes(a), _slopes(b)
    power = [(one * one).sum(axis=(1, 2, 3)) + np.float32(1e-3) for one in (a, b)]
    off = ((a - b * np.sqrt(power[0] / power[1])[:, None, None, None]) ** 2).sum(axis=3)
    parts = off[:, :28, :28].reshape(-1, 4, 7, 4, 7).sum(axis=(2, 4)).max(axis=(1, 2), initial=0)
    return (a * b).sum(axis=(1, 2, 3)) / np.sqrt(power[0] * power[1]), np.sqrt(16 * parts / power[0])


def _plain(values: Float32[ndarray, "p 32 32"]) -> Bool[ndarray, "p"]:
    """Is it of little detail, as a drawing on plain ground is?"""
    slopes = np.hypot(np.diff(values, axis=1)[:, :, :-1], np.diff(values, axis=2)[:, :-1])
    middle = np.median(slopes, axis=(1, 2))
    return np.asarray((middle < FLAT * values.std(axis=(1, 2))) | (middle < FAINT))


def _correlation(a: Float32[ndarray, "p ..."], b: Float32[ndarray, "p ..."]) -> Float32[ndarray, "p"]:
    a, b = a.reshape(len(a), SIDE * SIDE), b.reshape(len(b), SIDE * SIDE)
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    power = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1)) + np.float32(1e-3)
    return np.asarray((a * b).sum(axis=1) / power)


def _soft(values: Float32[ndarray, "p 32 32"]) -> Float32[ndarray, "p 32 32"]:
    """Averaged over 3 x 3 with weights 1 2 1: what interpolation between pixels gets wrong is gone."""
    edge = np.pad(values, ((0, 0), (1, 1), (1, 1)), mode="edge")
    rows = edge[:, :-2] + 2 * edge[:, 1:-1] + edge[:, 2:]
    return np.asarray((rows[:, :, :-2] + 2 * rows[:, :, 1:-1] + rows[:, :, 2:]) / 16)


_GRID = ((np.arange(SIDE) + 0.5) / SIDE - 0.5).astype(np.float32)  # from the centre, in sides


def _laid(
    a: Float32[ndarray, "p 32 32"], b: Float32[ndarray, "p 32 32"], way: Float32[ndarray, "p 4"]
) -> Float32[ndarray, "p 4"]:
    """The part of `a` that `b` shows: moved and stretched along both axes, from `way` on, by least squares."""
    for _ in range(STEPS):
        seen = _sampled(a, way)
        down, across = (np.gradient(seen, axis=axis) * SIDE for axis in (1, 2))
        columns = (seen, np.ones_like(seen), across, across * _GRID, down, down * _GRID[:, None])
        slopes = np.stack(columns, axis=1).reshape(len(a), 6, SIDE * SIDE)
        normal = slopes @ slopes.transpose(0, 2, 1)
        normal += 1e-6 * np.trace(normal, axis1=1, axis2=2)[:, None, None] * np.eye(6, dtype=np.float32)
        found = np.linalg.solve(normal, slopes @ b.reshape(len(a), SIDE * SIDE, 1))[..., 0]
        gain = np.where(np.abs(found[:, :1]) > 0.2, found[:, :1], 1)
        way = way + np.clip(found[:, 2:] / gain * way[:, [1, 1, 3, 3]], -0.05, 0.05)
        way[:, [0, 2]] = np.clip(way[:, [0, 2]], -0.08, 0.08)
        way[:, [1, 3]] = np.clip(way[:, [1, 3]], 0.85, 1.15)
    return way


def _slopes(values: Float32[ndarray, "p 32 32"]) -> Float32[ndarray, "p 29 29 2"]:
    inner = values[:, 1:-1, 1:-1]  # the ends may have nothing to lie on
    return np.stack([np.diff(inner, axis=1)[:, :, :-1], np.diff(inner, axis=2)[:, :-1]], axis=-1)


def _sampled(values: Float32[ndarray, "p 32 32"], way: Float32[ndarray, "p 4"]) -> Float32[ndarray, "p 32 32"]:
    across, down = (_weights(way[:, i, None], way[:, i + 1, None]) for i in (0, 2))
    return np.asarray(down @ values @ across.transpose(0, 2, 1))


def _weights(move: Float32[ndarray, "p 1"], stretch: Float32[ndarray, "p 1"]) -> Float32[ndarray, "p 32 32"]:
    """What each pixel weighs at the places asked for, to a sixteenth of a pixel; beyond an end, the end."""
    at = np.clip((move + stretch * _GRID + 0.5) * SIDE - 0.5, 0, SIDE - 1)  # (p, 32) in px
    return np.asarray(_KEYS[np.rint(at * 16).astype(np.intp)])


def _keys() -> Float32[ndarray, "q 32"]:
    """Rows of Keys's cubic kernel (1981, a = -0.5), one every sixteenth of a pixel from the first to the last."""
    far = np.abs(np.arange(16 * (SIDE - 1) + 1)[:, None] / 16 - np.arange(SIDE))
    near = (1.5 * far - 2.5) * far * far + 1
    next_to = ((-0.5 * far + 2.5) * far - 4) * far + 2
    kernel = np.where(far <= 1, near, np.where(far < 2, next_to, 0))
    return np.asarray((kernel / kernel.sum(axis=1, keepdims=True)).astype(np.float32))


_KEYS = _keys()
