"""Depth: the papers' own deeper columns, and what stays in the rows that are repeated."""

import pytest

from konvolut.errors import ArchError
from konvolut.nets.arch import digest, layers
from konvolut.nets.catalogue import named
from konvolut.nets.depth import with_depth
from konvolut.nets.variants import with_norm, with_stochastic_depth


@pytest.mark.parametrize(
    ("shallow", "counts", "deep"),
    [  # table 1 of VGG, columns A, B, D and E; table 1 and section 4.2 of ResNet
        ("vgg-11", (2, 2, 2, 2, 2), "vgg-13"),
        ("vgg-11", (2, 2, 3, 3, 3), "vgg-16"),
        ("vgg-16", (2, 2, 4, 4, 4), "vgg-19"),
        ("vgg-19", (1, 1, 2, 2, 2), "vgg-11"),
        ("vgg-11@d2l", (2, 2, 3, 3, 3), "vgg-16@d2l"),
        ("resnet-18", (3, 4, 6, 3), "resnet-34"),
        ("resnet-50", (3, 8, 36, 3), "resnet-152"),
        ("resnet-50@torchvision", (3, 4, 23, 3), "resnet-101@torchvision"),
        ("plain-18", (3, 4, 6, 3), "plain-34"),
        ("resnet-20", (18, 18, 18), "resnet-110"),
        ("preact-34", (2, 2, 2, 2), "preact-18"),
    ],
)
def test_a_column_with_other_counts_is_another_column(shallow, counts, deep):
    changed = with_depth(named(shallow), counts)
    assert [(row.name, row.spec) for row in changed.rows] == [(row.name, row.spec) for row in named(deep).rows]
    assert digest(changed) == digest(named(deep))


def test_the_same_counts_are_the_same_table():
    arch = named("googlenet")
    assert with_depth(arch, (2, 5, 2)) is arch


def test_inception_rows_go_on_by_the_letter_and_the_heads_stay():
    deep = with_depth(named("googlenet"), (3, 5, 4))
    assert [row.name for row in deep.rows if row.name[0] in "35"] == ["3a", "3b", "3c", "5a", "5b", "5c", "5d"]
    assert layers(deep) == 22 + 2 * 3  # an Inception row is two layers deep
    assert deep.heads == named("googlenet").heads


def test_rows_that_are_not_numbered_in_their_group_get_a_name_of_their_own():
    names = [row.name for row in with_depth(named("alexnet"), (2, 4)).rows]
    assert names[2:9] == ["conv2", "conv2_2", "pool2", "conv3", "conv4", "conv5", "conv5_2"]
    assert layers(with_depth(named("alexnet"), (1, 1))) == 6


def test_a_variant_prints_nothing_that_no_longer_holds():
    deep = with_depth(named("resnet-18"), (1, 1, 1, 1))
    assert deep.prints.macs is None
    assert deep.name == "resnet-18 depth=1-1-1-1"
    assert deep.differs[-1] == "depth: 1 1 1 1 blocks in its stages"


def test_depth_and_norm_may_come_in_either_order():
    deep = with_depth(with_norm(named("vgg-11"), "bn"), (2, 2, 3, 3, 3))
    assert digest(deep) == digest(with_norm(named("vgg-16"), "bn"))


def test_stochastic_depth_is_spread_over_the_new_blocks():
    deep = with_depth(with_stochastic_depth(named("resnet-18"), 0.6), (3, 4, 6, 3))
    assert digest(deep) == digest(with_stochastic_depth(named("resnet-34"), 0.6))


@pytest.mark.parametrize(
    ("name", "counts", "words"),
    [
        ("vgg-11", (2, 2), r"vgg-11: counts = \(2, 2\); each of 5 stages has 1 or more, like \(1, 1, 2, 2, 2\)"),
        ("resnet-18", (2, 2, 2, 0), r"each of 4 stages has 1 or more, like \(2, 2, 2, 2\)"),
        ("resnet-18", (), r"each of 4 stages"),
        ("googlenet", (2, 3, 2), r"head aux2: counts = \(2, 3, 2\) leave out its row 4d; \(2, 5, 2\) keep it"),
        ("lenet@d2l", (1, 9), r"lenet depth=1-9@d2l, row conv2_4: a 16x2x2 map is smaller than its 5x5 window"),
    ],
)
def test_counts_that_do_not_fit_are_refused(name, counts, words):
    with pytest.raises(ArchError, match=words):
        with_depth(named(name), counts)
