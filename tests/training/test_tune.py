"""Fine-tuning: the fit against scikit-learn's, the features against the net's own answers, and what is kept."""

import json

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from test_loop import LABELS, PICTURES, SPEC, TINY
from torch import nn

from konvolut.errors import RecipeError
from konvolut.images.arrays import of_arrays
from konvolut.images.drawn import draw
from konvolut.images.imageset import ImageSet
from konvolut.nets.arch import build
from konvolut.training.course import Course, resume, train
from konvolut.training.evaluate import logits
from konvolut.training.loop import Epoch, Step
from konvolut.training.plan import plan
from konvolut.training.run import open_run
from konvolut.training.trunk import tail
from konvolut.training.tune import minimise, trunk_features


def made(seed: int, classes: int = 10) -> ImageSet:
    """120 pictures of 16 px, `classes` of the ten."""
    pictures, labels = draw(200, 16, seed=seed)
    held = labels < classes
    pictures, labels = pictures[held], labels[held]
    cut = len(labels) * 3 // 5
    roles = {
        "train": slice(0, cut),
        "val": slice(cut, cut + len(labels) // 5),
        "test": slice(cut + len(labels) // 5, None),
    }
    given = of_arrays({r: (pictures[s], labels[s]) for r, s in roles.items()}, tuple("abcdefghij"[:classes]), ())
    return ImageSet("made", "made", given.classes, given.splits)


@pytest.fixture(scope="module")
def parent(tmp_path_factory):
    return train(made(1), TINY, out=tmp_path_factory.mktemp("parent") / "run", epochs=2, batch=20)


def test_the_penalised_fit_is_that_of_scikit_learn():
    chance = np.random.default_rng(0)
    takes, labels = chance.normal(size=(60, 5)).astype(np.float32), chance.integers(0, 3, 60)
    head = nn.Linear(5, 3)
    minimise(head, list(head.parameters()), torch.from_numpy(takes), torch.from_numpy(labels), 0.01)
    theirs = LogisticRegression(C=1 / (60 * 0.01), tol=1e-8, max_iter=1000).fit(takes, labels)
    assert np.allclose(head.weight.detach().numpy(), theirs.coef_, atol=2e-3)
    ours = torch.from_numpy(takes) @ head.weight.T + head.bias
    assert np.allclose(ours.softmax(1).detach().numpy(), theirs.predict_proba(takes), atol=2e-3)


def test_cached_features_and_the_classifier_are_the_net():
    net = build(TINY)
    found = trunk_features(net, PICTURES, SPEC)
    assert found.shape == (len(LABELS), 8)
    assert np.allclose(tail(net.eval())(found).detach().numpy(), logits(net, PICTURES, SPEC), atol=1e-5)


def test_a_module_whose_last_dense_layer_gives_no_logits_is_refused():
    class Doubled(nn.Sequential):
        def forward(self, batch):
            return 2 * super().forward(batch) + 1

    with pytest.raises(RecipeError, match="the logits of Doubled are not what its 1 gives"):
        trunk_features(Doubled(nn.Flatten(), nn.Linear(768, 10)), PICTURES, SPEC)


def test_weights_alone_ask_for_the_classifier_first_and_the_parent_is_named(parent):
    planned = plan(made(2), weights=parent.path)
    assert (planned.recipe.head_first, planned.recipe.trunk) == (True, 1.0)
    assert plan(made(2), TINY, weights=parent.path / "weights.safetensors").recipe.trunk == 0.1  # somebody's file
    assert planned.spec == parent.card.input  # its child takes what it took
    assert not plan(made(2), weights=parent.path, settings={"freeze": "trunk"}).recipe.head_first


@pytest.mark.parametrize("lr", [0.0, 0.05])
def test_what_is_kept_is_never_worse_on_validation_and_is_said(parent, tmp_path, lr):
    images = made(2, classes=4)
    course = Course(
        images, plan(images, weights=parent.path, settings={"epochs": 2, "batch": 20, "lr": lr}), tmp_path / "r"
    )
    list(course)
    card = open_run(tmp_path / "r").card
    assert card.parent == str(parent.path)
    assert len(card.parent_sha256) == 64
    assert any("4 in the net; kept as initialised" in reason for reason in card.reasons)
    last = list(course.run.log())[-1]["val_accuracy"]
    assert card.results["val"]["accuracy"] == max(course.head, last)
    assert ("it is kept" if last > course.head else "did not gain") in card.outcome[0]
    if not lr:  # nothing moved but running statistics: the classifier alone, on the parent's trunk, is what is kept
        state, trunk = course.run.net().state_dict(), parent.net().state_dict()
        if last <= course.head:
            assert all(torch.equal(state[name], value) for name, value in trunk.items() if not name.startswith("fc"))


@pytest.mark.parametrize("kind", [Step, Epoch])
def test_a_stopped_fine_tuning_goes_on_to_the_bit(parent, tmp_path, kind):
    """Stopped before the first checkpoint it fits the classifier again; stopped after it, it needs no parent."""
    images = made(2)
    planned = plan(images, weights=parent.path, settings={"epochs": 2, "batch": 20})
    whole, stopped = Course(images, planned, tmp_path / "whole"), Course(images, planned, tmp_path / "stopped")
    list(whole)
    for event in stopped:
        if isinstance(event, kind):
            break
    rest = resume(open_run(tmp_path / "stopped"), images)
    list(rest)
    pairs = zip(whole.run.net().state_dict().values(), rest.run.net().state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert whole.run.card.outcome == rest.run.card.outcome
    assert whole.run.card.results == rest.run.card.results
    assert json.loads((tmp_path / "stopped" / "card.json").read_text())["parent"] == str(parent.path)
