"""What weights from the made world are worth on digits and on a folder of one's own: accuracy on test, over scratch.

    python bench/finetune.py [--seeds 5] [--folder STAMPS] [--each 20] [--json FILE]

For each seed a parent is trained on `drawn`; then the same net three times on the new pictures, with the defaults of
`konvolut train`: from scratch, the parent's trunk with a new classifier fitted to its features, and fine-tuned. All three
see the pictures at the parent's size, so that the worth of weights is not mixed with that of pixels: from scratch at the
pictures' own size a net may do better than any of them. The test pictures are read once by each. Digits are cut to
`--each` a class, a fifth of them for validation.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev
from time import perf_counter
from typing import Any

import numpy as np

from konvolut.images.dice import Stream, dice
from konvolut.images.imageset import ImageSet
from konvolut.images.sources import open_images
from konvolut.lab.stats import paired
from konvolut.training.course import train
from konvolut.training.run import Run, machine, versions

HEAD_ALONE: dict[str, Any] = {"head_first": True, "freeze": "trunk", "lr": 0.0, "epochs": 1}


def few(where: str, each: int, seed: int) -> ImageSet:
    """`each` training pictures a class, chosen by the seed, a fifth of them set aside for validation."""
    images = open_images(where, val=0.0)
    train_, roll = images.splits["train"], dice(seed, 0, np.arange(len(images.splits["train"])), Stream.ORDER)
    order = [
        sorted(np.flatnonzero(train_.labels == k), key=lambda i: roll[i])[:each] for k in range(len(images.classes))
    ]
    aside = max(1, each // 5)
    val, rest = ([int(i) for of in order for i in of[cut]] for cut in (slice(aside), slice(aside, None)))
    return replace(images, splits={**images.splits, "train": train_.part(rest), "val": train_.part(val)})


def arms(
    images: ImageSet, net: str, parent: Run, seed: int, out: Path, epochs: dict[str, Any]
) -> Iterator[tuple[str, Run]]:
    yield "scratch", train(images, net, out=out / "scratch", size=parent.card.input.size, seed=seed, **epochs)
    yield "head", train(images, weights=parent.path, out=out / "head", seed=seed, **HEAD_ALONE)
    yield "tuned", train(images, weights=parent.path, out=out / "tuned", seed=seed, **epochs)


def told(run: Run) -> dict[str, Any]:
    return {"accuracy": run.card.results["test"]["accuracy"], "seconds": run.card.seconds, "outcome": run.card.outcome}


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--seeds", type=int, default=5)
    words.add_argument("--net", default="resnet-20/2")
    words.add_argument("--parent-epochs", type=int, default=8)
    words.add_argument("--epochs", type=int, help="of scratch and tuned alike, instead of their defaults")
    words.add_argument("--each", type=int, default=20, help="digits a class, validation included")
    words.add_argument("--folder", help="pictures of one's own, such as stamps")
    words.add_argument("--json", type=Path)
    asked = words.parse_args()
    sets: dict[str, Callable[[int], ImageSet]] = {"digits": lambda seed: few("digits", asked.each, seed)}
    if asked.folder:
        sets[Path(asked.folder).name] = lambda seed: open_images(asked.folder, seed=seed)
    epochs: dict[str, Any] = {"epochs": asked.epochs} if asked.epochs else {}
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in sets}
    parents, start = [], perf_counter()
    for seed in range(asked.seeds):
        with tempfile.TemporaryDirectory() as folder:
            parent = train(
                open_images("drawn"), asked.net, out=Path(folder) / "parent", seed=seed, epochs=asked.parent_epochs
            )
            parents.append(told(parent))
            for name, opened in sets.items():
                runs = arms(opened(seed), asked.net, parent, seed, Path(folder) / name, epochs)
                found[name].append({"seed": seed, **{arm: told(run) for arm, run in runs}})
                line = ", ".join(
                    f"{arm} {found[name][-1][arm]['accuracy']:.4f}" for arm in ("scratch", "head", "tuned")
                )
                print(f"{name}, seed {seed}: {line}", flush=True)
    print(f"{perf_counter() - start:.0f} s in all; parents on drawn: {fmean(p['accuracy'] for p in parents):.4f}")
    gains = {}
    for name, rows in found.items():
        for arm in ("head", "tuned"):
            both = [[row[which]["accuracy"] for row in rows] for which in (arm, "scratch")]
            gains[f"{name}, {arm}"] = values = [a - b for a, b in zip(*both, strict=True)]
            line = f"{name}: {arm} over scratch {fmean(values):+.4f}"
            if len(values) > 2:
                found_gain = paired(*both)
                line += f", sd {stdev(values):.4f}, 95 % interval {found_gain.low:+.4f} to {found_gain.high:+.4f}"
            print(f"{line}, n = {len(values)}")
    if asked.json:
        result = {
            "net": asked.net, "parent_epochs": asked.parent_epochs, "each": asked.each, "epochs": asked.epochs,
            "parents": parents, "runs": found, "gains": gains, "machine": machine("cpu"), "versions": versions(),
        }  # fmt: skip
        asked.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
