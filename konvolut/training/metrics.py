"""What a set of logits says, as sums that add up over batches, and as figures with intervals. Numpy only."""

from dataclasses import dataclass
from math import nan
from statistics import NormalDist

import numpy as np
from jaxtyping import Float32, Float64, Int64
from numpy import ndarray

from konvolut.types import Labels, Logits


@dataclass(frozen=True, slots=True)
class Tally:
    """Sums over images: add two tallies to get that of both; the means are derived, NaN of no image."""

    loss_sum: float = 0.0  # nats
    right: int = 0
    seen: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.loss_sum + other.loss_sum, self.right + other.right, self.seen + other.seen)

    @property
    def loss(self) -> float:
        return self.loss_sum / self.seen if self.seen else nan

    @property
    def accuracy(self) -> float:
        return self.right / self.seen if self.seen else nan


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """A net's answers on one split, picture by picture, computed in fp32."""

    split: str  # train, val or test
    classes: tuple[str, ...]
    names: tuple[str, ...]
    labels: Labels
    logits: Logits

    @property
    def probabilities(self) -> Float32[ndarray, "n k"]:
        shifted = np.exp(self.logits - self.logits.max(1, keepdims=True))
        return np.asarray(shifted / shifted.sum(1, keepdims=True), dtype=np.float32)

    @property
    def answers(self) -> Labels:
        return np.asarray(self.logits.argmax(1), dtype=np.int64)

    @property
    def tally(self) -> Tally:
        top = self.logits.max(1)
        log_sum = top + np.log(np.exp(self.logits - top[:, None]).sum(1))
        losses = log_sum - self.logits[np.arange(len(self.labels)), self.labels]
        return Tally(float(losses.sum()), int((self.answers == self.labels).sum()), len(self.labels))

    @property
    def accuracy(self) -> float:
        return self.tally.accuracy

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % Wilson interval of the accuracy."""
        return wilson(self.tally.right, self.tally.seen)

    @property
    def confusion(self) -> Int64[ndarray, "k k"]:
        """Row: the true class. Column: the answer. Cell: pictures."""
        k = len(self.classes)
        return np.bincount(self.labels * k + self.answers, minlength=k * k).reshape(k, k).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Bin:
    """Pictures whose confidence falls in one range."""

    count: int
    confidence: float  # mean probability of the answers
    accuracy: float


def calibration(evaluation: Evaluation, bins: int = 10) -> tuple[list[Bin], float]:
    """Reliability in `bins` ranges of equal width (empty ones left out), and the expected calibration error.

    The error is the mean of |confidence - accuracy| weighted by pictures (Guo et al. 2017, eq. 3).
    """
    confidence = evaluation.probabilities.max(1)
    right = evaluation.answers == evaluation.labels
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    found = [
        Bin(int(held.sum()), float(confidence[held].mean()), float(right[held].mean()))
        for held in (place == b for b in range(bins))
        if held.any()
    ]
    error = sum(b.count * abs(b.confidence - b.accuracy) for b in found) / len(right)
    return found, float(error)


def wilson(right: int, seen: int, level: float = 0.95) -> tuple[float, float]:
    """The Wilson score interval of a share (Wilson 1927).

    >>> [round(end, 4) for end in wilson(986, 1000)]
    [0.9766, 0.9916]
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    share, scale = right / seen, 1 + z * z / seen
    centre = (share + z * z / (2 * seen)) / scale
    half = z * (share * (1 - share) / seen + z * z / (4 * seen * seen)) ** 0.5 / scale
    return max(0.0, centre - half), min(1.0, centre + half)


def per_class(evaluation: Evaluation) -> Float64[ndarray, "k 3"]:
    """Precision, recall and F1 of each class; NaN where a class was never answered or never shown."""
    matrix = evaluation.confusion.astype(np.float64)
    hits = np.diag(matrix)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision, recall = hits / matrix.sum(0), hits / matrix.sum(1)
        f1 = 2 * hits / (matrix.sum(0) + matrix.sum(1))
    return np.stack([precision, recall, f1], axis=1)
