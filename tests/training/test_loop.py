"""The loop: laws of a training, and one step by hand."""

import copy
import math
from dataclasses import replace

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
from konvolut.training.device import native_bf16
from konvolut.training.evaluate import logits
from konvolut.training.loop import Epoch, Step, Training
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


def plain(recipe: Recipe) -> Training:
    """No norm and no dropout: what a picture comes to does not depend on the others."""
    rows = (Row("conv1", Conv(8, 3, s=2, p=1)), Row("gap", GlobalAvgPool()), Row("fc", Dense(10, act="none")))
    net = Arch("plain", "this test", (3, 16, 16), rows)
    return Training(build(net, seed=0), Batches(PICTURES, LABELS, SPEC, recipe.batch), recipe)


@pytest.mark.parametrize("micro", [1, 7, 49])
def test_gradients_of_parts_add_up_to_those_of_the_batch(micro):
    whole, parts = plain(Recipe(epochs=2, batch=50)), plain(Recipe(epochs=2, batch=50, micro=micro))
    for one, two in zip(whole, parts, strict=True):
        assert one.tally.right == two.tally.right
        assert one.tally.loss == pytest.approx(two.tally.loss, rel=1e-5)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(weights(whole), weights(parts), strict=True))


class Small(nn.Module):
    """Stands for a device whose memory holds a pass of `most` pictures."""

    def __init__(self, net: nn.Module, most: int) -> None:
        super().__init__()
        self.net, self.most = net, most

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        given = self.net(images)
        if len(images) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return given


def test_out_of_memory_halves_the_pass_and_loses_nothing():
    recipe = Recipe(epochs=1, batch=50)
    small = Training(Small(build(TINY, seed=0), 20), Batches(PICTURES, LABELS, SPEC, 50), recipe)
    found = list(small)
    known = Training(Small(build(TINY, seed=0), 99), Batches(PICTURES, LABELS, SPEC, 50), replace(recipe, micro=13))
    assert small.micro == 13
    assert small.notes == [
        f"out of memory: {n} pictures a pass from here on, their gradients added up" for n in (25, 13)
    ]
    assert [e.tally for e in known] == [e.tally for e in found]
    assert all(map(torch.equal, weights(known), weights(small)))  # batch norm's statistics, too
    none = Training(Small(build(TINY, seed=0), 99), Batches(PICTURES, LABELS, SPEC, 50), recipe)
    none.net.most = 0
    with pytest.raises(RunError, match=r"out of memory with 1 pictures a pass.*memory=segments"):
        list(none)


class Faulty(nn.Module):
    """Gives infinity in the passes of these numbers."""

    def __init__(self, net: nn.Module, when: set[int]) -> None:
        super().__init__()
        self.net, self.when, self.passes = net, when, 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.passes += 1
        return self.net(images * math.inf if self.passes - 1 in self.when else images)


def faulty(when: set[int], **fields: int) -> Training:
    recipe = Recipe(epochs=1, batch=20, **fields)
    found = Training(Faulty(build(TINY, seed=0), when), Batches(PICTURES, LABELS, SPEC, 20), recipe)
    found.net.passes = 0  # but for the one that counted bytes
    return found


def test_a_step_without_finite_numbers_is_left_out_where_the_recipe_says_so():
    found = faulty({1}, skip=1)
    events = [event for event in found.events() if isinstance(event, Step)]
    assert [event.tally.seen for event in events] == [20, 0, 20, 20, 20]
    (note,) = found.notes
    assert note.startswith("step 1, learning rate 0.1: the loss is nan")
    assert all(value.isfinite().all() for value in weights(found))  # batch norm's statistics, too


def test_one_more_than_may_be_left_out_stops():
    with pytest.raises(RunError, match=r"step 2, .*a smaller --lr would work, 1 skipped before"):
        list(faulty({1, 3}, skip=1).events())  # the pass that looks for the row is one of them


def test_the_first_row_that_answers_with_no_number_is_named():
    found = training(Recipe(batch=32))
    found.net.get_submodule("gap").register_forward_hook(lambda _, __, gives: gives / 0)
    with pytest.raises(RunError, match=r"row gap\S* is the first whose answer is not finite"):
        next(found.events())


def test_a_gradient_without_numbers_stops_though_the_loss_has_one():
    found = training(Recipe(batch=32))
    found.net.get_submodule("gap").register_full_backward_hook(lambda _, takes, __: (takes[0] * math.nan,))
    with pytest.raises(RunError, match=r"the loss is 2\.\d+, and the gradient is not finite, from row conv1"):
        next(found.events())
