"""Bytes that a step holds, against arithmetic; and a batch that would not fit."""

import numpy as np
import torch
from torch import nn
from untidy import album

from konvolut.images.sources import open_images
from konvolut.training import loop
from konvolut.training.course import Course
from konvolut.training.memory import SPARE, bytes_each, free_bytes, pictures_that_fit
from konvolut.training.plan import plan
from konvolut.training.recipe import Recipe

WIDE = nn.Sequential(nn.Conv2d(3, 16, 1), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 8 * 8, 10), nn.BatchNorm1d(10))
EACH = 4 * (2 * 3 * 64 + 2 * 16 * 64)  # its picture, passed in and saved; what the ReLU gives, and Flatten in rows
SMALL = 4 * 10 * 4  # logits and what batch norm keeps, at most


def test_what_a_picture_holds_is_what_backward_needs():
    before = [value.clone() for value in WIDE.state_dict().values()]
    found = bytes_each(WIDE, (3, 8, 8), Recipe(precision="fp32"))
    assert EACH <= found <= EACH + SMALL
    assert all(map(torch.equal, before, WIDE.state_dict().values()))
    assert all(weight.grad is None for weight in WIDE.parameters())


def test_a_pass_is_halved_until_it_fits():
    recipe = Recipe(batch=64, precision="fp32")
    weights = 2 * 4 * sum(weight.numel() for weight in WIDE.parameters())
    for wanted in (64, 32, 16, 1):
        free = weights + int(SPARE * (EACH + SMALL) * wanted)
        assert pictures_that_fit(WIDE, (3, 8, 8), recipe, free) == wanted
    assert pictures_that_fit(WIDE, (3, 8, 8), recipe, 0) == 1


def test_this_machine_has_memory():
    assert 1 << 26 < free_bytes() < 1 << 48


def test_a_run_says_how_it_fits_its_steps_into_memory(tmp_path, monkeypatch):
    images = open_images(album(tmp_path / "data", {"a": 30, "b": 30}))
    monkeypatch.setattr(loop, "free_bytes", lambda: 5_000_000)
    found = Course(images, plan(images, "lenet", settings={"epochs": 1, "batch": 32}), tmp_path / "run")
    list(found)
    (entry,) = [entry for entry in found.run.entries() if "note" in entry]
    assert entry["note"].startswith("a step of 32 pictures needs more than the 0.0 GB that are free")
    assert found.training.micro < 32
    assert np.isfinite([entry["train_loss"] for entry in found.run.log()]).all()
