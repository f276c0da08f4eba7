"""A5: convolutions and softmax trained together do better than convolutions set beforehand (S9)."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from scipy.cluster.vq import kmeans2
from torch import nn
from torch.nn.functional import unfold

from konvolut.blocks.basic import Conv, Dense, MaxPool
from konvolut.blocks.spec import Row
from konvolut.images.batches import in_order
from konvolut.lab.gauges import finished, first, validation
from konvolut.lab.material import Material, asked, training
from konvolut.lab.study import Ask, Claim, Contrast, Trained
from konvolut.language import later
from konvolut.nets.arch import Arch
from konvolut.nets.features import features, part
from konvolut.training.recipe import Recipe
from konvolut.types import Pictures

CLAIM = Claim(
    id="A5",
    sentence="S9",
    text=later("A net whose convolutions and softmax are trained together does better than one built part by part."),
    expected="supported",
    why=later(
        "Only then does the loss shape the features; once they are shaped, another linear classifier on them does as well."
    ),
)
ARMS = ("together", "random", "k-means", "layerwise", "svm")
WIDTHS = (8, 16)  # maps of the two convolutions
RECIPE = Recipe(epochs=10, batch=50, decay=5e-4, precision="fp32")
RATES = dict.fromkeys(ARMS, (0.03, 0.1, 0.2)) | dict.fromkeys(("random", "k-means"), (0.01, 0.03, 0.1))
FITTED = 500  # pictures from which k-means takes its windows, ...
WINDOWS = 5000  # ... this many


def net(convolutions: int = 2) -> Arch:
    """3x3 convolutions, each followed by a pool, and a softmax layer; at 14 px."""
    rows = []
    for group, width in enumerate(WIDTHS[:convolutions], start=1):
        rows += [Row(f"conv{group}", Conv(width, 3, p=1)), Row(f"pool{group}", MaxPool(2, 2))]
    return Arch(f"{convolutions} convolutions", "this study", (1, 14, 14), (*rows, Row("fc", Dense(10, act="none"))))


def centres(windows: Float[ndarray, "n d"], count: int, seed: int) -> Float[ndarray, "count d"]:
    """Filters that answer most to the k-means centres of `windows` (Coates and Ng 2012), each of length 1.

    The windows lose their mean, are brought to one contrast and whitened (ZCA), so that the centres are edges and strokes
    and not shades; the whitening is then taken into the filters.
    """
    flat = windows - windows.mean(1, keepdims=True)
    flat = flat / (flat.std(1, keepdims=True) + 0.1)  # an empty window stays small
    values, axes = np.linalg.eigh(np.cov(flat.T))
    whitening = axes / np.sqrt(np.maximum(values, 0) + 0.1) @ axes.T
    found, _ = kmeans2(flat @ whitening, count, iter=10, minit="++", rng=seed)
    filters = found @ whitening
    return np.asarray(filters / np.linalg.norm(filters, axis=1, keepdims=True))


def clustered(model: nn.Module, held: Material, seed: int) -> None:
    """Set the convolutions of `model`, from the first to the last, to what k-means finds in the maps they take.

    A filter gets the length that He's first weights have on average, the root of 2; biases stay 0.
    """
    pictures, _ = first(held, FITTED)
    seen = pictures
    for name in (f"conv{group}" for group in range(1, len(WIDTHS) + 1)):
        conv = part(model, f"{name}.conv")
        assert isinstance(conv, nn.Conv2d)
        windows = unfold(seen, 3, padding=1).transpose(1, 2).flatten(0, 1)  # (n, 9 c)
        chosen = np.random.default_rng(seed).permutation(len(windows))[:WINDOWS]
        filters = centres(windows[torch.from_numpy(chosen)].double().numpy(), conv.out_channels, seed) * 2**0.5
        with torch.no_grad():
            conv.weight.copy_(torch.from_numpy(filters).view_as(conv.weight))
        pooled = name.replace("conv", "pool")
        seen = features(model, pictures, (pooled,))[pooled]


def learnt(arm: str, held: Material, recipe: Recipe, seed: int) -> nn.Module | None:
    """The net of an arm after as many epochs as every arm has; None where it diverged."""
    if arm == "random":
        return finished(training(net(), held, replace(recipe, freeze="trunk"), seed))
    if arm == "k-means":
        course = training(net(), held, replace(recipe, freeze="trunk"), seed)
        clustered(course.net, held, seed)
        return finished(course)
    if arm == "layerwise":  # half of the epochs for each convolution
        half = replace(recipe, epochs=max(1, recipe.epochs // 2))
        below = finished(training(net(1), held, half, seed))
        if below is None:
            return None
        course = training(net(), held, replace(half, freeze="pool1"), seed)
        part(course.net, "conv1").load_state_dict(part(below, "conv1").state_dict())
        return finished(course)
    return finished(training(net(), held, recipe, seed))


def by_margin(model: nn.Module, held: Material) -> float:
    """Validation accuracy of a linear support vector machine on the features that the softmax layer takes."""
    from konvolut.classic.machines import fitted  # scikit-learn takes a second to load: only who measures waits

    def taken(pictures: Pictures) -> Float[ndarray, "n d"]:
        maps = [features(model, batch, ("pool2",))["pool2"].flatten(1) for batch in in_order(pictures, held.spec)]
        return np.asarray(torch.cat(maps).double().numpy())

    machine = fitted("svm", "linear", taken(held.train), held.train_labels)
    return float((machine.answers(taken(held.val)) == held.val_labels).mean())


def measure(ask: Ask) -> Mapping[str, float]:
    """Accuracy on the validation pictures."""
    held = asked(ask, 14, 2000, val=800)
    model = learnt(ask.arm, held, replace(RECIPE, lr=ask.rate), ask.seed)
    if model is None:
        return {"accuracy": 0.0}
    return {"accuracy": by_margin(model, held) if ask.arm == "svm" else validation(model, held)}


def over(about: str, more: str, less: str, absent: bool = False) -> Contrast:
    return Contrast(about=about, value="accuracy", more=more, less=less, absent=absent, least=0.01)


STUDY = Trained(
    claim=CLAIM,
    arms=ARMS,
    measure=measure,
    rates=RATES,
    best=("accuracy", "most"),
    contrasts=(
        over("together against k-means", "together", "k-means"),
        over("k-means against random", "k-means", "random"),
        over("together against one layer after the other", "together", "layerwise"),
        over("no gain from a support vector machine in softmax's place", "svm", "together", absent=True),
        over("no loss from it", "together", "svm", absent=True),
    ),
    fixed=later(
        "two 3x3 convolutions of 8 and 16 maps with pools and a linear classifier, 2,000 digits at 14 px, batch 50, 10 "
        "epochs in all, the best of three learning rates for each arm on the same 800 validation pictures"
    ),
    drops=later("the learning rate is chosen on the pictures that the arms are compared on"),
    seeds=6,
    cost=1.0,
    unit={"accuracy": "share of the validation pictures that are right"},
)
