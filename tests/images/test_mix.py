"""Blended pictures, held against the formulas of the papers in plain loops, and their dice against scipy's Beta."""

import numpy as np
import pytest
import torch
from scipy import stats

from konvolut.images.mix import beta, blended, boxes, pairs

SIDE = (12, 9)
INDEX = np.random.default_rng(0).permutation(1000)[:64]  # of the pictures of one whole batch


def drawn(mixup=0.0, cutmix=0.0, index=INDEX, side=SIDE):
    return pairs(index, 3, 5, mixup, cutmix, side)


@pytest.mark.parametrize("alpha", [0.05, 0.2, 0.4, 1.0, 2.0, 30.0])
def test_quantiles_are_those_of_beta(alpha):
    unit = np.linspace(0.0005, 0.4995, 250)  # above, 1 - x would be rounded away where alpha is small
    assert np.abs(stats.beta.cdf(beta(unit, alpha), alpha, alpha) - unit).max() < 1e-5
    assert beta(1 - unit, alpha) == pytest.approx(1 - beta(unit, alpha), abs=1e-12)
    assert list(beta(np.array([0.0, 0.5]), alpha)) == pytest.approx([0, 0.5])


def test_everybody_is_blended_with_another_and_is_somebodys_partner_once():
    for index in (INDEX, INDEX[:2], INDEX[:7]):
        partner = drawn(mixup=0.2, index=index).partner
        assert sorted(partner) == list(range(len(index)))
        assert (partner != np.arange(len(index))).all()
    assert drawn(mixup=0.2, index=INDEX[:1]).partner == [0]


def test_the_order_in_which_a_batch_stands_changes_nothing():
    turned = np.roll(np.arange(64), 11)
    one, other = drawn(0.3, 1.0), drawn(0.3, 1.0, INDEX[turned])
    assert (INDEX[one.partner][turned] == INDEX[turned][other.partner]).all()
    assert (one.share[turned] == other.share).all()
    assert (one.box[turned] == other.box).all()


def test_ranks_agree_with_one_process():
    images = torch.rand(64, 3, *SIDE)
    whole = drawn(0.3, 1.0)
    alone = blended(images, images[whole.partner], whole)
    parts = [whole.part(rows) for rows in (slice(0, 22), slice(22, 43), slice(43, 64))]
    ranks = [blended(images[rows], images[part.partner], part) for rows, part in
             zip((slice(0, 22), slice(22, 43), slice(43, 64)), parts, strict=True)]  # fmt: skip
    assert torch.equal(torch.cat(ranks), alone)


def test_mixup_is_eq_1_of_its_paper():
    images = torch.rand(64, 3, *SIDE).contiguous(memory_format=torch.channels_last)
    found = drawn(mixup=0.4)
    assert blended(images, images[found.partner], found).is_contiguous(memory_format=torch.channels_last)
    assert (found.box == 0).all()
    assert 0 < found.share.min() < 0.1 < 0.9 < found.share.max() < 1
    for i, picture in enumerate(blended(images, images[found.partner], found)):
        lam, other = found.share[i], images[found.partner[i]]
        np.testing.assert_allclose(picture, lam * images[i] + (1 - lam) * other, atol=1e-6)


def test_cutmix_is_eq_1_of_its_paper_and_the_label_is_shared_as_the_pixels_are():
    images = torch.rand(64, 3, *SIDE)
    found = drawn(cutmix=1.0)
    for i, picture in enumerate(blended(images, images[found.partner], found)):
        top, bottom, left, right = found.box[i]
        mask = np.ones(SIDE)
        mask[top:bottom, left:right] = 0
        assert mask.mean() == pytest.approx(found.share[i])
        expected = torch.where(torch.tensor(mask) > 0, images[i], images[found.partner[i]])
        assert torch.equal(picture, expected)


def test_boxes_are_eq_2_of_its_paper_centred_anywhere_and_cut_at_the_edge():
    kept = np.linspace(0.0, 1.0, 4000)
    top, bottom, left, right = boxes(kept, np.arange(4000), 0, 0, (1000, 600)).T
    height, width = 1000 * np.sqrt(1 - kept), 600 * np.sqrt(1 - kept)
    inside = (top > 0) & (bottom < 1000) & (left > 0) & (right < 600)
    assert 570 < inside.sum() < 764  # (1 - side)^2 over all areas is 1/6; 4 standard deviations
    assert np.abs(bottom - top - height)[inside].max() <= 1  # of rounding
    assert np.abs(right - left - width)[inside].max() <= 1
    cut = (top == 0) & (bottom < 1000)
    assert (bottom - top <= height + 1)[cut].all()
    small = slice(3900, 4000)  # of these hardly any is cut, so that their middles are the centres
    for low, high, length in ((top, bottom, 1000), (left, right, 600)):
        assert stats.kstest((low + high)[small] / 2 / length, "uniform").pvalue > 1e-3


def test_with_both_each_picture_is_blended_one_way_or_the_other():
    found = pairs(np.arange(1000), 0, 0, 0.4, 1.0, (1000, 1000))
    boxed = found.whole == 1
    assert 440 < boxed.sum() < 560  # 4 standard deviations
    assert (found.box[~boxed] == 0).all()
    assert (found.share[~boxed] == found.whole[~boxed]).all()
    assert stats.kstest(found.share[~boxed], stats.beta(0.4, 0.4).cdf).pvalue > 1e-3


def test_another_epoch_draws_others():
    one, other = drawn(0.4), pairs(INDEX, 3, 6, 0.4, 0.0, SIDE)
    assert (one.partner != other.partner).sum() > 50
    assert (one.share != other.share).all()
