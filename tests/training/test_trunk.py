"""What is frozen stays, to the bit; what is slowed moves by its share."""

import pytest
import torch
from test_loop import LABELS, PICTURES, SPEC, TINY
from torch import nn

from konvolut.blocks.basic import Conv, Dense, GlobalAvgPool
from konvolut.blocks.spec import Row
from konvolut.errors import RecipeError
from konvolut.images.batches import Batches
from konvolut.nets.arch import Arch, Head, build
from konvolut.training.loop import Training
from konvolut.training.recipe import Recipe
from konvolut.training.trunk import classifier_name, frozen

TWO = Arch(
    "two", "this test", (3, 16, 16),
    (
        Row("conv1", Conv(4, 3, s=2, p=1, norm="bn")),
        Row("conv2", Conv(4, 3, s=2, p=1, norm="bn")),
        Row("gap", GlobalAvgPool()),
        Row("fc", Dense(10, act="none")),
    ),
    heads=(Head("aux", "conv1", (Row("gap", GlobalAvgPool()), Row("fc", Dense(10, act="none")))),),
)  # fmt: skip


class Foreign(nn.Module):
    """A module with a nested classifier, as VGG's is, that also answers with an auxiliary head in training."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(3, 4, 3, 2), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )
        self.classifier = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 10))

    def forward(self, batch):
        found = self.trunk(batch)
        return (self.classifier(found), self.classifier(found)) if self.training else self.classifier(found)


def epoch(net: nn.Module, **cells: object) -> dict[str, bool]:
    """Train one epoch; which tensors of the state have moved."""
    before = {name: value.clone() for name, value in net.state_dict().items()}
    list(Training(net, Batches(PICTURES, LABELS, SPEC, 25), Recipe(epochs=1, batch=25, **cells)))
    return {name: not torch.equal(before[name], value) for name, value in net.state_dict().items()}


def test_a_frozen_trunk_and_its_running_statistics_do_not_move():
    moved = epoch(build(TINY), freeze="trunk")
    assert {name for name, moves in moved.items() if moves} == {"fc.dense.weight", "fc.dense.bias"}
    assert all(epoch(build(TINY)).values())  # and unfrozen, all of it does


def test_rows_up_to_the_named_one_are_frozen_with_the_heads_on_them():
    moved = epoch(build(TWO), freeze="conv1")
    assert {name.split(".")[0] for name, moves in moved.items() if moves} == {"conv2", "fc"}
    assert {name.split(".")[0] for name, moves in moved.items() if not moves} == {"conv1", "heads"}


def test_a_module_is_frozen_up_to_its_last_dense_layer():
    net = Foreign()
    assert classifier_name(net) == "classifier.2"
    moved = epoch(net, freeze="trunk")
    assert {name for name, moves in moved.items() if moves} == {"classifier.2.weight", "classifier.2.bias"}
    assert not any(moves for name, moves in epoch(Foreign(), freeze="trunk").items() if name.startswith("trunk."))


def test_a_module_that_answers_in_tuples_trains():
    assert all(epoch(Foreign()).values())


def test_a_slow_trunk_moves_by_its_share():
    """One step of plain gradient descent: each move is the rate times the same gradient."""
    plain = {"momentum": 0.0, "decay": 0.0, "schedule": "flat", "warmup": 0.0, "precision": "fp32"}

    def step(trunk: float) -> dict[str, torch.Tensor]:
        net = build(TINY)
        before = {name: value.detach().clone() for name, value in net.named_parameters()}
        batches = Batches(PICTURES, LABELS, SPEC, 100)
        next(Training(net, batches, Recipe(epochs=1, batch=100, lr=0.5, trunk=trunk, **plain)).events())
        return {name: before[name] - value.detach() for name, value in net.named_parameters()}

    fast, slow = step(1.0), step(0.25)
    assert torch.allclose(slow["conv1.conv.weight"], fast["conv1.conv.weight"] / 4, rtol=1e-3, atol=1e-7)
    assert torch.equal(slow["fc.dense.weight"], fast["fc.dense.weight"])


@pytest.mark.parametrize(
    ("freeze", "gist"),
    [
        ("conv9", r"freeze = 'conv9': Network has no such row; did you mean 'conv1'"),
        ("fc", "freeze = 'fc': nothing is left to train"),
    ],
)
def test_rows_that_cannot_be_frozen_are_refused(freeze, gist):
    with pytest.raises(RecipeError, match=gist):
        frozen(build(TINY), freeze)
    with pytest.raises(RecipeError, match="Flatten: no dense layer"):
        frozen(nn.Flatten(), "trunk")
