"""Training rate on a GPU, against torchvision's plain loop and timm's model, and as a share of what memory allows.

    python bench/train_gpu.py [--repeats 7] [--peer PYTHON] [--json FILE]

Ours is `training.loop.Training` as `konvolut train --device cuda` runs it. With --peer, the interpreter of an environment
that holds torchvision and timm, their loops (see train_gpu_peer.py) train the same nets: torchvision's edition of
resnet-50 at 224 px and of resnet-18 at 32 px. They take turns, some steps at a time, so that a slow moment of the machine
meets all; ratios are taken within a repeat. Asked: at least 1.35 times timm, eager.

Share: the bytes of maps that training must move a second over what a large copy on the device moves, measured in the same
turn. Maps are counted in bf16: a convolution or dense layer reads what it takes and writes what it gives, in three passes
(forward, gradient of the maps, gradient of the weights); batch norm goes eight times through its map, with the ReLU and the
addition after it fused into it (forward: twice to read, once to write; backward: twice each to read the map and its
gradient, once to write). Pooling, weights and the update are left out.
"""

import argparse
import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import fmean, median, stdev
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from konvolut.images.batches import Batches
from konvolut.images.preprocess import InputSpec
from konvolut.nets.arch import Arch, build
from konvolut.nets.catalogue import named
from konvolut.nets.fit import fixed
from konvolut.training.loop import Step, Training
from konvolut.training.recipe import Recipe
from konvolut.training.run import machine, versions

CASES = (
    ("resnet-50", "resnet50", 224, 128, 20),
    ("resnet-18", "resnet18", 32, 1024, 40),
)  # ours, theirs, px, batch, steps
PEERS = ("torchvision", "timm")
ASKED = {"timm": 1.35}
WARMUP = 10  # steps, in which what is compiled is compiled
COPIED = 1 << 30  # bytes
BF16 = 2  # bytes

Timer = Callable[[int], float]  # takes so many steps; their seconds


def ours(arch: Arch, batch: int) -> Timer:
    _, side, _ = arch.input
    chance = np.random.default_rng(0)
    pictures = chance.integers(0, 256, (4 * batch, side, side, 3), dtype=np.uint8)
    labels = chance.integers(0, 10, 4 * batch)
    recipe = Recipe(epochs=1_000_000, batch=batch, lr=0.01, decay=1e-4)
    training = Training(build(arch), Batches(pictures, labels, InputSpec(size=side), batch), recipe, "cuda")
    events = (event for event in training.events() if isinstance(event, Step))

    def steps(count: int) -> float:
        torch.cuda.synchronize()
        start = perf_counter()
        for _ in range(count):
            next(events)
        torch.cuda.synchronize()
        return perf_counter() - start

    steps(WARMUP)
    return steps


@contextmanager
def peer(python: str, kind: str, net: str, side: int, batch: int) -> Iterator[Timer]:
    """A loop in another interpreter; it ends with the block, so that its memory is free for the next case."""
    line = [python, str(Path(__file__).with_name("train_gpu_peer.py")), kind, net, str(side), str(batch)]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        told, answered = process.stdin, process.stdout
        assert told is not None
        assert answered is not None
        if answered.readline().strip() != "ready":
            raise SystemExit(f"--peer {python}: {kind} did not start there; its own words are above")

        def steps(count: int) -> float:
            told.write(f"{count}\n")
            told.flush()
            return float(answered.readline())

        yield steps


def traffic(arch: Arch) -> int:
    """Bytes of maps that training on one picture moves at least."""
    moved = 0

    def count(part: nn.Module, takes: tuple[Tensor, ...], gives: Tensor) -> None:
        nonlocal moved
        moved += 8 * gives.numel() if isinstance(part, nn.BatchNorm2d) else 3 * (takes[0].numel() + gives.numel())

    net = build(arch).eval()
    for part in net.modules():
        if isinstance(part, nn.Conv2d | nn.Linear | nn.BatchNorm2d):
            part.register_forward_hook(count)
    with torch.no_grad():
        net(torch.zeros(1, *arch.input))
    return BF16 * moved


def bandwidth() -> float:
    """Bytes a second, read and written, of a large copy on the device."""
    source = torch.ones(COPIED, dtype=torch.uint8, device="cuda")
    into = torch.empty_like(source)
    into.copy_(source)
    torch.cuda.synchronize()
    start = perf_counter()
    for _ in range(10):
        into.copy_(source)
    torch.cuda.synchronize()
    return 10 * 2 * COPIED / (perf_counter() - start)


def compared(net: str, theirs: str, side: int, batch: int, steps: int, asked: argparse.Namespace) -> dict[str, Any]:
    arch = fixed(named(f"{net}@torchvision"), (3, side, side), 10)
    memory = []
    with ExitStack() as stack:
        timers = {"ours": ours(arch, batch)}
        for kind in PEERS if asked.peer else ():
            timers[kind] = stack.enter_context(peer(asked.peer, kind, theirs, side, batch))
        rates: dict[str, list[float]] = {name: [] for name in timers}
        for _ in range(asked.repeats):
            for name, timer in timers.items():
                rates[name].append(steps * batch / timer(steps))
            memory.append(bandwidth())
    each = traffic(arch)
    shares = [rate * each / most for rate, most in zip(rates["ours"], memory, strict=True)]
    print(f"{net} at {side} px, batch {batch}:")
    for name, values in rates.items():
        ratios = [a / b for a, b in zip(rates["ours"], values, strict=True)]
        goal = f"; asked {ASKED[name]}" if name in ASKED else ""
        print(
            f"  {name:<12} {median(values):>9.0f} images/s; ours is {fmean(ratios):.2f} times that (sd {spread(ratios)}){goal}"
        )
    print(f"  {fmean(shares):.2f} of what memory allows (sd {spread(shares)}, n = {len(shares)})")
    return {
        "net": net, "px": side, "batch": batch, "asked": ASKED, "images_per_s": rates, "bytes_a_picture": each,
        "bytes_per_s": memory, "shares": shares,
    }  # fmt: skip


def spread(values: list[float]) -> str:
    return f"{stdev(values):.2f}" if len(values) > 1 else "of one"


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--repeats", type=int, default=7)
    words.add_argument("--peer", help="the python of an environment with torchvision and timm")
    words.add_argument("--json", type=Path)
    asked = words.parse_args()
    if not torch.cuda.is_available():
        print("no GPU that this torch can use: nothing is measured")
        return
    found = [compared(*case, asked) for case in CASES]
    if asked.json:
        asked.json.write_text(
            json.dumps({"machine": machine("cuda"), "versions": versions(), "cases": found}, indent=1)
        )


if __name__ == "__main__":
    main()
