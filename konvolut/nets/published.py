"""Published weights: the files that fit a net here, and what their answers are called; read without torch."""

import json
import re
from dataclasses import dataclass
from importlib.resources import files
from math import ceil
from pathlib import Path

from konvolut import fetch
from konvolut.errors import WeightsError, nearest
from konvolut.fetch import Remote
from konvolut.language import later
from konvolut.nets.names import ours

KINDS = {"imagenet": "IMAGENET1K_V1", "imagenet-v2": "IMAGENET1K_V2"}  # what --weights calls them, and torchvision
# pytorch/vision, README.md, section Pre-trained Model License, commit 56f3a7a915eb
LICENCE = later(
    "torchvision publishes these files and gives no licence for them: terms may come from ImageNet, which they were "
    "trained on; whether your use is permitted is yours to find out"
)


@dataclass(frozen=True, slots=True)
class Published:
    """A file of ImageNet weights that torchvision publishes, with the figures its documentation gives."""

    net: str  # the table here that it fits
    weights: str  # what torchvision calls it
    params: int  # numbers it learns, as torchvision counts: GoogLeNet's less its heads, Inception-v3's with its head
    top1: float | None  # % of ImageNet's validation pictures, one crop; None for a trunk without a trained classifier
    top5: float | None
    resize: int  # px, the shorter side before cropping
    crop: int  # px, the side of the centre crop
    mean: tuple[float, ...]  # of each channel, in units of the whole range 0 to 1
    std: tuple[float, ...]
    mib: float  # of the file
    address: str  # its eight hex digits are the start of the file's SHA-256

    @property
    def file(self) -> str:
        return self.address.rpartition("/")[2]

    @property
    def hash(self) -> str:
        """The first eight hex digits of the file's SHA-256."""
        found = re.search(r"-([0-9a-f]{8})\.pth$", self.address)
        assert found, self.address
        return found[1]

    @property
    def remote(self) -> Remote:
        most = ceil((self.mib + 0.001) * (1 << 20))  # `mib` is rounded to three places
        return Remote(f"weights/{self.file}", (self.address,), self.hash, most, exact=False)

    @property
    def cached(self) -> Path | None:
        """Where the cache holds it, whole."""
        return fetch.cached(self.remote)

    def get(self) -> Path:
        """Where it lies, downloaded first where the cache lacks it. Raises WeightsError when it cannot be had."""
        return fetch.fetch([self.remote], f"weights of {self.net}", WeightsError)[0]


def published() -> list[Published]:
    """Every published file that fits a net of the catalogue, net by net."""
    text = files("konvolut.nets").joinpath("published.json").read_text(encoding="utf-8")
    return [
        Published(**{**entry, "mean": tuple(entry["mean"]), "std": tuple(entry["std"])}) for entry in json.loads(text)
    ]


def of_net(net: str, kind: str = "imagenet") -> Published:
    """The file of `kind`, one of KINDS, for a net by any of its names: resnet-50, resnet50, resnet-50@torchvision.

    Raises WeightsError when there is none, saying what there is.
    """
    if kind not in KINDS:
        raise WeightsError(f"weights {kind!r}{nearest(kind, KINDS)}")
    name = ours(net)
    name = name if "@" in name else f"{name}@torchvision"
    fitting = [file for file in published() if file.net == name]
    if not fitting:
        known = dict.fromkeys(file.net.partition("@")[0] for file in published())
        raise WeightsError(f"{net}: no weights are published for this net{nearest(name.partition('@')[0], known)}")
    for file in fitting:
        if file.weights == KINDS[kind]:
            return file
    there = " and ".join(word for word, weights in KINDS.items() if weights in [file.weights for file in fitting])
    raise WeightsError(f"{net}: no {kind} weights are published for this net; there is {there}")


def of_file(name: str) -> Published | None:
    """The published file called `name`, with or without its .pth."""
    return next((file for file in published() if name in (file.file, file.file.removesuffix(".pth"))), None)


def resembling(net: str, sha256: str = "") -> Published | None:
    """The published file with this content, as far as eight digits can tell; or else the first of this net.

    Whoever has another file for an @torchvision edition has most likely trained it on pictures prepared in the same way.
    """
    every = published()
    alike = [file for file in every if sha256.startswith(file.hash)]
    return next(iter([*alike, *(file for file in every if file.net == ours(net))]), None)


def imagenet() -> tuple[str, ...]:
    """The names of ImageNet's 1,000 classes (ILSVRC-2012) in the order of published weights."""
    text = files("konvolut.nets").joinpath("imagenet.json").read_text(encoding="utf-8")
    return tuple(json.loads(text))
