"""Answers of a run, or of a net with somebody's weights, on single pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from konvolut.errors import DataError
from konvolut.images.decode import read
from konvolut.images.preprocess import preprocess
from konvolut.training.evaluate import logits
from konvolut.training.known import Known, of_run
from konvolut.training.metrics import Evaluation
from konvolut.training.run import Run

BLOCK = 256  # pictures decoded before they are answered: bounds the memory of a large folder


@dataclass(frozen=True, slots=True)
class Answer:
    """What a picture is said to be: (label, probability), the most probable first."""

    path: str
    labels: tuple[tuple[str, float], ...]


def predict(run: Run | Known, paths: Sequence[str], top: int = 1) -> tuple[list[Answer], list[DataError]]:
    """Answers in the order of `paths`, and the errors of those that could not be read."""
    found = of_run(run) if isinstance(run, Run) else run
    answers: list[Answer] = []
    refused: list[DataError] = []
    files = [file for path in paths for file in listed(Path(path))]
    for start in range(0, len(files), BLOCK):
        held, names = [], []
        for file in files[start : start + BLOCK]:
            try:
                held.append(preprocess(read(file, **found.spec.decoding), found.spec))
                names.append(str(file))
            except DataError as error:
                refused.append(error)
        if held:
            numbers = logits(found.net, np.stack(held), found.spec)
            nobody = np.zeros(len(held), np.int64)  # nobody said what they are
            probabilities = Evaluation("", found.classes, tuple(names), nobody, numbers).probabilities
            for name, row in zip(names, probabilities, strict=True):
                best = np.argsort(-row)[:top]
                answers.append(Answer(name, tuple((found.classes[k], float(row[k])) for k in best)))
    return answers, refused


def listed(path: Path) -> list[Path]:
    """A folder's files at any depth, hidden ones left out; a file is itself, also when it is missing."""
    if not path.is_dir():
        return [path]
    return sorted(
        file
        for file in path.rglob("*")
        if file.is_file() and not any(part.startswith(".") for part in file.relative_to(path).parts)
    )
