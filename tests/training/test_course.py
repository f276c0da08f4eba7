"""A run on disk: what is written, what a resumed one comes to, and how often the test split is read."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from untidy import album, untidy

from konvolut.errors import DataError, RecipeError, RunError
from konvolut.images.imageset import Split
from konvolut.images.sources import open_images
from konvolut.training.course import Course, resume, train
from konvolut.training.judge import evaluate_run
from konvolut.training.loop import Epoch
from konvolut.training.plan import plan
from konvolut.training.predict import predict
from konvolut.training.run import free_folder, open_run

CHEAP = {"epochs": 3, "batch": 16}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return untidy(tmp_path_factory.mktemp("data") / "odd", per_class=8)


@pytest.fixture(scope="module")
def finished(folder, tmp_path_factory):
    """One small training, from a folder to a run."""
    return train(open_images(folder), "lenet", out=tmp_path_factory.mktemp("runs") / "whole", **CHEAP)


def lines(run):
    """The log without what depends on the clock."""
    clock = ("seconds", "waited", "images_per_s", "waiting", "memory_mb")
    return [{k: v for k, v in e.items() if k not in clock} for e in run.entries()]


def test_a_run_folder_holds_what_it_says(finished):
    held = {path.name for path in finished.path.iterdir()}
    assert held == {"card.json", "log.jsonl", "weights.safetensors", "evaluation.npz"}
    card = json.loads((finished.path / "card.json").read_text())
    assert card["classes"] == ["BARS", "green plus", "red_disc", "黄色方框"]
    assert card["results"]["test"]["n"] == sum(card["data"]["counts"]["test"])
    assert [e["epoch"] for e in finished.log()] == [1, 2, 3]


def test_a_run_opened_again_gives_the_same_answers(finished, folder):
    opened = open_run(finished.path)
    assert opened.card == finished.card
    again = evaluate_run(opened, open_images(folder), "test")
    assert (again.logits == opened.evaluation().logits).all()


def test_predict_agrees_with_the_evaluation(finished, folder):
    stored = finished.evaluation()
    answers, refused = predict(finished, [str(folder / name) for name in stored.names])
    assert not refused
    assert [a.labels[0][0] for a in answers] == [stored.classes[k] for k in stored.answers]
    assert all(abs(a.labels[0][1] - p) < 1e-5 for a, p in zip(answers, stored.probabilities.max(1), strict=True))


def test_predict_lists_what_it_cannot_read(finished, folder, tmp_path):
    (tmp_path / "no.png").write_bytes(b"no picture")
    answers, refused = predict(finished, [str(tmp_path / "no.png"), str(tmp_path / "gone.png"), str(folder / "test")])
    assert len(refused) == 2
    assert len(answers) == len(finished.evaluation().labels)


@pytest.mark.parametrize(("keep", "seed"), [("last", 0), ("best", 3)])
def test_a_resumed_run_is_the_uninterrupted_run_to_the_bit(folder, tmp_path, keep, seed):
    images = open_images(folder, val=0.2, seed=seed)
    planned = plan(images, "lenet", settings={**CHEAP, "keep": keep, "seed": seed})
    whole = Course(images, planned, tmp_path / "whole")
    list(whole)
    stopped = Course(images, planned, tmp_path / "stopped")
    for event in stopped:
        if isinstance(event, Epoch):
            break
    with (tmp_path / "stopped" / "log.jsonl").open("a") as log:  # as if killed between the log line and the checkpoint
        log.write('{"epoch": 2, "lr": 9}\n')
    with pytest.raises(RunError, match=r"not finished.*konvolut train --resume"):
        open_run(tmp_path / "stopped").net()
    held = open_run(tmp_path / "stopped").card.data  # what a later process knows of the pictures
    again = open_images(held["where"], val=held["val"], seed=held["seed"])
    rest = resume(open_run(tmp_path / "stopped"), again)
    list(rest)
    assert lines(whole.run) == lines(rest.run)
    pairs = zip(whole.run.net().state_dict().values(), rest.run.net().state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert whole.run.card.results == rest.run.card.results
    with pytest.raises(RunError, match="already finished"):
        resume(open_run(rest.run.path), images)


def test_other_pictures_are_not_resumed_on(folder, tmp_path):
    images = open_images(folder)
    stopped = Course(images, plan(images, "lenet", settings=CHEAP), tmp_path / "run")
    next(iter(stopped))
    other = open_images(album(tmp_path / "other", {"a": 20, "b": 20}))
    with pytest.raises(RunError, match="not those it was trained on"):
        resume(open_run(stopped.run.path), other)


def test_the_test_split_is_read_once_and_last(folder, tmp_path):
    images = open_images(folder)
    reads: list[str] = []
    test = images.splits["test"]

    def counted(name: str, **how):
        reads.append(name)
        return test.load(name, **how)

    spied = replace(images, splits={**images.splits, "test": Split(test.names, test.labels, test.hashes, counted)})
    for event in Course(spied, plan(spied, "lenet", settings=CHEAP), tmp_path / "run"):
        if isinstance(event, Epoch):
            assert not reads
    assert sorted(reads) == sorted(test.names)


def test_nothing_is_written_when_the_pictures_are_bad(folder, tmp_path):
    images = open_images(folder)
    with pytest.raises(RecipeError, match=r"batch = 500, but only \d+ pictures"):
        Course(images, plan(images, "lenet", settings={"batch": 500}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_folder_in_use_is_never_overwritten(tmp_path):
    (tmp_path / "kept").write_text("mine")
    with pytest.raises(RunError, match="not empty, and nothing is overwritten"):
        free_folder(tmp_path, "x")
    with pytest.raises(RunError, match="a file"):
        free_folder(tmp_path / "kept", "x")
    assert (tmp_path / "kept").read_text() == "mine"


def test_a_run_of_another_version_is_refused(finished, tmp_path):
    card = json.loads((finished.path / "card.json").read_text())
    for change, gist in (
        ({"format": 99}, "format 99; this version reads 1"),
        ({"table": "0" * 64}, "another table of lenet"),
        ({"recipe": {"epochs": -1}}, "not a card of this version"),
    ):
        (tmp_path / "card.json").write_text(json.dumps(card | change))
        with pytest.raises(RunError, match=gist):
            open_run(tmp_path).arch()
    (tmp_path / "card.json").write_text("{")
    with pytest.raises(RunError, match="not a card"):
        open_run(tmp_path)
    with pytest.raises(RunError, match="no run folder"):
        open_run(tmp_path / "nowhere")


def test_a_set_with_a_class_the_run_never_saw_is_refused(finished, tmp_path):
    with pytest.raises(DataError, match="the run knows no class 'zebra'"):
        evaluate_run(finished, open_images(album(tmp_path / "z", {"BARS": 6, "zebra": 6})))
    with pytest.raises(DataError, match="no split 'val'"):
        evaluate_run(finished, open_images(album(tmp_path / "y", {"BARS": 6, "red_disc": 6}), val=0.0), "val")


def test_classes_of_another_set_are_matched_by_name(finished, tmp_path):
    found = evaluate_run(finished, open_images(album(tmp_path / "two", {"red_disc": 10, "BARS": 10})))
    assert set(found.labels.tolist()) == {0, 2}


def test_two_runs_never_share_a_folder(folder, tmp_path):
    images = open_images(folder)
    planned = plan(images, "lenet", settings=CHEAP)
    first, second = (Course(images, planned, tmp_path / "run") for _ in range(2))
    next(iter(first))
    with pytest.raises(RunError, match="another run has just begun there"):
        next(iter(second))


@pytest.mark.parametrize("file", ["weights.safetensors", "evaluation.npz"])
def test_a_damaged_file_is_named(finished, tmp_path, file):
    run = tmp_path / "run"
    shutil.copytree(finished.path, run)
    whole = (run / file).read_bytes()
    (run / file).write_bytes(whole[: len(whole) // 2])
    opened = open_run(run)
    with pytest.raises(RunError, match=rf"{file}: damaged \("):
        opened.net() if file.startswith("weights") else opened.evaluation()


def test_a_damaged_checkpoint_is_passed_over_and_said(folder, tmp_path, finished):
    images = open_images(folder)
    stopped = Course(images, plan(images, "lenet", settings=CHEAP), tmp_path / "run", steps=1)
    events = iter(stopped)
    next(events), next(events), next(events)
    newest, _ = stopped.checkpoints.files()
    newest.write_bytes(newest.read_bytes()[:-1])
    rest = resume(open_run(tmp_path / "run"), images)
    assert rest.notes == ["the checkpoint of step 2 is damaged: the one before it is taken"]
    list(rest)
    assert lines(rest.run) == lines(finished)


def test_a_run_whose_every_checkpoint_is_damaged_is_refused(folder, tmp_path):
    images = open_images(folder)
    stopped = Course(images, plan(images, "lenet", settings=CHEAP), tmp_path / "run", steps=1)
    next(iter(stopped))
    for file in stopped.checkpoints.files():
        file.write_bytes(b"PK no checkpoint")
    with pytest.raises(RunError, match="damaged, every checkpoint of it"):
        resume(open_run(tmp_path / "run"), images)


def test_a_set_with_nothing_held_out_is_judged_on_its_training_pictures_and_says_so(tmp_path):
    images = open_images(album(tmp_path / "two", {"a": 1, "b": 1}))
    run = train(images, "lenet", out=tmp_path / "run", epochs=1, batch=2)
    assert run.card.results["train"]["n"] == 2
    assert run.evaluation().split == "train"
