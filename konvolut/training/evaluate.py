"""A net's answers on one split, in fp32 and evaluation mode."""

import numpy as np
import torch
from torch import Tensor, nn

from konvolut.images.batches import in_order
from konvolut.images.preprocess import InputSpec
from konvolut.nets.features import evaluating
from konvolut.training.loss import answers
from konvolut.training.metrics import Evaluation
from konvolut.types import Labels, Logits, Pictures


class Mirrored(nn.Module):
    """Answers of `net` for a picture and for its mirror image, averaged: (n, c, h, w) -> logits (n, k).

    Twice the work. Simonyan, Zisserman 2014, section 3.2, average probabilities; of logits, the answer is a net's again.
    A module, so that whatever takes a net takes it: evaluation, prediction, export.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, batch: Tensor) -> Tensor:
        return (answers(self.net(batch))[0] + answers(self.net(batch.flip(-1)))[0]) / 2


def logits(net: nn.Module, pictures: Pictures, spec: InputSpec, device: str = "cpu") -> Logits:
    """(n, h, w, c) uint8 -> (n, k): every picture once, unaugmented. The mode of every part is left as it was."""
    with evaluating(net), torch.inference_mode():
        found = [answers(net(images.to(device)))[0].float().cpu().numpy() for images in in_order(pictures, spec)]
    return np.concatenate(found)


def evaluate(
    net: nn.Module,
    pictures: Pictures,
    spec: InputSpec,
    *,
    split: str,
    classes: tuple[str, ...],
    names: tuple[str, ...],
    labels: Labels,
    device: str = "cpu",
) -> Evaluation:
    """Answers on `pictures`, which are already of the net's size (see `images.batches.hold`)."""
    return Evaluation(split, classes, names, labels, logits(net, pictures, spec, device))
