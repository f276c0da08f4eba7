"""Training rate of Konvolut's loop against the plain loop a user would write, and against a matrix product.

    python bench/train_cpu.py [--repeats 7] [--threads 2] [--json FILE]

The plain loop: fp32, contiguous NCHW, eager torch, SGD with momentum, the same net, batch and pictures, which lie in memory
as float tensors, ready. Ours is `training.loop.Training` as `konvolut train` runs it: channels_last, bf16 where the
processor multiplies it, uint8 pictures, fused update. Each repeat times both, one after the other, and products of two
matrices of 2048 by 2048 in fp32 and in bf16, so that a slow moment of the machine meets all; ratios and shares are taken
within the repeat. Where bf16 is emulated, which takes minutes, its matrices are of 256 by 256.

Share: operations of training a second over those of the product in the precision that trains. A picture counts as three
times its forward pass, a multiply-accumulate as two operations; the first layer needs no gradient of its input, so that is
up to 2 % too much. Additions, norms, activations, pooling and the update count as none.
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
from konvolut.nets.arch import build, facts
from konvolut.nets.catalogue import named
from konvolut.nets.fit import fixed
from konvolut.training.device import native_bf16
from konvolut.training.loop import Step, Training
from konvolut.training.recipe import Recipe
from konvolut.training.run import machine, versions

SIDE, EMULATED = 2048, 256  # of the matrices
KINDS = {"fp32": torch.float32, "bf16": torch.bfloat16}
CASES = (  # net, px, batch, steps a timing; asked: times the plain loop, share of the product
    ("resnet-20", 32, 128, 6, 2.1, 0.60),
    ("resnet-18", 224, 32, 2, 2.4, 0.80),
)


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


def product(kind: torch.dtype, side: int) -> Callable[[], None]:
    a, b, into = (torch.ones(side, side, dtype=kind) for _ in range(3))
    return lambda: (torch.mm(a, b, out=into), None)[1]


def operations(net: str, side: int) -> int:
    """Of training on one picture: two a multiply-accumulate, three passes' worth of them."""
    return 3 * 2 * sum(fact.macs for fact in facts(fixed(named(net), (3, side, side), 10)))


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--repeats", type=int, default=7)
    words.add_argument("--threads", type=int, default=2)
    words.add_argument("--json", type=Path)
    asked = words.parse_args()
    torch.set_num_threads(asked.threads)
    native = native_bf16("cpu")
    trains = "bf16" if native else "fp32"
    sides = {"fp32": SIDE, "bf16": SIDE if native else EMULATED}
    found = []
    for net, side, batch, steps, asked_ratio, asked_share in CASES:
        chance = np.random.default_rng(0)
        pictures = chance.integers(0, 256, (batch, side, side, 3), dtype=np.uint8)
        labels = chance.integers(0, 10, batch)
        loops = [make(net, side, batch, pictures, labels) for make in (ours, plain)]
        products = {name: product(kind, sides[name]) for name, kind in KINDS.items()}
        for step in (*loops, *products.values()):
            step()  # warms up
        rates: list[list[float]] = []
        flops: dict[str, list[float]] = {name: [] for name in products}
        for _ in range(asked.repeats):
            rates.append([rate(step, steps, batch) for step in loops])
            for name, step in products.items():
                flops[name].append(rate(step, 3 if name == trains else 1, 2 * sides[name] ** 3))
        ratios = [a / b for a, b in rates]
        each = operations(net, side)
        shares = [a * each / most for (a, _), most in zip(rates, flops[trains], strict=True)]
        found.append(
            {
                "net": net, "px": side, "batch": batch, "asked": asked_ratio, "asked_share": asked_share,
                "ours_plain_images_per_s": rates, "ratios": ratios, "operations_a_picture": each, "precision": trains,
                "product_flops": flops, "shares": shares,
            }
        )  # fmt: skip
        typical = [median(column) for column in zip(*rates, strict=True)]
        print(
            f"{net} {side} px, batch {batch}: {typical[0]:.1f} against {typical[1]:.1f} images/s; "
            f"ratio {fmean(ratios):.2f} (sd {stdev(ratios):.2f}, n = {len(ratios)}); asked {asked_ratio}"
        )
        beside = ", ".join(f"{name} {median(values) / 1e9:.0f}" for name, values in flops.items())
        print(
            f"  {each * typical[0] / 1e9:.0f} Gflop/s of training in {trains}, {fmean(shares):.2f} of the product "
            f"(sd {stdev(shares):.2f}); asked {asked_share:.2f}. Products, Gflop/s: {beside}"
        )
    if asked.json:
        asked.json.write_text(json.dumps({"machine": machine("cpu"), "versions": versions(), "cases": found}, indent=1))


if __name__ == "__main__":
    main()
