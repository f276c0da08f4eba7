"""Answers of a run, or of a net with somebody's weights, on single pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from konvolut.errors import DataError
from konvolut.images.decode import decode
from konvolut.images.files import encoded
from konvolut.images.folders import pictures
from konvolut.images.imageset import Load, Shrink
from konvolut.images.preprocess import preprocess
from konvolut.images.shards import Pack, holds_pack
from konvolut.training.evaluate import logits
from konvolut.training.known import Known, of_run
from konvolut.training.metrics import Evaluation
from konvolut.training.run import Run
from konvolut.types import Picture

BLOCK = 256  # pictures decoded before they are answered: bounds the memory of a large folder


@dataclass(frozen=True, slots=True)
class Answer:
    """What a picture is said to be: (label, probability), the most probable first."""

    path: str  # of a picture in a pack, the name it has there
    labels: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """The pictures that paths lead to."""

    pictures: tuple[tuple[str, Load], ...]  # name, and what loads it
    passed_over: tuple[Path, ...]  # in folders: documents, pipes, links to folders


def asked(paths: Sequence[str]) -> Asked:
    """A folder is every picture in it at any depth, as training lists them; a pack, every picture that was packed.

    Anything else is a picture, also when it is missing. Raises DataError for a folder that may not be listed, or a
    damaged pack.
    """
    found: list[tuple[str, Load]] = []
    passed: list[Path] = []
    for text in paths:
        path = Path(text)
        if holds_pack(path):
            pack = Pack(path)
            load = pack.load()
            found += [(name, load) for name in pack.index.names]
        elif path.is_dir():
            files, aside = pictures(path)
            found += [(str(file), of_file) for file in files]
            passed += aside
        else:
            found.append((str(path), of_file))
    return Asked(tuple(found), tuple(passed))


def predict(run: Run | Known, paths: Sequence[str] | Asked, top: int = 1) -> tuple[list[Answer], list[DataError]]:
    """Answers in the order of `paths`, and the errors of those that could not be read. For the paths, see `asked`."""
    found = of_run(run) if isinstance(run, Run) else run
    every = (paths if isinstance(paths, Asked) else asked(paths)).pictures
    answers: list[Answer] = []
    refused: list[DataError] = []
    for start in range(0, len(every), BLOCK):
        held, names = [], []
        for name, load in every[start : start + BLOCK]:
            try:
                held.append(preprocess(load(name, **found.spec.decoding), found.spec))
                names.append(name)
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


def of_file(name: str, shrink: Shrink | None = None, background: int = 255) -> Picture:
    return decode(encoded(Path(name)), name, shrink=shrink, background=background)
