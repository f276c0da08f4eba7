"""Training rate of Konvolut's loop against the plain loop a user would write, interleaved in one process.

    python bench/train_cpu.py [--repeats 7] [--threads 2] [--json FILE]

The plain loop: fp32, contiguous NCHW, eager torch, SGD with momentum, the same net, batch and pictures, which lie in memory
as float tensors, ready. Ours is `training.loop.Training` as `konvolut train` runs it: channels_last, bf16 where the
processor multiplies it, uint8 pictures, fused update. Each repeat times both, one after the other, so that a slow moment of
the machine meets both; the ratio is taken within the repeat.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, median, stdev
from time import perf_counter

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from konvolut.images.batches import Batches
from konvolut.images.preprocess import InputSpec
from konvolut.nets.arch import build
from konvolut.nets.catalogue import named
from konvolut.nets.fit import fixed
from konvolut.training.loop import Step, Training
from konvolut.training.recipe import Recipe
from konvolut.training.run import machine, versions

CASES = (("resnet-20", 32, 128, 6, 2.1), ("resnet-18", 224, 32, 2, 2.4))  # net, px, batch, steps a timing, ratio asked


def ours(net: str, side: int, batch: int, pictures: np.ndarray, labels: np.ndarray) -> Callable[[], None]:
    arch = fixed(named(net), (3, side, side), 10)
    recipe = Recipe(epochs=10_000, batch=batch)
    course = Training(build(arch), Batches(pictures, labels, InputSpec(size=side), batch), recipe)
    steps = (event for event in course.events() if isinstance(event, Step))
    return lambda: (next(steps), None)[1]


def plain(net: str, side: int, batch: int, pictures: np.ndarray, labels: np.ndarray) -> Callable[[], None]:
    model = build(fixed(named(net), (3, side, side), 10)).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    images = torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous().float().div(127.5).sub(1)
    targets = torch.from_numpy(labels)

    def step() -> None:
        optimizer.zero_grad()
        cross_entropy(model(images), targets).backward()
        optimizer.step()

    return step


def rate(step: Callable[[], None], steps: int, batch: int) -> float:
    start = perf_counter()
    for _ in range(steps):
        step()
    return steps * batch / (perf_counter() - start)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--repeats", type=int, default=7)
    words.add_argument("--threads", type=int, default=2)
    words.add_argument("--json", type=Path)
    asked = words.parse_args()
    torch.set_num_threads(asked.threads)
    found = []
    for net, side, batch, steps, goal in CASES:
        chance = np.random.default_rng(0)
        pictures = chance.integers(0, 256, (batch, side, side, 3), dtype=np.uint8)
        labels = chance.integers(0, 10, batch)
        pair = [make(net, side, batch, pictures, labels) for make in (ours, plain)]
        for step in pair:
            step()  # warms up
        rates = [[rate(step, steps, batch) for step in pair] for _ in range(asked.repeats)]
        ratios = [a / b for a, b in rates]
        found.append(
            {"net": net, "px": side, "batch": batch, "asked": goal, "ours_plain_images_per_s": rates, "ratios": ratios}
        )
        typical = [median(column) for column in zip(*rates, strict=True)]
        print(
            f"{net} {side} px, batch {batch}: {typical[0]:.1f} against {typical[1]:.1f} images/s; "
            f"ratio {fmean(ratios):.2f} (sd {stdev(ratios):.2f}, n = {len(ratios)}); asked {goal}"
        )
    if asked.json:
        asked.json.write_text(json.dumps({"machine": machine("cpu"), "versions": versions(), "cases": found}, indent=1))


if __name__ == "__main__":
    main()
