"""Pictures a second that reach a training step, from JPEG folders, against the loaders people use.

    python bench/loading.py [--repeats 5] [--data FOLDER] [--peer PYTHON] [--json FILE]

Every loader shuffles, crops at random (an area of 8 to 100 %, proportions of 3:4 to 4:3), resizes to 224 px with
antialiasing, mirrors every second picture, and hands over float32 batches of 64 as a step takes them; what each reaches
when it may hand over bytes instead is told beside it. In turn, so that a slow moment of the machine meets all; a ratio is
taken within a repeat. Every loader has two workers, has gone through its pictures once before it is timed, and finds the
files in the system's cache.

(a) a plain Dataset with Pillow under torch's DataLoader; (b) ours on the same folder; (c) ours on its pack; (d) ours on its
pack decoded beforehand at 256 px, cropped as the others, and (d, moved) decoded at 224 px, mirrored and shifted by up to a
tenth in place of crops; (e) with --peer, the interpreter of an environment that holds torchvision: its ImageFolder recipe,
and webdataset on the files of our pack where that is installed.

The folders it makes hold noise with the spectrum of photographs, 1/f behind a lens, in colours that go together, as
JPEG files of quality 90, 4:2:0. Small pictures: 50,000 of 32x32 px in memory, mirrored and shifted by up to four pixels,
against a transform for each picture under the DataLoader. Asked: (b) at least 2 times (a) at 500x375 and 4 times at
4000x3000; (c) not below (b); (d) at least 20 times (a); 50 times for small pictures.
"""

import argparse
import json
import math
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, median, stdev
from time import perf_counter
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from konvolut.images import crops
from konvolut.images.augment import Augment
from konvolut.images.batches import Batches, hold
from konvolut.images.crops import Crops
from konvolut.images.files import Listing
from konvolut.images.imageset import Split
from konvolut.images.packing import pack
from konvolut.images.preprocess import InputSpec
from konvolut.images.shards import Decoded
from konvolut.images.sources import open_images
from konvolut.training.run import machine, versions

SIDE, BATCH, WORKERS, LEAST = 224, 64, 2, 0.08
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SPEC = InputSpec(size=SIDE, mean=MEAN, std=STD, jpeg="scaled")
ASKED = {"b": {"500x375": 2.0, "4000x3000": 4.0}, "c": 1.0, "d": 20.0, "small": 50.0}


def photograph(width: int, height: int, seed: int) -> Image.Image:
    """Noise whose amplitude falls as 1/f, blurred as by a lens, its three colours alike."""
    chance = np.random.default_rng(seed)
    down, across = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    frequency = np.hypot(down, across)
    frequency[0, 0] = 1.0
    fall = np.exp(-((frequency / 0.25) ** 2)) / frequency

    def field() -> Any:
        values = np.fft.irfft2(np.fft.rfft2(chance.standard_normal((height, width))) * fall, (height, width))
        return (values - values.mean()) / values.std()

    light = field()
    colours = [light + 0.3 * field() for _ in range(3)]
    return Image.fromarray(np.clip(np.stack(colours, -1) * 50 + 118, 0, 255).astype(np.uint8))


def folder(root: Path, width: int, height: int, count: int) -> Path:
    for i in range(count):
        place = root / f"class {i % 2}"
        place.mkdir(parents=True, exist_ok=True)
        photograph(width, height, i).save(place / f"{i}.jpg", quality=90)
    return root


class Plain(Dataset):
    """What a tutorial does for each picture."""

    def __init__(self, files: list[Path], floats: bool) -> None:
        self.files, self.floats = files, floats

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        image = Image.open(self.files[index]).convert("RGB")
        left, top, wide, high = self.box(*image.size)
        image = image.crop((left, top, left + wide, top + high)).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        if random.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return prepared(np.array(image), self.floats), 0

    @staticmethod
    def box(width: int, height: int) -> tuple[int, int, int, int]:
        for _ in range(10):
            area = width * height * random.uniform(LEAST, 1)
            aspect = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
            wide, high = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < wide <= width and 0 < high <= height:
                return random.randint(0, width - wide), random.randint(0, height - high), wide, high
        side = min(width, height)
        return (width - side) // 2, (height - side) // 2, side, side


