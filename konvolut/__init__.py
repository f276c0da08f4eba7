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
    from konvolut.images.check import check
    from konvolut.images.imageset import ImageSet
    from konvolut.images.packing import pack
    from konvolut.images.preprocess import InputSpec
    from konvolut.images.sources import open_images
    from konvolut.lab.conduct import run_claim
    from konvolut.lens.report import report_again as report
    from konvolut.nets.alexnet import alexnet
    from konvolut.nets.arch import Arch, Fact
    from konvolut.nets.convolution import as_convolution, convolved
    from konvolut.nets.depth import with_depth
    from konvolut.nets.features import features
    from konvolut.nets.fit import fit
    from konvolut.nets.googlenet import googlenet
    from konvolut.nets.nin import nin
    from konvolut.nets.open import build, facts, table
    from konvolut.nets.preact import preact, preact_cifar
    from konvolut.nets.resnet import resnet, resnet_cifar
    from konvolut.nets.swap import swap_block
    from konvolut.nets.tables import read_table, write_table
    from konvolut.nets.variants import narrow, with_norm, with_stochastic_depth
    from konvolut.nets.vgg import vgg
    from konvolut.nets.weights import load_weights, save_weights, state_dict
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
    "alexnet": "nets.alexnet",
    "as_convolution": "nets.convolution",
    "build": "nets.open",
    "check": "images.check",
    "convolved": "nets.convolution",
    "evaluate": "training.judge:evaluate_run",
    "facts": "nets.open",
    "features": "nets.features",
    "fit": "nets.fit",
    "googlenet": "nets.googlenet",
    "load_weights": "nets.weights",
    "narrow": "nets.variants",
    "nin": "nets.nin",
    "open_images": "images.sources",
    "open_run": "training.run",
    "pack": "images.packing",
    "preact": "nets.preact",
    "preact_cifar": "nets.preact",
    "predict": "training.predict",
    "read_table": "nets.tables",
    "report": "lens.report:report_again",
    "resnet": "nets.resnet",
    "resnet_cifar": "nets.resnet",
    "run_claim": "lab.conduct",
    "save_weights": "nets.weights",
    "state_dict": "nets.weights",
    "swap_block": "nets.swap",
    "table": "nets.open",
    "train": "training.course",
    "vgg": "nets.vgg",
    "with_depth": "nets.depth",
    "with_norm": "nets.variants",
    "with_stochastic_depth": "nets.variants",
    "write_table": "nets.tables",
}
__all__ = [
    "Arch", "Augment", "Fact", "ImageSet", "InputSpec", "Recipe", "Run", "alexnet", "as_convolution", "build",
    "check", "convolved", "evaluate", "facts", "features", "fit", "googlenet", "load_weights", "narrow", "nin",
    "open_images", "open_run", "pack", "preact", "preact_cifar", "predict", "read_table", "report", "resnet",
    "resnet_cifar", "run_claim", "save_weights", "state_dict", "swap_block", "table", "train", "vgg", "with_depth",
    "with_norm", "with_stochastic_depth", "write_table",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'konvolut' has no attribute {name!r}")
    place, _, there = _WHERE[name].partition(":")
    return getattr(import_module(f"konvolut.{place}"), there or name)


def __dir__() -> list[str]:
    return list(__all__)
