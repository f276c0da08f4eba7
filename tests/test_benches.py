"""What the benches compute from their clocks, by hand; and that what they compare is what they say."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

from konvolut.blocks.basic import Conv, Dense
from konvolut.blocks.spec import Row
from konvolut.images.imageset import ImageSet, Split
from konvolut.nets.arch import Arch

BENCH = Path(__file__).parents[1] / "bench"


def bench(name):
    spec = spec_from_file_location(name, BENCH / f"{name}.py")
    module = module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


tta, cpu, gpu = (bench(name) for name in ("time_to_accuracy", "train_cpu", "train_gpu"))


def test_a_training_ends_with_the_epoch_that_meets_the_target():
    asked = []

    def pace():
        for accuracy in (0.5, 0.9, 0.7, 0.99):
            asked.append(accuracy)
            yield 2.0, accuracy

    assert tta.reach(pace(), 0.9, 100.0) == tta.Outcome(4.0, True, 2, 0.9)
    assert asked == [0.5, 0.9]  # and not an epoch more


@pytest.mark.parametrize(("budget", "seconds"), [(3.0, 4.0), (100.0, 6.0)], ids=["budget", "recipe through"])
def test_one_that_never_meets_it_is_censored_where_it_ended(budget, seconds):
    found = tta.reach(iter([(2.0, 0.5), (2.0, 0.8), (2.0, 0.7)]), 0.9, budget)
    assert found == tta.Outcome(seconds, False, int(seconds / 2), 0.8)


def test_a_ratio_is_taken_within_a_seed_and_a_censored_one_is_a_lower_bound():
    met, missed = (lambda s: tta.Outcome(s, True, 1, 1.0)), (lambda s: tta.Outcome(s, False, 1, 0.1))
    found = tta.against([met(2.0), met(4.0), missed(9.0)], [met(6.0), missed(20.0), met(1.0)])
    assert found == tta.Comparison((3.0, 5.0), 1)  # where ours missed there is nothing to divide by
    line = tta.told("peer", [met(6.0), missed(20.0), met(1.0)], found)
    assert "2 of 3 met it" in line
    assert "at least 4.00 times as long as fast" in line
    assert "at least" not in tta.told("peer", [met(6.0)], tta.against([met(2.0)], [met(6.0)]))


def pictures(mirrors):
    def load(name, **_):
        return np.random.default_rng(int(name)).integers(0, 256, (32, 32, 3), np.uint8)

    names = tuple(map(str, range(60)))
    splits = {"train": Split(names[:40], np.arange(40) % 2, names[:40], load)}
    splits["val"] = Split(names[40:], np.arange(20) % 2, names[40:], load)
    return ImageSet("things", "things/", ("a", "b"), splits, mirrors=mirrors)


def test_all_recipes_train_one_net_and_differ_from_their_sources_where_it_is_said():
    images = pictures(mirrors=False)
    plans = {"d2l": tta.by_the_book(images, 3)}
    plans |= {name: tta.planned(images, getattr(tta, name.upper())) for name in ("torchvision", "airbench")}
    plans["fast"] = tta.plan(images)
    assert len({found.arch for found in plans.values()}) == 1
    book = plans["d2l"].recipe
    assert (book.lr, book.batch) == (pytest.approx(0.05 * 40 / 256), 40)  # d2l resnet-18: 0.05 at 256; 40 pictures
    assert (book.schedule, book.momentum, book.decay, book.seed) == ("flat", 0.0, 0.0, 3)
    assert plans["d2l"].spec.mean == (0.0,)
    assert not plans["airbench"].recipe.augment.flip  # the set is not to be mirrored
    assert tta.planned(pictures(mirrors=True), tta.AIRBENCH).recipe.augment.flip


def test_airbench_is_restated_in_the_units_of_a_mean_loss():
    # airbench94.py: lr = 11.5 / (1024 * s) on a loss summed over 1024 pictures; wd / lr = 0.0153 * 1024 / (1024 * s) / lr
    s = 1 + 1 / (1 - 0.85)
    lr_sum = 11.5 / (1024 * s)
    assert tta.AIRBENCH.lr == pytest.approx(lr_sum * 1024)
    shrinks = 0.0153 * 1024 / (1024 * s)  # of a weight in a step, before momentum
    assert tta.AIRBENCH.lr * tta.AIRBENCH.decay == pytest.approx(shrinks)


def test_the_operations_of_training_are_six_a_multiply_accumulate():
    # He et al. 2015, table 1: 1.8e9 multiply-adds for 18 layers at 224 px; table 6: 20 layers at 32 px, counted 40.6e6
    assert cpu.operations("resnet-18", 224) == pytest.approx(6 * 1.8e9, rel=0.02)
    assert cpu.operations("resnet-20", 32) == pytest.approx(6 * 40.6e6, rel=0.02)


def test_the_maps_that_training_moves_are_counted_by_hand():
    rows = (Row("conv", Conv(4, 3, p=1, norm="bn")), Row("fc", Dense(2)))
    arch = Arch(name="two", source="", input=(3, 8, 8), rows=rows)
    takes, gives = 3 * 8 * 8, 4 * 8 * 8
    assert gpu.traffic(arch) == 2 * (3 * (takes + gives) + 8 * gives + 3 * (gives + 2))


def test_without_a_gpu_one_line_says_so(capsys, monkeypatch):
    monkeypatch.setattr(gpu.torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["train_gpu.py"])
    gpu.main()
    assert capsys.readouterr().out == "no GPU that this torch can use: nothing is measured\n"


def test_a_peer_is_told_how_many_steps_and_ends_with_its_block(tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho ready\nwhile read n; do echo $n.5; done\n")
    python.chmod(0o755)
    with gpu.peer(str(python), "timm", "resnet18", 32, 8) as steps:
        assert (steps(3), steps(10)) == (3.5, 10.5)
    python.write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(SystemExit, match="timm did not start"), gpu.peer(str(python), "timm", "resnet18", 32, 8):
        pass