class Small(Dataset):
    """A transform for each picture of 32 px: padded by four pixels, cropped, mirrored."""

    def __init__(self, pictures: Any, floats: bool) -> None:
        self.pictures, self.floats = pictures, floats

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        picture = np.pad(self.pictures[index], ((4, 4), (4, 4), (0, 0)))
        top, left = random.randint(0, 8), random.randint(0, 8)
        picture = picture[top : top + 32, left : left + 32]
        if random.random() < 0.5:
            picture = picture[:, ::-1]
        return prepared(np.ascontiguousarray(picture), self.floats), 0


def prepared(picture: Any, floats: bool) -> torch.Tensor:
    image = torch.from_numpy(picture)
    if not floats:
        return image
    image = image.permute(2, 0, 1).contiguous().float().div(255)
    return image.sub_(torch.tensor(MEAN).view(3, 1, 1)).div_(torch.tensor(STD).view(3, 1, 1))


Loader = Callable[[], int]  # goes through an epoch; how many pictures came


def plain(pictures: Dataset) -> Loader:
    loader = DataLoader(pictures, BATCH, shuffle=True, num_workers=WORKERS, persistent_workers=True)
    return lambda: sum(len(images) for images, _ in loader)


def ours(pictures: Any, spec: InputSpec, how: Augment, floats: bool, batch: int = BATCH) -> Loader:
    count = len(pictures)
    batches = Batches(pictures, np.zeros(count, np.int64), spec, min(batch, count), how=how)
    numbers = iter(range(1 << 30))

    def as_bytes() -> Iterator[int]:
        number = next(numbers)
        parts = np.array_split(batches.order(number), len(batches))
        return (len(found) for found in batches._moved(number, parts))

    def as_floats() -> Iterator[int]:
        return (len(batch.labels) for batch in batches.epoch(next(numbers)))

    return lambda: sum(as_floats() if floats else as_bytes())


def cropped(where: Path) -> Crops:
    return Crops(everything(where), SPEC, LEAST, threads=WORKERS)


def everything(where: Path) -> Split:
    """All pictures of a set, whatever their part."""
    splits = open_images(where, val=0.0).splits.values()
    names, hashes = (tuple(one for split in splits for one in getattr(split, what)) for what in ("names", "hashes"))
    return replace(
        next(iter(splits)), names=names, hashes=hashes, labels=np.concatenate([split.labels for split in splits])
    )


