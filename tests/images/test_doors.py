"""Of one harmed file, `check`, `train` and `predict` say the same."""

from collections import Counter
from pathlib import Path

import pytest
from hostile import mutated, originals

from konvolut.errors import DataError
from konvolut.images.check import check
from konvolut.images.preprocess import InputSpec
from konvolut.images.sources import open_images
from konvolut.nets.open import build
from konvolut.training.course import Course
from konvolut.training.known import Known
from konvolut.training.plan import plan
from konvolut.training.predict import predict


def refused_by_check(root: Path) -> dict[str, str]:
    """What is said of a file below `root`, by its path; so the others."""
    found = check(root).of("unreadable")
    return {} if found is None else {why.partition(": ")[0]: why for why in found.reasons}


def refused_by_predict(root: Path) -> dict[str, str]:
    net = build("lenet@d2l").eval()
    _, refused = predict(Known("", net, InputSpec(size=28, channels=1), tuple("0123456789")), [str(root)])
    return {str(error).partition(": ")[0]: str(error) for error in refused}


def refused_by_train(root: Path, out: Path) -> str:
    """What training says before its first step; it stops at the first file that it cannot read."""
    try:
        images = open_images(root, val=0)
        Course(images, plan(images, "lenet@d2l", settings={"epochs": 1, "batch": 2}), out)
    except DataError as error:
        return str(error)
    return ""


def agree(numbers: range, folder: Path) -> Counter[bool]:
    """Put the mutated files of those numbers through the three doors; how many were let in, and not."""
    together, alone, good = (folder / name for name in ("together", "alone", "good"))
    whole = dict(originals())["PNG"]
    for root in (alone, good):
        for place in ("train/a", "train/b", "test/a", "test/b"):
            (root / place).mkdir(parents=True)
            (root / place / "whole.png").write_bytes(whole)
    for label in ("a", "b"):
        (together / label).mkdir(parents=True)
    paths = {n: together / "ab"[n % 2] / f"{n:05d}.img" for n in numbers}
    for number, path in paths.items():
        path.write_bytes(mutated(number)[1])
    by_check, by_predict = refused_by_check(together), refused_by_predict(together)
    one = alone / "train" / "a" / "x.img"
    for number, path in paths.items():
        doors = {"check": by_check.get(str(path), ""), "predict": by_predict.get(str(path), "")}
        if any(doors.values()):
            one.write_bytes(path.read_bytes())
            end = f"; `konvolut check {alone}` finds every such picture"
            doors["train"] = refused_by_train(alone, folder / "run").removesuffix(end).replace(str(one), str(path), 1)
        else:
            (good / "train" / "a" / path.name).write_bytes(path.read_bytes())
        assert len(set(doors.values())) == 1, (mutated(number)[0], doors)
        assert "\n" not in doors["check"]
    assert refused_by_train(good, folder / "run") == ""  # what the others let in, all at once
    assert not (folder / "run").exists()
    return Counter(str(path) not in by_check for path in paths.values())


def test_three_doors_agree_on_harmed_files(tmp_path):
    seen = agree(range(75), tmp_path)
    assert seen[True] > 5
    assert seen[False] > 5


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_three_doors_agree_on_ten_thousand_harmed_files(tmp_path):
    seen = agree(range(10_000), tmp_path)
    assert seen.total() == 10_000
    assert min(seen.values()) > 2000


@pytest.mark.parametrize("door", ["training.predict.encoded", "images.files.encoded"])
def test_a_door_that_lets_in_what_the_others_refuse_is_noticed(tmp_path, monkeypatch, door):
    monkeypatch.setattr(f"konvolut.{door}", lambda path: dict(originals())["PNG"])
    with pytest.raises(AssertionError, match="assert 2 == 1"):  # two verdicts
        agree(range(20), tmp_path)
