"""Unequal classes: what a picture of each counts in the loss, or an epoch in which all are seen equally often."""

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray

from konvolut.images.dice import Stream, dice
from konvolut.types import Labels


def class_weights(labels: Labels, classes: int) -> Float64[ndarray, "classes"]:
    """What a picture of each class counts: n / (k * n_class), the mean over pictures is 1; 0 for a class without any.

    King and Zeng 2001, as scikit-learn's "balanced". `k` counts the classes that have pictures.
    """
    counts = np.bincount(labels, minlength=classes)
    there = counts > 0
    return np.asarray(np.where(there, len(labels) / (there.sum() * np.maximum(counts, 1)), 0.0))


def balanced_order(labels: Labels, seed: int, epoch: int) -> Int64[ndarray, "n"]:
    """As many pictures as there are, shuffled, every class equally often up to one: a function of (seed, epoch).

    Of a rare class each picture comes again before any comes a further time; of a frequent one, others are seen in
    each epoch.
    """
    n, present = len(labels), np.unique(labels)
    spare = np.argsort(dice(seed, epoch, present, Stream.SPARE), kind="stable")
    share = np.full(len(present), n // len(present))
    share[spare[: n % len(present)]] += 1
    chance = dice(seed, epoch, np.arange(n), Stream.PICK)
    picks = []
    for one, count in zip(present, share, strict=True):
        own = np.flatnonzero(labels == one)
        picks.append(np.resize(own[np.argsort(chance[own], kind="stable")], count))  # around and around
    found = np.concatenate(picks)
    return found[np.argsort(dice(seed, epoch, np.arange(n), Stream.ORDER), kind="stable")]