@dataclass
class Peer:
    """A loader in another interpreter: goes through an epoch when told, and says how many pictures came."""

    process: subprocess.Popen[str]

    @classmethod
    def of(cls, python: str, *words: str) -> "Peer | None":
        script = Path(__file__).with_name("loading_peer.py")
        line = [python, str(script), *words]
        found = cls(subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return found if found.process.stdout.readline().strip() == "ready" else None

    def __call__(self) -> int:
        self.process.stdin.write("again\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


def rates(loaders: dict[str, Loader], repeats: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in loaders}
    for loader in loaders.values():
        loader()
    for _ in range(repeats):
        for name, loader in loaders.items():
            start = perf_counter()
            count = loader()
            found[name].append(count / (perf_counter() - start))
    return found


def of_folder(where: Path, room: Path, repeats: int, peer: str | None, floats: bool) -> dict[str, list[float]]:
    flip, far = Augment(flip=True, crop=LEAST), Augment(flip=True, shift=0.1)
    files = [where / name for name in everything(where).names]
    packed, wide, square = (room / f"{where.name}.{name}" for name in ("packed", "256", "224"))
    if not packed.exists():
        pack(where, packed)
        for place, size in ((wide, 256), (square, SIDE)):
            pack(where, place, Decoded(size, "crop"))
    loaders: dict[str, Loader] = {
        "a": plain(Plain(files, floats)),
        "b": ours(cropped(where), SPEC, flip, floats),
        "c": ours(cropped(packed), SPEC, flip, floats),
        "d": ours(cropped(wide), SPEC, flip, floats),
        "d, moved": ours(hold(everything(square), SPEC), SPEC, far, floats),
    }
    if peer and floats:
        for name in ("torchvision", "webdataset"):
            found = Peer.of(peer, name, str(where), str(packed))
            loaders |= {f"e, {name}": found} if found else {}
    return rates(loaders, repeats)


def of_small(repeats: int, floats: bool) -> dict[str, list[float]]:
    pictures = np.random.default_rng(0).integers(0, 256, (50_000, 32, 32, 3), dtype=np.uint8)
    spec = InputSpec(size=32, mean=MEAN, std=STD)
    some = Small(pictures[:10_000], floats)
    return rates(
        {"a": plain(some), "small": ours(pictures, spec, Augment(flip=True, shift=0.11), floats, 512)}, repeats
    )


def shares(where: Path) -> dict[str, float]:
    """ms a picture of (b) on one thread: reading the file, decoding it, cropping and resizing it."""
    source, spent = cropped(where), {"read": 0.0, "decode": 0.0, "resize": 0.0}
    listing: Listing = source.split.load.args[0]  # type: ignore[attr-defined]
    cut = crops.cut

    def timed(what: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **how: Any) -> Any:
            start = perf_counter()
            try:
                return function(*args, **how)
            finally:
                spent[what] += perf_counter() - start

        return call

    read = replace(listing, contents=timed("read", listing.contents))
    load = source.split.load
    load = type(load)(load.func, read, *load.args[1:])  # type: ignore[attr-defined]
    one = replace(source, split=replace(source.split, load=timed("decode", load)), threads=1)
    try:
        crops.cut = timed("resize", cut)
        count = sum(len(p) for p in one.steps(0, [np.arange(len(one))]))
    finally:
        crops.cut = cut
    spent["decode"] -= spent["read"]
    return {what: 1e3 * seconds / count for what, seconds in spent.items()}


def told(name: str, found: dict[str, list[float]]) -> dict[str, Any]:
    base = found["a"]
    ratios = {k: [x / y for x, y in zip(v, base, strict=True)] for k, v in found.items()}
    for loader, speeds in found.items():
        ratio = ratios[loader]
        spread = f"sd {stdev(ratio):.2f}" if len(ratio) > 1 else ""
        print(
            f"{name:>18}  {loader:<14} {median(speeds):>9.0f}/s   {fmean(ratio):6.2f} times (a), {spread}", flush=True
        )
    return {"images_per_s": found, "ratios": ratios}


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--repeats", type=int, default=5)
    words.add_argument("--data", type=Path, help="a folder of your own, beside the made ones")
    words.add_argument("--peer", help="the python of an environment with torchvision")
    words.add_argument("--json", type=Path)
    asked = words.parse_args()
    torch.set_num_threads(WORKERS)
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        room = Path(place)
        sets = [folder(room / "500x375", 500, 375, 512), folder(room / "4000x3000", 4000, 3000, 32)]
        for where in [*sets, *([asked.data] if asked.data else [])]:
            mean = fmean(os.path.getsize(where / name) for name in everything(where).names)
            results[where.name] = {"mean_bytes": mean}
            print(f"{where.name}: {mean / 1e3:.0f} kB a file")
            for floats in (True, False):
                kind = "float" if floats else "bytes"
                found = of_folder(where, room, asked.repeats, asked.peer, floats)
                results[where.name][kind] = told(f"{where.name}, {kind}", found)
            results[where.name]["ms_each"] = shares(where)
            print(f"{where.name}: ms a picture on one thread: {results[where.name]['ms_each']}")
    for floats in (True, False):
        kind = "float" if floats else "bytes"
        results.setdefault("small", {})[kind] = told(f"32x32, {kind}", of_small(asked.repeats, floats))
    if asked.json:
        about = {"asked": ASKED, "machine": machine("cpu"), "versions": versions()}
        asked.json.write_text(json.dumps(results | about, indent=1))


if __name__ == "__main__":
    sys.exit(main())
