"""The loop: laws of a training, and one step by hand."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

from konvolut.blocks.basic import Conv, Dense, GlobalAvgPool
from konvolut.blocks.spec import Row
from konvolut.errors import RunError
from konvolut.images.augment import Augment
from konvolut.images.batches import Batches
from konvolut.images.drawn import draw
from konvolut.images.preprocess import InputSpec
from konvolut.nets.arch import Arch, build
from konvolut.training.evaluate import logits
from konvolut.training.loop import Epoch, Step, Training, native_bf16
from konvolut.training.recipe import Recipe

TINY = Arch(
    "tiny",
    "this test",
    (3, 16, 16),
    (
        Row("conv1", Conv(8, 3, s=2, p=1, norm="bn", bias=False)),
        Row("gap", GlobalAvgPool()),
        Row("fc", Dense(10, act="none", drop=0.1)),
    ),
)
SPEC = InputSpec(size=16)
PICTURES, LABELS = draw(100, 16, seed=1)


def training(recipe: Recipe, seed: int = 0) -> Training:
    how = Augment(shift=0.1, rotate=10.0, flip=True, brightness=0.2)
    return Training(build(TINY, seed=seed), Batches(PICTURES, LABELS, SPEC, recipe.batch, how=how), recipe)


def weights(found: Training) -> list[torch.Tensor]:
    return list(found.net.state_dict().values())


def told(found: Training) -> list[tuple[float, int]]:
    return [(e.tally.loss_sum, e.tally.right) for e in found]


def test_an_untrained_net_is_at_chance():
    found = training(Recipe(batch=32))
    answers = torch.from_numpy(logits(found.net, PICTURES, SPEC))
    loss = nn.functional.cross_entropy(answers, torch.from_numpy(LABELS)).item()
    assert loss == pytest.approx(math.log(10), abs=0.4)


def test_the_same_seed_is_the_same_run_to_the_bit():
    one, two = training(Recipe(epochs=2, batch=32)), training(Recipe(epochs=2, batch=32))
    assert told(one) == told(two)
    assert all(map(torch.equal, weights(one), weights(two)))


def test_another_seed_is_another_run():
    assert told(training(Recipe(epochs=1, batch=32))) != told(training(Recipe(epochs=1, batch=32, seed=1), seed=1))


def test_a_restored_training_is_the_uninterrupted_one():
    whole, first = training(Recipe(epochs=3, batch=32)), training(Recipe(epochs=3, batch=32))
    before = told(whole)
    epochs = iter(first)
    after = [(e.tally.loss_sum, e.tally.right) for e in [next(epochs)]]
    second = training(Recipe(epochs=3, batch=32), seed=5)  # other first weights: the state alone must do
    second.restore(copy.deepcopy(first.state()))
    assert before == after + told(second)
    assert all(map(torch.equal, weights(whole), weights(second)))


def test_one_step_of_nesterov_by_hand():
    net = nn.Sequential(nn.Flatten(), nn.Linear(1, 2, bias=False))
    net[1].weight.data = torch.zeros(2, 1)
    white = np.full((1, 1, 1, 1), 255, np.uint8)
    batches = Batches(white, np.array([0]), InputSpec(size=1, channels=1, mean=(0.0,), std=(1.0,)), 1)
    course = Training(
        net, batches, Recipe(epochs=1, batch=1, lr=0.5, momentum=0.9, decay=0.0, schedule="flat", warmup=0.0)
    )
    list(course)
    # softmax of (0, 0) is (1/2, 1/2), so the gradient is (-1/2, 1/2); Nesterov's first step is (1 + 0.9) lr g
    assert net[1].weight.flatten().tolist() == pytest.approx([0.475, -0.475])


def test_decay_spares_biases_and_norms():
    decayed, spared = training(Recipe(batch=32)).optimizer.param_groups
    assert {p.ndim for p in decayed["params"]} == {2, 4}
    assert {p.ndim for p in spared["params"]} == {1}
    assert spared["weight_decay"] == 0


def test_clipping_bounds_the_step():
    found = training(Recipe(batch=100, lr=1.0, momentum=0.0, decay=0.0, clip=1e-3, schedule="flat", warmup=0.0))
    before = [w.detach().clone() for w in found.net.parameters()]
    next(found.events())
    moved = (
        sum(float((a - b.detach()).pow(2).sum()) for a, b in zip(before, found.net.parameters(), strict=True)) ** 0.5
    )
    assert moved == pytest.approx(1e-3, rel=1e-3)


def test_steps_and_epochs_come_in_turn():
    kinds = [type(event) for event in training(Recipe(epochs=2, batch=50)).events()]
    assert kinds == [Step, Step, Epoch] * 2


def test_a_loss_that_is_no_number_stops_with_step_and_rate():
    found = training(Recipe(batch=32))
    list(found.net.parameters())[-1].data.fill_(float("nan"))
    with pytest.raises(RunError, match=r"step 0, learning rate 0: the loss is nan"):
        next(found.events())


def test_bf16_is_automatic_only_where_the_processor_has_it():
    has = torch.cpu.get_capabilities()
    assert native_bf16("cpu") == bool(has.get("avx512_bf16") or has.get("amx_bf16"))


def test_bf16_asked_for_stays_near_fp32():
    fp32, bf16 = (told(training(Recipe(epochs=1, batch=32, precision=p)))[0][0] for p in ("fp32", "bf16"))
    assert bf16 != fp32
    assert bf16 == pytest.approx(fp32, rel=0.02)


def test_segments_cost_time_and_change_no_number():
    plain, segments = (
        told(training(Recipe(epochs=1, batch=50, memory=m, precision="fp32"))) for m in ("plain", "segments")
    )
    assert plain == segments
