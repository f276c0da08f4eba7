"""What a recipe asks for beyond the loop: on a run folder, in the answers, or refused before anything is written."""

import numpy as np
import pytest
import torch
from torch import nn
from untidy import untidy

from konvolut.blocks.basic import Conv, Dense, GlobalAvgPool
from konvolut.blocks.spec import Row
from konvolut.cli.course import restarted
from konvolut.errors import ArchError, RecipeError
from konvolut.images.batches import hold, in_order
from konvolut.images.sources import open_images
from konvolut.nets.arch import Arch
from konvolut.training.course import Course, resume, train
from konvolut.training.judge import evaluate_run
from konvolut.training.loop import Epoch
from konvolut.training.metrics import Tally
from konvolut.training.plan import plan
from konvolut.training.run import open_run

SMALL = Arch(
    "small", "this test", (3, 16, 16),
    (Row("conv1", Conv(8, 3, s=2, p=1, norm="bn")), Row("gap", GlobalAvgPool()), Row("fc", Dense(4, act="none"))),
)  # fmt: skip
CHEAP = {"epochs": 2, "batch": 16}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return open_images(untidy(tmp_path_factory.mktemp("data") / "odd", per_class=8), val=0.2)


def test_it_ends_where_validation_has_stood_still(images, tmp_path):
    course = Course(
        images, plan(images, SMALL, settings={"epochs": 30, "batch": 16, "lr": 0.0, "patience": 2}), tmp_path / "run"
    )
    assert sum(isinstance(event, Epoch) for event in course) == 3  # a rate of 0 gains nothing after the first
    assert course.run.card.results
    with pytest.raises(RecipeError, match="patience waits for a gain on validation"):
        plan(open_images(images.where, val=0), SMALL, settings={"patience": 2})


def test_patience_is_remembered_by_a_resumed_run(images, tmp_path):
    settings = {"epochs": 30, "batch": 16, "lr": 0.0, "patience": 2}
    stopped = Course(images, plan(images, SMALL, settings=settings), tmp_path / "run")
    for event in stopped:
        if isinstance(event, Epoch) and event.number == 3:
            break  # as if killed before it ended
    rest = resume(open_run(tmp_path / "run"), images)
    assert not list(rest)
    assert rest.run.card.results


def test_another_size_for_answers_is_what_the_card_and_every_answer_take(images, tmp_path):
    run = train(images, SMALL, out=tmp_path / "run", size=16, test_size=24, **CHEAP)
    again = open_run(run.path)
    assert (again.card.input.size, again.card.size, again.plan().spec.size) == (24, 16, 16)
    assert (evaluate_run(again, images, "test").logits == again.evaluation().logits).all()
    with pytest.raises(ArchError, match="row F6: its weights are for pictures of 64 px and not of 96"):
        plan(images, "lenet", settings={"test_size": 96})
    with pytest.raises(ArchError, match="its weights are for pictures of 64 px and not of 32"):
        plan(images, "lenet", settings={"grow": 0.5})


def test_mirrored_answers_are_the_mean_of_two(images, tmp_path):
    run = train(images, SMALL, out=tmp_path / "run", mirror=True, **CHEAP)
    stored = run.evaluation().logits
    plain = open_run(run.path).net()
    (batch,) = in_order(hold(images.splits["test"], run.card.input), run.card.input)
    with torch.inference_mode():
        both = (plain(batch) + plain(batch.flip(-1))) / 2
    assert np.allclose(stored, both.numpy(), atol=1e-6)
    assert not np.allclose(stored, plain(batch).detach().numpy(), atol=1e-4)
    assert (evaluate_run(open_run(run.path), images, "test").logits == stored).all()


def test_a_mean_of_the_weights_is_what_is_kept(images, tmp_path):
    plain, mean = (train(images, SMALL, out=tmp_path / str(ema), ema=ema, **CHEAP) for ema in (0.0, 0.9))
    assert [e["train_loss"] for e in plain.log()] == [e["train_loss"] for e in mean.log()]  # it steers nothing
    weights = [run.net().state_dict()["fc.dense.weight"] for run in (plain, mean)]
    assert not torch.equal(*weights)
    assert (evaluate_run(mean, images, "test").logits == mean.evaluation().logits).all()


def test_dropout_of_a_recipe_is_in_the_stored_table(images, tmp_path):
    run = train(images, SMALL, out=tmp_path / "run", dropout=0.3, **CHEAP)
    assert [part.p for part in open_run(run.path).net().modules() if isinstance(part, nn.Dropout)] == [0.3]
    with pytest.raises(RecipeError, match="a module of your own"):
        plan(images, nn.Sequential(nn.Flatten(), nn.LazyLinear(4)), settings={"dropout": 0.3}, size=16)


def test_a_restart_of_torchrun_goes_on_and_nothing_else_does(tmp_path, monkeypatch):
    (tmp_path / "card.json").touch()
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "0")
    assert not restarted(tmp_path)
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert restarted(tmp_path)
    assert not restarted(tmp_path / "none")
    assert not restarted(None)


def test_a_loss_that_stays_at_that_of_guessing_is_said(images, tmp_path):
    """Weights of 0 answer 1/4 for each of four classes, and a rate of 0 leaves them there."""
    course = Course(images, plan(images, SMALL, settings={**CHEAP, "lr": 0.0, "warmup": 0.5}), tmp_path / "run")
    for weight in course.training.net.parameters():
        weight.data.zero_()
    list(course)
    first, second = course.run.log()
    assert "stuck" not in first  # the rate still climbs
    assert second["stuck"].startswith("epoch 2: the loss, 1.386, has not left that of guessing, ln 4 = 1.386")
    assert not course.stuck(Epoch(2, 0.0, Tally(13.0, 3, 10), 1.0, 0.0))  # 1.3 nats are 6 % below
