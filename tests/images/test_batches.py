"""Batches: every picture once an epoch, in an order that (seed, epoch) alone decides."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from konvolut.errors import RecipeError
from konvolut.images import batches as module
from konvolut.images.batches import Batches, Pool, hold, in_order, normalise, room, seen, unit
from konvolut.images.preprocess import InputSpec
from konvolut.images.preprocess import normalise as reference
from konvolut.images.sources import open_images

SPEC = InputSpec(size=2)


def blank(count: int, size: int, seed: int = 0) -> Batches:
    return Batches(np.zeros((count, 2, 2, 3), np.uint8), np.arange(count), SPEC, size, seed)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.integers(1, 97), st.integers(1, 33), st.integers(0, 5))
def test_an_epoch_is_every_picture_once_in_nearly_equal_steps(count, size, number):
    size = min(size, count)
    found = blank(count, size)
    steps = list(found.epoch(number))
    assert len(steps) == len(found)
    sizes = [len(step.labels) for step in steps]
    assert max(sizes) <= size
    assert max(sizes) - min(sizes) <= 1
    assert sorted(torch.cat([step.labels for step in steps]).tolist()) == list(range(count))


def test_the_order_is_a_function_of_seed_and_epoch():
    one = blank(50, 7)
    one.order(3)
    assert (one.order(4) == blank(50, 9).order(4)).all()
    assert (one.order(4) != one.order(5)).any()
    assert (one.order(4) != blank(50, 7, seed=1).order(4)).any()


def test_a_batch_larger_than_the_set_is_refused():
    with pytest.raises(RecipeError, match="batch = 9, but only 8 pictures"):
        blank(8, 9)


def test_training_and_serving_normalise_alike():
    pictures = np.random.default_rng(0).integers(0, 256, (3, 2, 2, 3), dtype=np.uint8)
    spec = InputSpec(size=2, mean=(0.2, 0.4, 0.6), std=(0.5, 0.25, 0.125))
    ours = normalise(unit(pictures), spec)
    assert ours.is_contiguous(memory_format=torch.channels_last)
    assert np.allclose(ours.numpy(), reference(pictures, spec), atol=1e-6)
    assert torch.equal(torch.cat(list(in_order(pictures, spec, pixels=8))), ours)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("cached", [1, 1 << 20])
def test_values_made_a_few_pictures_at_a_time_are_the_same_to_the_bit_and_lie_the_same(channels, cached, monkeypatch):
    monkeypatch.setattr(module, "CACHED", cached)
    pictures = np.random.default_rng(0).integers(0, 256, (7, 5, 5, channels), dtype=np.uint8)
    spec = InputSpec(size=5, channels=channels, mean=(0.2,), std=(0.3,))
    plain, quick = normalise(unit(pictures), spec), seen(pictures, spec)
    assert torch.equal(plain, quick)
    assert plain.stride() == quick.stride()


def test_held_pictures_are_those_of_the_split_in_memory_or_in_a_file(monkeypatch):
    split = open_images("digits").splits["val"].part(range(20))
    spec = InputSpec(size=28, channels=1)
    memory = hold(split, spec)
    assert all((memory[i] == split.picture(i)).all() for i in range(20))
    monkeypatch.setattr(module, "RAM_SHARE", 0.0)
    assert isinstance(room((2, 2)), np.memmap)
    assert (hold(split, spec) == memory).all()


def test_a_room_is_used_again_only_when_nobody_lies_in_it():
    pool = Pool()
    first = torch.from_numpy(pool.room((4, 6)))
    view = first.view(2, 2, 6).permute(0, 2, 1)  # as a batch is
    del first
    assert pool.room((4, 6)).ctypes.data != view.data_ptr()
    where = view.data_ptr()
    del view
    assert pool.room((4, 6)).ctypes.data == where


def test_batches_that_are_kept_stay_what_they_were():
    pictures = np.random.default_rng(0).integers(0, 256, (30, 4, 4, 3), dtype=np.uint8)
    batches = Batches(pictures, np.arange(30), InputSpec(size=4), 5)
    kept = list(batches.epoch(0))
    for batch in kept:
        assert torch.equal(batch.images, normalise(unit(pictures[batch.index]), InputSpec(size=4)))
