"""From `--set` to the pictures a net is trained on: crops, squares, what is left out, and what a later process opens again."""

import json
import os

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from untidy import album

from konvolut.cli.eval import command
from konvolut.errors import DataError, RecipeError
from konvolut.images import contact, quarantine
from konvolut.images.batches import hold
from konvolut.images.crops import Crops
from konvolut.images.decode import read
from konvolut.images.packing import pack
from konvolut.images.shards import Decoded
from konvolut.images.sources import open_images
from konvolut.training.course import Course, train
from konvolut.training.judge import evaluate_run
from konvolut.training.known import of_run
from konvolut.training.plan import plan
from konvolut.training.predict import predict
from konvolut.training.run import open_run, opened_again

CHEAP = {"epochs": 1, "batch": 4}


@pytest.fixture
def photos(tmp_path):
    """JPEG files of 400 px, two classes, one of them damaged."""
    dice = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(8):
            coarse = dice.integers(0, 256, (6, 8, 3), dtype=np.uint8)
            Image.fromarray(coarse).resize((400, 300)).save(tmp_path / "photos" / name / f"{i}.jpg")
    bad = tmp_path / "photos" / "dog" / "5.jpg"
    bad.write_bytes(b"nothing")
    (tmp_path / "leave-out.txt").write_text("dog/5.jpg\n")
    return tmp_path / "photos"


def test_what_is_excluded_is_left_out_now_and_when_the_set_is_opened_again(photos, tmp_path):
    out = tmp_path / "leave-out.txt"
    images = open_images(photos, exclude=out)
    run = train(images, "lenet", size=32, out=tmp_path / "run", exclude=str(out), **CHEAP)
    assert sum(map(len, images.splits.values())) == 15
    again = opened_again(open_run(run.path).card)
    assert again.digest == images.digest
    assert of_run(run).exclude == str(out)
    for spelt in (photos, f"{photos}/", f"{photos.parent}/./photos"):
        told = CliRunner().invoke(command, [str(run.path), str(spelt), "--json"])
        assert json.loads(told.stdout)["n"] == len(images.splits["test"])
    with pytest.raises(RecipeError, match=r"open_images\(\.\.\., exclude=FILE\) leaves some out"):
        plan(images, "lenet", settings=CHEAP)


def test_a_recipe_says_how_pictures_become_squares(tmp_path):
    images = open_images(album(tmp_path / "set", {"cat": 8, "dog": 8}))
    spec = plan(images, "lenet", settings={**CHEAP, "fit": "crop", "background": 0}).spec
    assert (spec.fit, spec.background, spec.jpeg) == ("crop", 0, "whole")
    with pytest.raises(RecipeError, match="did you mean 'stretch'"):
        plan(images, "lenet", settings={**CHEAP, "fit": "strech"})


def test_large_photographs_are_decoded_smaller_and_serving_does_the_same(photos, tmp_path):
    (photos / "dog" / "5.jpg").unlink()
    images = open_images(photos)
    run = train(images, "lenet", size=32, out=tmp_path / "run", **CHEAP)
    assert run.card.input.jpeg == "scaled"
    name = images.splits["test"].names[0]
    (answer,), refused = predict(run, [str(photos / name)], top=2)
    assert not refused
    trained = evaluate_run(run, images).probabilities[0]
    told = dict(answer.labels)
    assert [told[label] for label in run.card.classes] == pytest.approx(trained.tolist(), abs=1e-6)


def test_random_crops_train_validate_and_resume_to_the_same_weights(photos, tmp_path):
    (photos / "dog" / "5.jpg").unlink()
    images = open_images(photos)
    found = plan(images, "lenet", size=32, settings={**CHEAP, "epochs": 2, "crop": 0.2})
    courses = [Course(images, found, tmp_path / name) for name in ("one", "two")]
    for course in courses:
        assert isinstance(course.batches.pictures, Crops)
        assert "train" not in course.held
        assert course.keeping().startswith("every crop is decoded")
        list(course)
    first, second = ((course.run.path / "weights.safetensors").read_bytes() for course in courses)
    assert first == second
    assert courses[0].augmented(3).shape == (3, 32, 32, 3)
    assert all(0 <= entry["waited"] <= entry["seconds"] for entry in open_run(tmp_path / "one").log())


def test_a_pack_of_squares_trains_to_what_its_folder_is_answered_by(photos, tmp_path):
    (photos / "dog" / "5.jpg").unlink()
    pack(photos, tmp_path / "squares", Decoded(32, "crop"))
    squares = open_images(tmp_path / "squares")
    run = train(squares, "lenet", size=32, out=tmp_path / "run", **CHEAP)
    assert (run.card.input.fit, run.card.recipe.fit) == ("crop", "crop")
    theirs, ours = (evaluate_run(run, images).logits for images in (squares, open_images(photos)))
    assert np.allclose(theirs, ours, atol=1e-6)
    with pytest.raises(RecipeError, match="fit = stretch: these pictures were decoded with fit crop"):
        plan(squares, "lenet", settings={**CHEAP, "fit": "stretch"})


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="no file that holds a picture"):
        read(tmp_path / "pipe")
    with pytest.raises(DataError, match="not a file; give a list of names"):
        open_images(album(tmp_path / "set", {"cat": 4, "dog": 4}), exclude=tmp_path / "pipe")
    for replaceable in (quarantine.replaceable, contact.replaceable):
        with pytest.raises(DataError, match="already there"):
            replaceable(tmp_path / "pipe")


def test_a_pack_trains_to_the_weights_of_its_folder(photos, tmp_path):
    (photos / "dog" / "5.jpg").unlink()
    pack(photos, tmp_path / "packed")
    weights = []
    for where in (photos, tmp_path / "packed"):
        images = open_images(where)
        run = train(images, "lenet", size=32, out=tmp_path / f"run of {where.name}", **CHEAP)
        weights.append((run.path / "weights.safetensors").read_bytes())
        assert (
            hold(images.splits["test"], run.card.input) == hold(open_images(photos).splits["test"], run.card.input)
        ).all()
    assert weights[0] == weights[1]
