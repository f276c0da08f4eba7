"""Unequal classes, against scikit-learn's weights and by counting."""

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from konvolut.images.balance import balanced_order, class_weights

LABELS = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [70, 20, 9]))


def test_weights_are_scikit_learns():
    expected = compute_class_weight("balanced", classes=np.arange(3), y=LABELS)
    assert class_weights(LABELS, 3) == pytest.approx(expected)


def test_a_picture_counts_1_on_average_and_a_class_without_pictures_nothing():
    weights = class_weights(LABELS, 5)
    assert weights[LABELS].mean() == pytest.approx(1)
    assert list(weights[3:]) == [0, 0]


def test_of_equal_classes_each_picture_counts_1():
    assert (class_weights(np.arange(12) % 4, 4) == 1).all()


def test_an_epoch_has_as_many_pictures_and_every_class_equally_often():
    for epoch in range(5):
        order = balanced_order(LABELS[:98], 0, epoch)
        counts = np.bincount(LABELS[:98][order])
        assert len(order) == 98
        assert sorted(counts) == [32, 33, 33]


def test_a_rare_picture_comes_again_only_after_all_the_others():
    counts = np.bincount(balanced_order(LABELS, 0, 3), minlength=99)
    assert set(counts[LABELS == 2]) == {3, 4}  # 33 draws of 9
    assert set(counts[LABELS == 1]) == {1, 2}
    assert set(counts[LABELS == 0]) == {0, 1}


def test_it_is_shuffled_by_seed_and_epoch_and_other_pictures_of_a_frequent_class_are_seen_each_time():
    one = balanced_order(LABELS, 0, 0)
    assert (balanced_order(LABELS, 0, 0) == one).all()
    for other in (balanced_order(LABELS, 0, 1), balanced_order(LABELS, 1, 0)):
        assert (other != one).sum() > 80
    seen = set(np.concatenate([balanced_order(LABELS, 0, epoch) for epoch in range(20)]))
    assert seen == set(range(99))
    runs = np.abs(np.diff(LABELS[one])) > 0
    assert runs.sum() > 40  # classes are not in blocks
