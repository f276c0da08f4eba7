"""Where a net was wrong, the worst first."""

import csv
import os
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np

from konvolut.training.metrics import Evaluation


@dataclass(frozen=True, slots=True)
class Mistake:
    """One picture the net answered wrongly."""

    name: str  # as its split calls it: a path below the root, or "test/17"
    truth: str
    answer: str
    confidence: float  # probability of the answer
    truth_probability: float  # what was left for the truth


def mistakes(evaluation: Evaluation) -> list[Mistake]:
    """Every wrong answer, by falling loss: the least probable truth first; equal losses by name.

    The loss is taken in double precision from the logits, so that two truths whose probabilities both round to zero
    still have an order.
    """
    logits = evaluation.logits.astype(np.float64)
    top = logits.max(1)
    log_sum = top + np.log(np.exp(logits - top[:, None]).sum(1))
    answers = evaluation.answers
    wrong = np.flatnonzero(answers != evaluation.labels).tolist()
    loss = {i: float(log_sum[i] - logits[i, evaluation.labels[i]]) for i in wrong}
    return [
        Mistake(
            evaluation.names[i],
            evaluation.classes[evaluation.labels[i]],
            evaluation.classes[answers[i]],
            float(np.exp(top[i] - log_sum[i])),
            float(np.exp(-loss[i])),
        )
        for i in sorted(wrong, key=lambda i: (-loss[i], evaluation.names[i]))
    ]


def confused(evaluation: Evaluation, most: int = 3) -> list[tuple[str, str, int, int]]:
    """The pairs most often taken one for the other: truth, answer, how often, pictures of that truth.

    Equal counts go by their share of the truth, then by the order of the classes.
    """
    matrix, shown = evaluation.confusion, evaluation.confusion.sum(1)
    k = len(evaluation.classes)
    found = [(i, j) for i in range(k) for j in range(k) if i != j and matrix[i, j]]
    found.sort(key=lambda pair: (-matrix[pair], -matrix[pair] / shown[pair[0]], pair))
    names = evaluation.classes
    return [(names[i], names[j], int(matrix[i, j]), int(shown[i])) for i, j in found[:most]]


def write_csv(path: Path, evaluation: Evaluation) -> Path:
    """Write every mistake to `path`, in the order of `mistakes`; probabilities with six decimals."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        # a file name that is not UTF-8 is written back with the bytes it came with
        with part.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow([f.name for f in fields(Mistake)])
            for mistake in mistakes(evaluation):
                rows.writerow([f"{v:.6f}" if isinstance(v, float) else v for v in astuple(mistake)])
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path
