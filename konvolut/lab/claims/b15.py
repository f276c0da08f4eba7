"""B15: LeNet is better with batch norm (S36)."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from math import log2
from statistics import fmean, stdev

import torch
from torch import nn

from konvolut.errors import RunError
from konvolut.images.batches import in_order
from konvolut.lab.gauges import validation
from konvolut.lab.material import Material, asked, training
from konvolut.lab.study import Ask, Claim, Contrast, Trained
from konvolut.language import later
from konvolut.nets.arch import Arch
from konvolut.nets.lenet import lenet_d2l
from konvolut.nets.variants import with_norm
from konvolut.training.recipe import Recipe

CLAIM = Claim(
    id="B15",
    sentence="S36",
    text=later("LeNet with batch norm is better than LeNet."),
    expected="supported",
    why=later(
        "Its sigmoids learn sooner; but at a large rate the running statistics lag behind the weights, so its accuracy swings "
        "until they are taken anew."
    ),
)
TUNED = Recipe(
    epochs=6, batch=32, optimizer="adamw", schedule="flat", warmup=0.0, decay=0.0, init="xavier", precision="fp32"
)
# Dive into Deep Learning, section 8.5, but for the batch
BOOK = replace(TUNED, optimizer="sgd", lr=1.0, momentum=0.0)
RATES = {"plain": (0.002, 0.005, 0.01), "bn": (0.003, 0.01, 0.03)}
PICTURES = 1600
LAST = 4  # epochs, after each of which accuracy is taken
CHOOSE = 300  # of the validation pictures choose the rate, the others are reported
STILL = 1e-3  # standard deviation of accuracy: smaller ones are of a picture more or less
AGAIN = 512  # training pictures that statistics are taken anew from


def net(norm: str) -> Arch:
    """The book's LeNet, or the same with batch norm before every sigmoid; the book's own pair differs in a padding too."""
    return with_norm(lenet_d2l(), "bn", dense=True) if norm == "bn" else lenet_d2l()


@torch.no_grad()
def recalibrated(model: nn.Module, held: Material) -> nn.Module:
    """A copy whose batch norms hold the statistics of training pictures under the weights as they are now: the mean over
    batches of 64, each weighing the same.
    """
    model = deepcopy(model).eval()
    for part in model.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            part.reset_running_stats()
            part.momentum = None
            part.train()
    for batch in in_order(held.train[:AGAIN], held.spec):
        for some in batch.split(64):
            model(some)
    return model.eval()


def measure(ask: Ask) -> Mapping[str, float]:
    """Accuracy after the last epoch, what new statistics change in it, and how far it swings over the last epochs."""
    norm, _, fixed = ask.arm.partition(" ")
    held = asked(ask, 28, PICTURES, val=1000)
    cut = min(CHOOSE, len(held.val) // 2)
    choosing = replace(held, val=held.val[:cut], val_labels=held.val_labels[:cut])
    others = replace(held, val=held.val[cut:], val_labels=held.val_labels[cut:])
    recipe = BOOK if fixed else replace(TUNED, lr=ask.rate)
    course = training(net(norm), held, recipe, ask.seed)
    stands: list[float] = []
    again: list[float] = []
    try:
        for epoch in course:
            if epoch.number > recipe.epochs - LAST:
                stands.append(validation(course.net, others))
                again.append(validation(recalibrated(course.net, held), others))
    except RunError:
        return {"chosen": 0.0, "val": 0.0, "gain": 0.0, "swing": 0.0, "swing anew": 0.0}
    return {
        "chosen": validation(course.net, choosing),
        "val": stands[-1],
        "gain": fmean(again) - fmean(stands),
        "swing": log2(max(stdev(stands), STILL)),
        "swing anew": log2(max(stdev(again), STILL)),
    }


STUDY = Trained(
    claim=CLAIM,
    arms=("plain", "bn", "plain 1.0", "bn 1.0"),
    measure=measure,
    rates=RATES,
    best=("chosen", "most"),
    contrasts=(
        Contrast(about="each at its best rate", value="val", more="bn", less="plain", least=0.01),
        Contrast(about="at the book's rate of 1", value="val", more="bn 1.0", less="plain 1.0", least=0.01),
        Contrast(about="statistics taken anew, at a rate of 1", value="gain", more="bn 1.0", least=0.01),
        Contrast(
            about="swings that new statistics still, at a rate of 1",
            value="swing",
            more="bn 1.0",
            less="bn 1.0",
            over="swing anew",
            least=log2(1.1),
        ),
    ),
    fixed=later(
        "the book's LeNet at 28 px, with and without batch norm, 1,600 digits, batch 32, 6 epochs (300 steps), no decay; AdamW "
        "and three learning rates an arm, the best of them on 300 validation pictures, or SGD at the book's rate of 1; "
        "accuracy on 500 others"
    ),
    seeds=6,
    cost=2.2,
    unit={
        "chosen": "share of 300 validation pictures that are right: the rate is chosen by it",
        "val": "share of 500 other validation pictures that are right, after the last epoch",
        "gain": "what that share gains, mean of the last four epochs, by running statistics taken anew from 512 training "
        "pictures",
        "swing": "log2 of the standard deviation of that share over the last four epochs",
        "swing anew": "the same with statistics taken anew after each epoch",
    },
    advice={"supported": "--net lenet+bn@d2l"},
)
