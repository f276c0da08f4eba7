"""R13: what a residual block adds corrects the net it is put into (S49)."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, cross_entropy

from konvolut.blocks.basic import Conv, Dense, GlobalAvgPool, MaxPool
from konvolut.blocks.init import NORMS, initialise
from konvolut.blocks.residual import Basic, Stage
from konvolut.blocks.spec import Row
from konvolut.images.batches import Batches, in_order
from konvolut.lab.gauges import DIVERGED, finished
from konvolut.lab.material import Material, asked, training
from konvolut.lab.study import Ask, Claim, Contrast, Trained
from konvolut.language import later
from konvolut.nets.arch import Arch, Network, build
from konvolut.nets.features import features
from konvolut.training.evaluate import logits
from konvolut.training.loop import Training
from konvolut.training.recipe import Recipe

CLAIM = Claim(
    id="R13",
    sentence="S49",
    text=later(
        "Where the small net is trained first, a residual block put into it learns what that net still gets wrong."
    ),
    expected="supported",
    why=later(
        "A block that starts at zero leaves the net as it is, and its first steps go against the slope of the loss."
    ),
)
STAGES = ("stage1", "stage2")
BASE = Recipe(epochs=4, batch=50, lr=0.05, precision="fp32")
NEW = Recipe(epochs=6, batch=50, lr=0.1, precision="fp32")
ARMS = ("learnt", "random")  # what learns of a new block: all of it, or the scales and shifts of its norms alone
NONE = {"gain": -1.0, "loss gain": -DIVERGED, "against the slope": -1.0}  # of a training that diverged


def net(blocks: int) -> Arch:
    """A stem, two stages of so many residual blocks each, means of the maps and a dense layer; at 14 px."""
    rows = (
        Row("conv1", Conv(8, 3, p=1, norm="bn", bias=False)),
        Row("pool1", MaxPool(2, 2)),
        Row("stage1", Stage(blocks, Basic(8))),
        Row("stage2", Stage(blocks, Basic(16), s=2)),
        Row("gap", GlobalAvgPool()),
        Row("fc", Dense(10, act="none")),
    )
    return Arch(f"residual-{blocks}", "this study", (1, 14, 14), rows)


def new(stage: str) -> str:
    """The part that is put into a stage, behind its own block."""
    return f"{stage}.1"


def deepened(base: Network, seed: int) -> Network:
    """`base` with one more block a stage, whose last norm scales by 0: it answers as `base` does."""
    spec = net(2)
    found = build(replace(spec, rows=(*spec.rows[:-1], base.arch.rows[-1])), base.arch.input, seed)
    initialise(found, BASE.init, seed, zero_residual=True)
    kept = found.load_state_dict(base.state_dict(), strict=False)
    assert not kept.unexpected_keys, kept
    assert all(name.startswith(tuple(map(new, STAGES))) for name in kept.missing_keys), kept
    return found


def refining(base: Network, held: Material, arm: str, seed: int) -> Training:
    """A training of the new blocks alone; the base keeps its weights and its norms' running statistics."""
    deep = deepened(base, seed).requires_grad_(False)
    blocks = [deep.get_submodule(new(stage)) for stage in STAGES]
    for module in (module for block in blocks for module in block.modules()):
        if arm == "learnt" or isinstance(module, NORMS):
            for weight in module.parameters(recurse=False):
                weight.requires_grad_(True)
    recipe = replace(NEW, seed=seed)
    course = Training(deep, Batches(held.train, held.train_labels, held.spec, recipe.batch, seed=seed), recipe)
    inside = {module for block in blocks for module in block.modules()}
    course.frozen = [module for module in deep.modules() if module not in inside and not any(module.children())]
    return course


def slopes(base: Network, batch: Tensor, labels: Tensor) -> list[Tensor]:
    """Minus the gradient of each picture's loss by what each stage of `base` gives: where its map should move."""
    maps = features(base, batch, (*STAGES, "fc"), grad=True)
    loss = cross_entropy(maps["fc"], labels, reduction="sum")
    return [-slope for slope in torch.autograd.grad(loss, [maps[stage] for stage in STAGES])]


def against_slope(base: Network, deep: nn.Module, held: Material) -> float:
    """Cosine between what the new blocks add to a validation picture's maps and minus the slope of the base's loss there;
    the mean over pictures and blocks.
    """
    found, labels = [], torch.from_numpy(held.val_labels.astype(np.int64))
    for batch in in_order(held.val, held.spec):
        here, labels = labels[: len(batch)], labels[len(batch) :]
        added = features(deep, batch, [f"{new(stage)}.body" for stage in STAGES])
        for g, slope in zip(added.values(), slopes(base, batch, here), strict=True):
            found.append(cosine_similarity(g.flatten(1), slope.flatten(1)))
    return float(torch.cat(found).mean())


def scores(model: nn.Module, held: Material) -> tuple[float, float]:
    """Accuracy and mean loss (nats) on the validation pictures."""
    answers, labels = torch.from_numpy(logits(model, held.val, held.spec)), torch.from_numpy(held.val_labels).long()
    return float((answers.argmax(1) == labels).float().mean()), float(cross_entropy(answers, labels))


def measure(ask: Ask) -> Mapping[str, float]:
    """What the new blocks gain over the base on validation pictures, and how far they go against its loss's slope."""
    held = asked(ask, 14, 1000, val=800)
    base = finished(training(net(1), held, BASE, ask.seed))
    if base is None:
        return NONE
    assert isinstance(base, Network)
    deep = finished(refining(base, held, ask.arm, ask.seed))
    if deep is None:
        return NONE
    (before, loss), (after, lower) = map(partial(scores, held=held), (base, deep))
    return {"gain": after - before, "loss gain": loss - lower, "against the slope": against_slope(base, deep, held)}


STUDY = Trained(
    claim=CLAIM,
    arms=ARMS,
    measure=measure,
    contrasts=(
        Contrast(about="accuracy over the base", value="gain", more="learnt", least=0.01),
        Contrast(about="accuracy over random features", value="gain", more="learnt", less="random", least=0.01),
        Contrast(about="loss below the base's", value="loss gain", more="learnt", least=0.01),
        Contrast(about="against the slope of the base's loss", value="against the slope", more="learnt", least=0.05),
    ),
    fixed=later(
        "a net of two residual blocks, 8 and 16 maps wide, trained for 4 epochs on 1,000 digits at 14 px and then frozen; a "
        "block that starts at zero behind each, trained alone for 6 epochs; 800 validation pictures"
    ),
    drops=later("one learning rate for both arms"),
    seeds=8,
    cost=1.6,
    unit={
        "gain": "share of the validation pictures that are right, less that of the base",
        "loss gain": "loss of the base on validation pictures, less that with the new blocks, in nats",
        "against the slope": "cosine between what the blocks add and minus the gradient of the base's loss there",
    },
)
