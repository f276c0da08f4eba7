"""A thousand layers in bounded memory: training in segments against plain training, in bytes and in seconds a step.

    python bench/memory.py [--net preact-1001] [--batch 16] [--repeats 7] [--threads 2] [--json FILE]

Both train as `konvolut train` does, by `training.loop.Training` at 32x32, each in a process of its own, so that neither
finds memory that the other left. They step in turn, so that a slow moment of the machine meets both; the ratio is taken
within the repeat. Held: bytes of tensors saved for the backward pass, counted by hooks, at their peak in one step that is
not timed. Resident: the process's peak, less what it was with the net built and no step taken. Loss and weights after the
last step are compared, to the bit. Asked: at most 1/6 of the bytes in at most 1.35 times the time.
"""

import argparse
import json
import resource
import sys
from hashlib import sha256
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import fmean, stdev
from time import perf_counter
from typing import Any

import numpy as np
import torch

from konvolut.images.batches import Batches
from konvolut.images.preprocess import InputSpec
from konvolut.nets.arch import build
from konvolut.nets.catalogue import named
from konvolut.training.loop import Step, Training
from konvolut.training.recipe import Recipe
from konvolut.training.run import machine, versions
from konvolut.training.segments import SHARE, Held, segmented

SIDE = 32  # px
HELD, TIME = 1 / 6, 1.35  # asked
MIB = 2**20


def work(line: Connection, asked: argparse.Namespace, share: float | None) -> None:
    """One mode: tell what a first step holds, then time a step whenever asked, then tell what it came to."""
    torch.set_num_threads(asked.threads)
    net = build(named(asked.net))
    segments = segmented(net, share) if share else 0
    chance = np.random.default_rng(0)
    pictures = chance.integers(0, 256, (asked.batch, SIDE, SIDE, 3), dtype=np.uint8)
    batches = Batches(pictures, chance.integers(0, 10, asked.batch), InputSpec(size=SIDE), asked.batch)
    course = Training(net, batches, Recipe(epochs=10_000, batch=asked.batch))
    steps = (event for event in course.events() if isinstance(event, Step))
    built = resident()
    held = Held(net)
    with held:
        next(steps)
    line.send({"segments": segments, "held_mib": held.peak / MIB})
    loss = 0.0
    while line.recv():
        start = perf_counter()
        loss = next(steps).tally.loss_sum
        line.send(perf_counter() - start)
    weights = sha256(b"".join(tensor.numpy().tobytes() for tensor in net.state_dict().values())).hexdigest()
    line.send({"resident_mib": resident() - built, "loss": loss, "weights": weights})


def resident() -> float:
    """The most memory this process has had so far, MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / MIB if sys.platform == "darwin" else peak / 1024  # bytes there, KiB elsewhere


def answer(line: Connection) -> Any:
    line.send(True)
    return line.recv()


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--net", default="preact-1001")
    words.add_argument("--batch", type=int, default=16)
    words.add_argument("--repeats", type=int, default=7)
    words.add_argument("--threads", type=int, default=2)
    words.add_argument("--share", type=float, default=SHARE, help="of the bytes of plain training, to plan for")
    words.add_argument("--json", type=Path)
    asked = words.parse_args()
    torch.set_num_threads(asked.threads)
    processes, lines, found = [], [], []
    for share in (None, asked.share):
        ours, theirs = get_context("spawn").Pipe()
        processes.append(get_context("spawn").Process(target=work, args=(theirs, asked, share)))
        processes[-1].start()
        theirs.close()
        lines.append(ours)
        found.append(ours.recv())  # one after the other: neither's first step is timed
    for line in lines:
        answer(line)  # warms up, now without hooks
    seconds = [[answer(line) for line in lines] for _ in range(asked.repeats)]
    for process, line, told in zip(processes, lines, found, strict=True):
        line.send(False)
        told |= line.recv()
        process.join()
    plain, ours = found
    ratios = [b / a for a, b in seconds]
    result = {
        "net": asked.net,
        "px": SIDE,
        "batch": asked.batch,
        "asked": {"held": HELD, "time": TIME},
        "plain": plain,
        "segmented": ours,
        "held_ratio": ours["held_mib"] / plain["held_mib"],
        "resident_ratio": ours["resident_mib"] / plain["resident_mib"],
        "plain_segmented_s": seconds,
        "time_ratios": ratios,
        "equal_to_the_bit": plain["weights"] == ours["weights"] and plain["loss"] == ours["loss"],
    }
    print(
        f"{asked.net}, batch {asked.batch}, {ours['segments']} segments computed twice\n"
        f"held: {plain['held_mib']:.0f} MiB plain, {ours['held_mib']:.0f} segmented: "
        f"1/{1 / result['held_ratio']:.2f}; asked 1/{1 / HELD:.0f}\n"
        f"resident: {plain['resident_mib']:.0f} MiB plain, {ours['resident_mib']:.0f} segmented\n"
        f"time a step: {fmean(a for a, _ in seconds):.2f} s plain, {fmean(b for _, b in seconds):.2f} segmented; "
        f"ratio {fmean(ratios):.3f} (sd {stdev(ratios) if len(ratios) > 1 else 0:.3f}, n = {len(ratios)}); asked {TIME}\n"
        f"weights after {asked.repeats + 2} steps equal to the bit: {result['equal_to_the_bit']}"
    )
    if asked.json:
        asked.json.write_text(json.dumps(result | {"machine": machine("cpu"), "versions": versions()}, indent=1))


if __name__ == "__main__":
    main()
