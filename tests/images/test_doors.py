"""Of one harmed file, `check`, `train` and `predict` say the same."""

from collections import Counter
from pathlib import Path

import pytest
from hostile import mutated, originals

from konvolut.errors import DataError
from konvolut.images.batches import hold
from konvolut.images.check import check
from konvolut.images.decode import decode, read
from konvolut.images.preprocess import InputSpec, preprocess
from konvolut.images.sources import open_images

SPEC = InputSpec(size=16, fit="crop", jpeg="scaled")


def refused_by_check(root: Path) -> dict[str, str]:
    """Name -> reason, of all files below `root` at once: it looks at each in a process that may die of it."""
    found = check(root).of("unreadable")
    return {} if found is None else {name: why for (name,), why in zip(found.groups, found.reasons, strict=True)}


def refused_by_train(data: bytes, root: Path) -> str:
    """What `train` does to one file: its set is opened, its pictures are held."""
    (root / "train" / "a" / "x.img").write_bytes(data)
    try:
        split = open_images(root, val=0).splits["train"]
        hold(split.part([split.names.index("train/a/x.img")]), SPEC)
    except DataError as error:
        return str(error)
    return ""


def refused_by_predict(path: Path) -> str:
    try:
        preprocess(read(path, **SPEC.decoding), SPEC)
    except DataError as error:
        return str(error)
    return ""


def agree(numbers: range, folder: Path) -> Counter[bool]:
    """Put the mutated files of those numbers through the three doors; how many were let in, and not."""
    alone, together = folder / "alone", folder / "together"
    whole = dict(originals())["PNG"]
    for place in ("train/a", "train/b", "test/a", "test/b"):
        (alone / place).mkdir(parents=True)
        (alone / place / "whole.png").write_bytes(whole)
    for label in ("a", "b"):
        (together / label).mkdir(parents=True)
    paths = {n: together / "ab"[n % 2] / f"{n:05d}.img" for n in numbers}
    for number, path in paths.items():
        path.write_bytes(mutated(number)[1])
    by_check = refused_by_check(together)
    seen: Counter[bool] = Counter()
    for number, path in paths.items():
        name, data = mutated(number)
        said = by_check.get(path.relative_to(together).as_posix(), "")
        doors = {"check": said, "train": refused_by_train(data, alone), "predict": refused_by_predict(path)}
        reasons = {door: why.partition(": ")[2] for door, why in doors.items()}
        assert len(set(reasons.values())) == 1, (name, doors)
        assert all("\n" not in why for why in doors.values()), (name, doors)
        assert doors["predict"].startswith(f"{path}: ") or not doors["predict"], (name, doors)
        seen[not said] += 1
    return seen


def test_three_doors_agree_on_harmed_files(tmp_path):
    seen = agree(range(75), tmp_path)
    assert seen[True] > 5
    assert seen[False] > 5


@pytest.mark.slow
def test_three_doors_agree_on_ten_thousand_harmed_files(tmp_path):
    seen = agree(range(10_000), tmp_path)
    assert seen.total() == 10_000
    assert min(seen.values()) > 2000


def test_a_door_that_lets_in_what_the_others_refuse_is_noticed(tmp_path, monkeypatch):
    whole = decode(dict(originals())["PNG"], "x")
    monkeypatch.setattr("test_doors.read", lambda path, **_: whole)
    with pytest.raises(AssertionError, match="predict"):
        agree(range(20), tmp_path)
