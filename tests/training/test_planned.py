"""Nets of the user's own, as a table, a file or a module: trained, stored, opened again."""

import pytest
import torch
from test_loop import TINY
from test_tune import made
from torch import nn

from konvolut.errors import ArchError, RunError
from konvolut.nets.arch import digest
from konvolut.nets.catalogue import named
from konvolut.training.course import Course, resume, train
from konvolut.training.judge import evaluate_run
from konvolut.training.known import of_run
from konvolut.training.loop import Epoch
from konvolut.training.plan import plan
from konvolut.training.planned import of_module
from konvolut.training.run import open_run

CHEAP = {"epochs": 2, "batch": 20}
TABLE = """
name = "mine"
input = [3, 16, 16]
[[rows]]
name = "conv1"
Conv = { out = 8, k = 3, p = 1, norm = "bn" }
[[rows]]
name = "gap"
GlobalAvgPool = {}
[[rows]]
name = "fc"
Dense = { out = 10, act = "none" }
"""


def small(classes: int = 10) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, classes))


def test_a_table_of_ones_own_is_on_the_card_and_builds_the_net_again(tmp_path):
    run = train(made(1), TINY, out=tmp_path / "run", size=16, **CHEAP)
    opened = open_run(run.path)
    assert opened.card.own["rows"][0]["name"] == "conv1"
    assert digest(opened.arch()) == run.card.table
    assert (evaluate_run(opened, made(1)).logits == opened.evaluation().logits).all()


def test_a_file_of_rows_trains_and_resumes_without_the_file(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(TABLE)
    images = made(1)
    planned = plan(images, str(file), settings=CHEAP, size=16)
    assert planned.name == "mine"
    whole, stopped = Course(images, planned, tmp_path / "whole"), Course(images, planned, tmp_path / "stopped")
    list(whole)
    next(event for event in stopped if isinstance(event, Epoch))
    file.unlink()
    rest = resume(open_run(tmp_path / "stopped"), images)
    list(rest)
    assert rest.run.card.results == whole.run.card.results


def test_a_net_of_the_catalogue_needs_no_table_on_the_card(tmp_path):
    course = Course(made(1), plan(made(1), "lenet", settings=CHEAP), tmp_path / "run")
    assert course.card().own == {}


def test_a_module_is_trained_as_it_is_and_filled_again(tmp_path):
    net, images = small(), made(1)
    before = net[0].weight.clone()
    run = train(images, net, out=tmp_path / "run", **CHEAP)
    assert not torch.equal(before, net[0].weight)
    opened = open_run(run.path)
    assert (opened.card.module, opened.card.table, opened.card.input.size) == ("Sequential", "", 16)
    again = evaluate_run(of_run(opened, small()), images)
    assert (again.logits == opened.evaluation().logits).all()
    with pytest.raises(RunError, match=r"trained from a module, Sequential; from Python, run\.net\(module\)"):
        opened.net()
    with pytest.raises(RunError, match="trained from a module, Sequential, which has no table"):
        opened.arch()
    with pytest.raises(RunError, match=r"not weights of this Sequential: 4\.weight is \(10, 8\) there, \(3, 8\) in it"):
        opened.net(small(3))


def test_a_stopped_module_goes_on_to_the_bit(tmp_path):
    images, net = made(1), small()
    whole = train(images, small(), out=tmp_path / "whole", **CHEAP)
    stopped = Course(images, plan(images, net, settings=CHEAP), tmp_path / "stopped")
    next(event for event in stopped if isinstance(event, Epoch))
    with pytest.raises(RunError, match="trained from a module"):
        resume(open_run(tmp_path / "stopped"), images)
    rest = resume(open_run(tmp_path / "stopped"), images, module=small())
    list(rest)
    assert rest.run.card.results == whole.card.results


def test_planning_a_time_leaves_the_users_module_untrained():
    net = small()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    assert plan(made(1), net, minutes=0.01).recipe.epochs >= 1
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


def test_a_module_is_counted_by_hand():
    traits = of_module(small(), (3, 16, 16), made(1))
    assert traits.macs == 8 * 27 * 7 * 7 + 80  # 7x7 windows of 3x3x3, then 8 features for 10 classes
    assert not traits.normed


@pytest.mark.parametrize(
    ("net", "size", "gist"),
    [
        (small(3), None, "Sequential: it gives 3 numbers, and made has 10 classes"),
        (small(), 2, r"Sequential: it cannot take 3x2x2 pictures \(.*\); another size may work"),
        ("resnet-19", None, "not in the catalogue; did you mean"),
    ],
)
def test_nets_that_do_not_fit_are_refused_before_anything_is_written(net, size, gist):
    with pytest.raises(ArchError, match=gist):
        plan(made(1), net, size=size)


def test_the_names_of_others_are_said_once_and_the_table_is_left_as_it_is():
    planned = plan(made(1), "resnet18", size=64)
    assert planned.name == "resnet-18@torchvision"
    assert planned.reasons.count("resnet18 is resnet-18@torchvision") == 1
    assert [row.spec for row in planned.arch.rows[:-1]] == [row.spec for row in named("resnet18").rows[:-1]]
