"""Answers over a picture and its mirror image, by hand; and when a training has stood still."""

import doctest

import numpy as np
import torch
from torch import nn

from konvolut.images.preprocess import InputSpec
from konvolut.training import judge
from konvolut.training.evaluate import Mirrored, logits


class Corner(nn.Module):
    """Two logits: the first and the last pixel of the top row; and an auxiliary answer in training."""

    def forward(self, batch):
        found = batch[:, 0, 0][:, [0, -1]]
        return (found, found) if self.training else found


def test_the_examples_by_hand_hold():
    found = doctest.testmod(judge)
    assert found.attempted
    assert not found.failed


def test_a_mirrored_net_answers_with_the_mean_of_both_ways():
    pictures = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 1), np.uint8)
    spec = InputSpec(size=4, channels=1, mean=(0.0,), std=(1.0,))
    found = logits(Mirrored(Corner()), pictures, spec)
    ends = pictures[:, 0, [0, -1], 0] / 255
    np.testing.assert_allclose(found, np.repeat(ends.mean(1, keepdims=True), 2, axis=1), atol=1e-6)


def test_a_picture_that_is_its_own_mirror_image_is_answered_to_the_bit():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    half = torch.rand(2, 1, 4, 2)
    whole = torch.cat([half, half.flip(-1)], dim=-1)
    assert torch.equal(Mirrored(net)(whole), net(whole))


def test_auxiliary_answers_are_left_out():
    assert Mirrored(Corner()).train()(torch.rand(2, 1, 4, 4)).shape == (2, 2)
