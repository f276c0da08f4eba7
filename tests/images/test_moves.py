"""Whole pixels that move as bytes do what `augment` does to values, which other tests hold against arithmetic."""

import numpy as np
import pytest
import torch

from konvolut.images.augment import Augment, Dice, augment
from konvolut.images.moves import Moves, fits, moved


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "how",
    [Augment(flip=True), Augment(shift=0.13), Augment(shift=0.3, flip=True), Augment(shift=1.0), Augment()],
    ids=str,
)
def test_bytes_move_as_their_values_do(channels, how):
    held = np.random.default_rng(0).integers(0, 256, (40, 11, 9, channels), dtype=np.uint8)
    dice = Dice(2, 5, np.arange(40))
    values = augment(torch.from_numpy(held).permute(0, 3, 1, 2).float(), how, dice).permute(0, 2, 3, 1).numpy()
    assert (moved(held.copy(), how, dice) == values).all()
    assert (Moves(held, how).take(np.arange(40), dice) == values).all()


def test_pictures_taken_from_a_set_move_as_they_would_alone():
    held = np.random.default_rng(0).integers(0, 256, (40, 11, 9, 3), dtype=np.uint8)
    how, index = Augment(shift=0.2, flip=True), np.array([7, 39, 0, 7])
    dice = Dice(1, 2, index)
    assert (Moves(held, how).take(index, dice) == moved(held[index], how, dice)).all()


def test_only_sets_that_are_small_and_in_memory_are_laid_out(tmp_path):
    small = np.zeros((10, 8, 8, 3), np.uint8)
    assert fits(small, Augment(flip=True))
    assert not fits(np.broadcast_to(small[:1], (2_000_000, 8, 8, 3)), Augment(flip=True))
    assert not fits(np.memmap(tmp_path / "x", np.uint8, "w+", shape=small.shape), Augment(flip=True))
