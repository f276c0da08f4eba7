"""The papers' recipes: iterations and pictures as they print them, counted in epochs; and what has none."""

import pytest

from konvolut.errors import RecipeError
from konvolut.nets.catalogue import named
from konvolut.training.papers import PAPERS, paper, paper_size
from konvolut.training.schedule import SCHEDULES

IMAGENET, CIFAR = 1_281_167, 45_000  # pictures trained on


@pytest.mark.parametrize(
    ("net", "iterations", "pictures", "within"),
    [
        ("vgg-16", 370_000, IMAGENET, 0.01),
        ("nin", 450_000, IMAGENET, 0.03),
        ("resnet-50", 600_000, IMAGENET, 0.01),
        ("resnet-20", 64_000, CIFAR, 0.001),
        ("preact-1001", 64_000, CIFAR, 0.001),
    ],
)
def test_epochs_are_the_printed_iterations(net, iterations, pictures, within):
    found = paper(net)
    assert found.epochs * pictures / found.batch == pytest.approx(iterations, rel=within)


@pytest.mark.parametrize(
    ("net", "printed"),  # batch, rate, momentum, decay, and the rate at the end
    [
        ("alexnet", (128, 0.01, 0.9, 5e-4, 1e-5)),
        ("vgg-11", (256, 0.01, 0.9, 5e-4, 1e-5)),
        ("nin", (64, 0.01, 0.9, 5e-4, 1e-4)),
        ("resnet-34", (256, 0.1, 0.9, 1e-4, 1e-3)),
        ("resnet-56", (128, 0.1, 0.9, 1e-4, 1e-3)),
    ],
)
def test_the_printed_numbers(net, printed):
    found = paper(net)
    end = found.lr * SCHEDULES[found.schedule](1.0, found.warmup)
    assert (found.batch, found.lr, found.momentum, found.decay, end) == pytest.approx(printed)
    assert (found.smoothing, found.clip, found.ema, found.mixup) == (0, 0, 0, 0)


def test_a_net_of_110_layers_warms_up_for_400_steps():
    assert paper("resnet-110").warmup * 64_000 == pytest.approx(400)
    assert paper("resnet-56").warmup == 0


def test_every_net_with_a_recipe_is_listed_and_pictures_are_of_its_own_size():
    assert all(named(net).name == net for net in PAPERS)
    assert [paper_size(net) for net in ("vgg-16", "resnet-20")] == [224, 32]


@pytest.mark.parametrize(
    ("net", "gist"),
    [
        ("googlenet", "no rate and no batch"),
        ("nin-cifar", "no rate"),
        ("lenet", "diagonal"),
        ("resnet-19", "did you mean 'resnet-1"),
        ("vgg-16@torchvision", "did you mean 'vgg-16'"),
        ("", "--net alexnet"),
    ],
)
def test_no_recipe_is_made_up(net, gist):
    with pytest.raises(RecipeError, match=f"recipe paper: .*{gist}") as error:
        paper(net)
    assert "\n" not in str(error.value)
