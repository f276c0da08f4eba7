"""R7: where g(x) is not useful, its gradient and its weights are small (S48)."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import log2
from statistics import fmean

import torch
from scipy.stats import spearmanr
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from konvolut.blocks.init import WEIGHTED, initialise
from konvolut.blocks.residual import Residual
from konvolut.lab.gauges import DIVERGED, finished, first
from konvolut.lab.material import asked, training
from konvolut.lab.study import Ask, Claim, Contrast, Trained
from konvolut.language import later
from konvolut.lens.gradients import norms
from konvolut.nets.arch import Arch
from konvolut.nets.features import tapped
from konvolut.nets.resnet import resnet_cifar
from konvolut.training.recipe import Recipe

CLAIM = Claim(
    id="R7",
    sentence="S48",
    text=later("Where what a block adds, g(x), is of no use, its gradient is small, and so are its weights."),
    expected="conditional",
    why=later(
        "The more blocks there are, the less each adds; but a gradient that vanishes leaves weights as they are: only "
        "decay, or a small beginning, makes them small."
    ),
)


@dataclass(frozen=True, slots=True)
class Way:
    """How one arm is trained."""

    depth: int
    epochs: int
    decay: float = 5e-4
    zero: bool = False  # every block begins as its shortcut


SHORT, LONG = 4, 10  # epochs
ARMS: Mapping[str, Way] = {
    "20 layers": Way(20, SHORT),
    "56 layers": Way(56, SHORT),
    "no decay": Way(20, LONG, 0.0),
    "decay": Way(20, LONG),
    "zero": Way(20, LONG, 0.0, zero=True),
    "zero, decay": Way(20, LONG, zero=True),
}
RECIPE = Recipe(batch=64, lr=0.1, precision="fp32")
PX, PICTURES = 14, 1000
SEEN = 256  # pictures that responses, gradients and uses are read on


def net(arm: str) -> Arch:
    """A CIFAR net of half the paper's widths; its shortcuts learn nothing."""
    return resnet_cifar(ARMS[arm].depth, widths=(8, 16, 32), input=(1, PX, PX))


def measure(ask: Ask) -> Mapping[str, float]:
    """What the blocks of a trained net add, how far their weights have shrunk, and whether both go with their use."""
    way, held = ARMS[ask.arm], asked(ask, PX, PICTURES)
    course = training(net(ask.arm), held, replace(RECIPE, epochs=way.epochs, decay=way.decay), ask.seed)
    if way.zero:
        initialise(course.net, RECIPE.init, ask.seed, zero_residual=True)
    at = blocks(course.net)
    before = {name: size(course.net, name) for name in at}
    model = finished(course)
    if model is None:  # it grew without bound
        return {"response": DIVERGED, "shrunk": -DIVERGED, "gradient by use": -1.0, "weights by use": -1.0}
    batch, labels = first(held, SEEN)
    use = [uses(model, batch, labels, name) for name in at]
    gradient = [row.weight_gradient or 0.0 for row in norms(model, batch, labels, at)]
    kept = [size(model, name) / before[name] for name in at]
    late = at[-len(at) // 3 :]
    return {
        "response": log2(fmean(responses(model, batch, at).values())),
        "shrunk": 1 - fmean(kept[-len(late) :]),
        "gradient by use": rank(use, gradient),
        "weights by use": rank(use, kept),
    }


def blocks(model: nn.Module) -> list[str]:
    """The residual blocks whose shortcut is the map itself, in the order of passing."""
    found = ((name, part) for name, part in model.named_modules() if isinstance(part, Residual))
    return [name for name, part in found if isinstance(part.shortcut, nn.Identity)]


@torch.no_grad()
def responses(model: nn.Module, batch: Tensor, at: Sequence[str]) -> dict[str, float]:
    """Of each block `at`, which gives act(x + g(x)): ||g(x)|| / ||x|| of a picture, the mean over pictures."""
    with tapped(model, [f"{name}.{way}" for name in at for way in ("body", "shortcut")]) as held:
        model(batch)
    norm = {name: gives.flatten(1).norm(dim=1).clamp_min(1e-12) for name, gives in held.items()}
    return {name: float((norm[f"{name}.body"] / norm[f"{name}.shortcut"]).mean()) for name in at}


@torch.no_grad()
def size(model: nn.Module, block: str) -> float:
    """The Euclidean norm of all the convolutions of a block together."""
    layers = (part for part in model.get_submodule(block).modules() if isinstance(part, WEIGHTED))
    return float(torch.stack([part.weight.norm() for part in layers]).norm())


@torch.no_grad()
def uses(model: nn.Module, batch: Tensor, labels: Tensor, block: str) -> float:
    """What the block is good for: by how many nats the loss rises when g is taken to be 0."""
    with without(model, block):
        alone = cross_entropy(model(batch), labels)
    return float(alone - cross_entropy(model(batch), labels))


@contextmanager
def without(model: nn.Module, block: str) -> Iterator[None]:
    """While inside, the body of the block gives nothing."""
    body = model.get_submodule(block).get_submodule("body")
    hook = body.register_forward_hook(lambda module, takes, gives: torch.zeros_like(gives))
    try:
        yield
    finally:
        hook.remove()


def rank(one: Sequence[float], other: Sequence[float]) -> float:
    """Spearman's rank correlation; 0 where one of them does not vary."""
    return float(spearmanr(one, other).statistic) if len(set(one)) > 1 and len(set(other)) > 1 else 0.0


STUDY = Trained(
    claim=CLAIM,
    arms=tuple(ARMS),
    measure=measure,
    contrasts=(
        Contrast(
            about="what a block adds, of 20 layers over 56",
            value="response",
            more="20 layers",
            less="56 layers",
            least=log2(1.1),  # a tenth more
        ),
        Contrast(
            about="56 layers: the gradient of a block goes with its use",
            value="gradient by use",
            more="56 layers",
            least=0.2,
        ),
        Contrast(
            about="56 layers: the weights of a block go with its use",
            value="weights by use",
            more="56 layers",
            least=0.2,
        ),
        Contrast(about="the last blocks' weights shrink without decay", value="shrunk", more="no decay", least=0.01),
        Contrast(
            about="decay makes the last blocks' weights smaller",
            value="shrunk",
            more="decay",
            less="no decay",
            least=0.01,
        ),
        Contrast(
            about="begun as its shortcut, a block adds less",
            value="response",
            more="decay",
            less="zero, decay",
            least=log2(1.1),
        ),
    ),
    fixed=later(
        "He's CIFAR nets of widths 8, 16 and 32 with batch norm, 1,000 digits at 14 px, batch 64, rate 0.1; 4 epochs for the two "
        "depths, 10 for the other arms, which have 20 layers where 8 fit the same pictures; blocks whose shortcut is the map "
        "itself, read on 256 training pictures"
    ),
    unit={
        "response": "log2 of ||g(x)|| / ||x||, the mean over blocks and pictures",
        "shrunk": "share of their first Euclidean norm that the convolutions of the last third of the blocks have lost",
        "gradient by use": "rank correlation, over the blocks, of the gradient of their weights and the loss without them",
        "weights by use": "rank correlation, over the blocks, of the norm of their weights, in terms of the first, and the same",
    },
    cost=5.0,
    drops=later("one learning rate for all arms"),
)
