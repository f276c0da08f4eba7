"""`konvolut classic`: a run folder like a net's, a report that opens, and one clear line for what cannot be."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from spoken import konvolut

from konvolut.classic.course import Course, Pipeline, fewer, opened
from konvolut.errors import RunError
from konvolut.images.batches import hold
from konvolut.images.preprocess import InputSpec
from konvolut.images.sources import open_images
from konvolut.training.run import open_run


def classify(images, pipeline, spec, out):
    """The run of a course that goes to its end."""
    course = Course(images, pipeline, spec, out)
    assert list(course)
    return course.run


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """300 digits to train on, 100 to test, at 28 px."""
    splits = open_images("digits", val=0).splits
    held = {}
    for role, short, every in (("train", "train", 13), ("test", "test", 10)):
        split = splits[role].part(range(0, len(splits[role]), every))
        held |= {f"x_{short}": hold(split, InputSpec(size=28, channels=1)), f"y_{short}": split.labels}
    path = tmp_path_factory.mktemp("digits") / "few.npz"
    np.savez(path, **held)
    return path


@pytest.fixture
def say(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return lambda *words: konvolut(capsys, monkeypatch, *words)


def test_from_pictures_to_a_report(say, digits, tmp_path):
    told = say("classic", digits)
    assert told.status == 0, told.err
    assert "test pictures (95 % interval" in told.out
    assert "solved: KKT residual" in told.out
    assert "convex: the Gram matrix of all pictures is positive semi-definite" in told.out
    assert "the best on the validation pictures" in told.err
    folder = tmp_path / "runs/few.npz-hog-rbf-svm-1"
    run = open_run(folder)
    about = run.card.classic
    assert run.card.net == "hog rbf svm"
    assert run.card.results["test"]["accuracy"] == run.evaluation().accuracy > 0.85
    assert about["dimensions"] == 1296
    assert set(about["tried"]) == {"1", "10", "100"}
    assert about["tried"][f"{about['c']:g}"] == max(about["tried"].values())
    assert set(about["checks"]) == {"kkt", "gap", "agreement", "objectives", "least eigenvalue"}
    assert about["checks"]["agreement"] == 1
    page = folder / "report.html"
    before = page.read_text()
    assert "How it was solved" in before
    assert "--features hog --kernel rbf --machine svm --size 28" in before
    page.unlink()
    assert say("report", folder).status == 0
    assert "How it was solved" in page.read_text()


def test_the_weights_answer_as_the_run_did_and_the_same_seed_repeats_it(say, digits, tmp_path):
    words = (
        "classic",
        digits,
        "--features",
        "pca",
        "--machine",
        "ridge",
        "--kernel",
        "polynomial",
        "--c",
        10,
        "--json",
    )
    first, again = (json.loads(say(*words, "--out", name).out) for name in ("one", "two"))
    assert first["test"] == again["test"]
    assert first["chosen"] is False
    run = open_run(tmp_path / "one")
    assert "features.components" in (tmp_path / "one/weights.safetensors").read_bytes()[:2000].decode(errors="replace")
    images = open_images(digits)
    found = opened(run)(hold(images.splits["test"], run.card.input))
    assert np.allclose(found, run.evaluation().logits, atol=1e-5)
    assert (tmp_path / "one/weights.safetensors").read_bytes() == (tmp_path / "two/weights.safetensors").read_bytes()


@pytest.mark.parametrize("machine", ["logistic", "neighbours"])
def test_the_other_machines_write_their_runs_too(machine, digits, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    pipeline = Pipeline(features="moments", kernel="linear", machine=machine)
    run = classify(open_images(digits), pipeline, InputSpec(size=28, channels=1), tmp_path / "run")
    assert run.card.classic["solved"]
    assert run.card.results["test"]["accuracy"] > 0.4
    assert open_run(tmp_path / "run").card == run.card


def test_without_validation_pictures_the_usual_c_is_taken(digits, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    images = open_images(digits, val=0)
    run = classify(images, Pipeline(features="contours"), InputSpec(size=28, channels=1), tmp_path / "run")
    assert run.card.classic["c"] == 10
    assert any("no validation pictures" in line for line in run.card.reasons)


def test_a_check_that_fails_is_said(say, digits, monkeypatch):
    from konvolut.classic import course

    real = course.residuals
    monkeypatch.setattr(course, "residuals", lambda *asked: real(*asked) | {"kkt": 0.5})  # planted
    told = say("classic", digits, "--features", "contours", "--c", 1)
    assert told.status == 1
    assert "not solved to the end: KKT residual 5.0e-01" in told.out


def test_what_such_a_run_cannot_do_is_said_in_one_line(say, digits):
    assert say("classic", digits, "--features", "contours", "--c", 1, "--out", "run").status == 0
    for words in (("eval", "run", digits), ("predict", "run", digits), ("train", digits, "--weights", "run")):
        told = say(*words)
        assert told.status == 2
        assert "made by konvolut classic" in told.err.splitlines()[-1], words


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--features", "hoq"), "RecipeError: features 'hoq'; did you mean 'hog'?"),
        (("--kernel", "chi"), "RecipeError: kernel 'chi'; did you mean 'chi2'?"),
        (("--machine", "forest"), "RecipeError: machine 'forest'; known: svm, ridge, logistic, neighbours"),
        (("--features", "pca", "--kernel", "chi2"), "it takes raw, patches, words, hog, contours; pca go with linear"),
        (("--c", "0"), "RecipeError: c = 0; it is a number above 0"),
        (("--seed", "-1"), "RecipeError: seed = -1; it is a whole number, at least 0"),
        (("--size", "0"), "RecipeError: size = 0; it is a side in px"),
        (("--size", "5"), "RecipeError: features hog: pictures of 5 px are too small; 8 px is the least"),
    ],
)
def test_bad_wishes_are_one_line_and_leave_no_folder(say, digits, words, line, tmp_path):
    told = say("classic", digits, *words)
    assert told.status == 2
    assert line in told.err.splitlines()[-1]
    assert not (tmp_path / "runs").exists()


def test_a_missing_extra_is_named(say, digits, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("konvolut.classic")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sklearn.svm", None)
    told = say("classic", digits)
    assert told.status == 2
    assert "pip install 'konvolut[classic]'" in told.err.splitlines()[-1]


def test_fewer_pictures_are_as_even_as_can_be():
    split = open_images("digits", val=0).splits["train"]
    skewed = split.part([*np.flatnonzero(split.labels > 7), *np.flatnonzero(split.labels == 0)[:5]])
    some = fewer(skewed, 25)
    assert some.counts(10) == [5, 0, 0, 0, 0, 0, 0, 0, 10, 10]


def test_a_net_is_not_opened_as_one(digits, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    pipeline = Pipeline(features="raw", kernel="linear", machine="neighbours", c=1)
    run = classify(open_images(digits), pipeline, InputSpec(size=8, channels=1), tmp_path / "run")
    with pytest.raises(RunError, match="a net, not made by konvolut classic"):
        opened(replace(run, card=replace(run.card, classic={})))
    (run.path / "weights.safetensors").write_bytes(b"cut")
    with pytest.raises(RunError, match=r"weights\.safetensors: damaged"):
        opened(run)
