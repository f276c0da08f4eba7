"""Published weights: the files that fit a net here, and what their answers are called; read without torch."""

import json
from dataclasses import dataclass
from importlib.resources import files


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


def published() -> list[Published]:
    """Every published file that fits a net of the catalogue, net by net."""
    text = files("konvolut.nets").joinpath("published.json").read_text(encoding="utf-8")
    return [
        Published(**{**entry, "mean": tuple(entry["mean"]), "std": tuple(entry["std"])}) for entry in json.loads(text)
    ]


def imagenet() -> tuple[str, ...]:
    """The names of ImageNet's 1,000 classes (ILSVRC-2012) in the order of published weights."""
    text = files("konvolut.nets").joinpath("imagenet.json").read_text(encoding="utf-8")
    return tuple(json.loads(text))
