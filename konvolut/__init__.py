"""Konvolut holds what papers and lectures say against what happens, and builds only on what held.

    import konvolut as kv
    net = kv.build("resnet-50", classes=10)
    run = kv.train(kv.open_images("photos/"), net="resnet-18")
    kv.predict(run, ["cat.jpg"])

Names are resolved when they are used: importing the package loads no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from konvolut.images.augment import Augment
    from konvolut.images.imageset import ImageSet
    from konvolut.images.preprocess import InputSpec
    from konvolut.images.sources import open_images
    from konvolut.lab.conduct import run_claim
    from konvolut.lens.report import report_again as report
    from konvolut.nets.arch import Arch, Fact
    from konvolut.nets.open import build, facts
    from konvolut.training.course import train
    from konvolut.training.judge import evaluate_run as evaluate
    from konvolut.training.predict import predict
    from konvolut.training.recipe import Recipe
    from konvolut.training.run import Run, open_run

_WHERE = {  # public name -> the file it lives in, and its name there where that differs
    "Arch": "nets.arch",
    "Augment": "images.augment",
    "Fact": "nets.arch",
    "ImageSet": "images.imageset",
    "InputSpec": "images.preprocess",
    "Recipe": "training.recipe",
    "Run": "training.run",
    "build": "nets.open",
    "evaluate": "training.judge:evaluate_run",
    "facts": "nets.open",
    "open_images": "images.sources",
    "open_run": "training.run",
    "predict": "training.predict",
    "report": "lens.report:report_again",
    "run_claim": "lab.conduct",
    "train": "training.course",
}
__all__ = [
    "Arch", "Augment", "Fact", "ImageSet", "InputSpec", "Recipe", "Run", "build", "evaluate", "facts", "open_images",
    "open_run", "predict", "report", "run_claim", "train",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'konvolut' has no attribute {name!r}")
    place, _, there = _WHERE[name].partition(":")
    return getattr(import_module(f"konvolut.{place}"), there or name)


def __dir__() -> list[str]:
    return list(__all__)
