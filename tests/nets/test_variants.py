"""Variants: what a function of a table changes, and what it leaves."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from konvolut.blocks.basic import Dropout
from konvolut.blocks.norm import Norm
from konvolut.blocks.residual import Basic, Residual, Stage
from konvolut.blocks.spec import NOTHING
from konvolut.errors import ArchError
from konvolut.nets.arch import build, digest, facts
from konvolut.nets.catalogue import named
from konvolut.nets.variants import (
    narrow,
    regularised,
    with_activation,
    with_classes,
    with_dropout,
    with_norm,
    with_stochastic_depth,
    without_last_activation,
)


def modules(arch, kind):
    with torch.device("meta"):
        rows = [row.spec.make(fact.takes) for row, fact in zip(arch.rows, facts(arch), strict=True)]
    return [module for row in rows for module in row.modules() if isinstance(module, kind)]


def count(arch):
    return sum(fact.params for fact in facts(arch))


def test_batch_norm_trades_each_bias_for_a_scale_and_a_shift():
    widths = 64 + 128 + 2 * 256 + 4 * 512  # of vgg-11's convolutions
    assert count(with_norm(named("vgg-11"), "bn")) == 132_863_336 - widths + 2 * widths
    assert [conv.bias for conv in modules(with_norm(named("vgg-11"), "bn"), nn.Conv2d)] == [None] * 8


def test_normalising_twice_is_normalising_once():
    once = with_norm(named("googlenet"), "bn")
    assert with_norm(once, "bn") is once
    assert with_norm(named("resnet-18"), "bn") == named("resnet-18")
    assert once.name == "googlenet+bn"


def test_batch_norm_replaces_local_response_norm():
    assert modules(named("alexnet"), nn.LocalResponseNorm)
    assert not modules(with_norm(named("alexnet"), "bn"), nn.LocalResponseNorm)
    assert not any(isinstance(row.spec, Norm) for row in with_norm(named("googlenet"), "bn").rows)
    assert len(modules(with_norm(named("googlenet"), "bn"), nn.BatchNorm2d)) == 3 + 9 * 6


def test_the_classifier_is_not_normalised():
    assert len(modules(with_norm(named("nin"), "bn"), nn.BatchNorm2d)) == 11
    assert not modules(with_norm(named("vgg-11"), "bn"), nn.BatchNorm1d)


def test_without_a_norm_the_biases_are_back():
    bare = with_norm(named("resnet-20"), "none")
    assert not modules(bare, nn.BatchNorm2d)
    assert all(conv.bias is not None for conv in modules(bare, nn.Conv2d))
    assert not modules(with_norm(named("alexnet"), "none"), nn.LocalResponseNorm)


def test_an_activation_changes_in_hidden_rows_only():
    for name, kept in (("googlenet", 0), ("resnet-18", 0), ("nin", 1)):  # NiN's classifier has a ReLU of its own
        changed = with_activation(named(name), "tanh")
        assert len(modules(changed, nn.ReLU)) == kept
        assert len(modules(changed, nn.Tanh)) == len(modules(named(name), nn.ReLU)) - kept
    assert "activation: tanh in the hidden rows" in with_activation(named("vgg-11"), "tanh").differs


def test_the_last_relu_of_nin_can_go():
    assert len(modules(without_last_activation(named("nin")), nn.ReLU)) == 11
    assert without_last_activation(named("vgg-11")) == named("vgg-11")
    assert build(narrow(without_last_activation(named("nin-cifar")), 8))(torch.randn(8, 3, 32, 32)).min() < 0


def test_a_narrow_net_has_the_widths_divided_and_the_dense_ones_kept():
    thin = narrow(named("vgg-11"), 4)
    assert [conv.out_channels for conv in modules(thin, nn.Conv2d)] == [16, 32, 64, 64, 128, 128, 128, 128]
    assert [layer.out_features for layer in modules(thin, nn.Linear)] == [4096, 4096, 1000]
    assert thin.name == "vgg-11/4"
    assert narrow(with_norm(named("vgg-11"), "bn"), 4) == with_norm(thin, "bn")
    assert narrow(named("vgg-11"), 1) == named("vgg-11")


def test_inception_and_residual_columns_are_divided_too():
    by_hand = 96 * 32 + 96 * 48 + 9 * 48 * 64 + 96 * 8 + 25 * 8 * 16 + 96 * 16 + (32 + 48 + 64 + 8 + 16 + 16)
    assert next(fact.params for fact in facts(narrow(named("googlenet"), 2)) if fact.name == "3a") == by_hand
    assert list(facts(narrow(named("resnet-50"), 2)))[-2].gives == (1024,)
    assert list(facts(narrow(named("nin"), 2)))[-1].gives == (1000,)


def test_a_variant_claims_no_size_that_its_paper_did_not_print():
    assert {row.out for row in narrow(named("alexnet"), 2).rows} == {None, (4096,), (1000,)}
    assert with_classes(named("alexnet"), 10).rows[-1].out is None


@pytest.mark.parametrize(
    ("name", "divisor", "words"),
    [
        ("vgg-11", 3, "vgg-11, row conv1_1: out = 64 does not divide by 3"),
        ("googlenet", 32, "googlenet, row 3a: r5x5 = 16 does not divide by 32"),
        ("alexnet", 32, "alexnet/32, row conv2: 3 maps in and 8 out do not both split into 2 groups"),
        ("lenet", 2, "lenet, row C3: its connection table fixes its width"),
        ("vgg-11", 0, "widths cannot be divided by 0"),
        ("resnet-50", 128, "resnet-50, row conv1: out = 64 does not divide by 128"),
    ],
)
def test_a_divisor_that_does_not_divide_is_refused_with_the_row(name, divisor, words):
    with pytest.raises(ArchError, match=words):
        narrow(named(name), divisor)


def shares(arch):
    return {
        row.name: row.spec.share if isinstance(row.spec, Dropout) else row.spec.drop
        for row in arch.rows
        if isinstance(row.spec, Dropout) or getattr(row.spec, "drop", 0)
    }


def test_dropout_changes_where_it_is_and_comes_before_the_classifier_where_it_is_not():
    assert shares(named("alexnet")) == {"fc7": 0.5, "fc8": 0.5}  # what fc6 and fc7 give is dropped (section 4.2)
    assert shares(with_dropout(named("alexnet"), 0.2)) == {"fc7": 0.2, "fc8": 0.2}
    assert shares(with_dropout(named("nin"), 0.2)) == {"drop3": 0.2}
    assert shares(with_dropout(named("resnet-18"), 0.2)) == {"fc": 0.2}
    assert shares(with_dropout(named("lenet"), 0.2)) == {"drop": 0.2}
    bare = with_dropout(named("nin"), 0.0)
    assert shares(bare) == {}
    assert [row.name for row in with_dropout(bare, 0.3).rows][-3:] == ["drop", "cccp8", "gap"]
    assert with_dropout(named("resnet-18"), 0.0) == named("resnet-18")


def test_a_table_is_regularised_only_where_it_is_asked_to_be():
    table = named("resnet-20")
    assert regularised(table) is table
    assert regularised(table, dropout=0.2) == with_dropout(table, 0.2)
    assert regularised(table, drop_path=0.2) == with_stochastic_depth(table, 0.8)
    assert regularised(table, 0.0, 0.2) == with_stochastic_depth(table, 0.8)
    assert shares(regularised(named("nin"), 0.0)) == {}
    with pytest.raises(ArchError, match="no row of residual blocks"):
        regularised(named("alexnet"), drop_path=0.2)


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_share_is_a_share(share):
    with pytest.raises(ArchError, match="from 0 to less than 1"):
        with_dropout(named("alexnet"), share)


def test_words_that_are_not_known_get_the_nearest():
    with pytest.raises(ArchError, match=r"norm = 'bm'; did you mean 'bn'\?"):
        with_norm(named("lenet"), "bm")
    with pytest.raises(ArchError, match=r"act = 'tahn'; did you mean 'tanh'\?"):
        with_activation(named("lenet"), "tahn")
    with pytest.raises(ArchError, match="classes = 1; a classifier tells 2 or more apart"):
        with_classes(named("lenet"), 1)


@pytest.mark.parametrize("name", ["lenet", "alexnet", "nin", "googlenet", "resnet-18"])
def test_classes_are_the_width_of_the_answer(name):
    assert list(facts(with_classes(named(name), 7)))[-1].gives == (7,)
    others = {"rows": (), "heads": (), "prints": NOTHING}
    assert replace(with_classes(named(name), 7), **others) == replace(named(name), **others)


def chances(arch):
    return [module.survive for module in modules(arch, Residual)]


def test_the_survival_law_by_hand():
    # Huang et al. 2016, eq. 4: 1 - l / L * (1 - p_L); 54 blocks of resnet-110, p_L = 0.5
    law = chances(with_stochastic_depth(named("resnet-110"), last=0.5))
    assert law == pytest.approx([1 - block / 108 for block in range(1, 55)], abs=1e-12)
    assert (law[0], law[26], law[53]) == pytest.approx((107 / 108, 0.75, 0.5))
    assert sum(law) == pytest.approx(54 - 54 * 55 / 2 / 108)  # "about 40 of 54 blocks" (section 3): 40.25
    assert chances(with_stochastic_depth(named("preact-18"), 0.2))[-1] == pytest.approx(0.2)


def test_stochastic_depth_changes_no_weight_and_may_be_taken_back():
    net, odd = build(named("resnet-20")), build(with_stochastic_depth(named("resnet-20")))
    assert list(odd.state_dict()) == list(net.state_dict())
    assert chances(with_stochastic_depth(named("resnet-20"), 1.0)) == [1.0] * 9
    assert digest(with_stochastic_depth(named("resnet-20"))) != digest(named("resnet-20"))


def survivor(chance):
    """One block of two convolutions without a norm, whose body takes part with `chance`."""
    torch.manual_seed(0)
    block = Stage(1, Basic(2, norm="none", act="none"), survive=(chance,)).make((2, 4, 4))
    for p in block.parameters():
        p.data.normal_()
    return block, torch.randn(3, 2, 4, 4)


def test_in_training_a_body_takes_part_as_often_as_its_chance_says():
    block, images = survivor(0.7)
    whole = images + block[0].body(images)
    torch.manual_seed(1)
    taken = 0
    for _ in range(500):
        given = block(images)
        assert torch.equal(given, images) or torch.equal(given, whole)  # all of the batch, or none of it
        taken += torch.equal(given, whole)
    assert abs(taken - 350) < 4 * (500 * 0.7 * 0.3) ** 0.5  # four standard deviations


def test_in_evaluation_a_block_gives_what_training_gives_on_average():
    block, images = survivor(0.7)
    expected = 0.7 * (images + block[0].body(images)) + 0.3 * images
    torch.testing.assert_close(block.eval()(images), expected)


@pytest.mark.parametrize(
    ("name", "last", "words"),
    [
        ("resnet-20", 0.0, "last = 0.0; it is the last block's chance to take part, above 0, at most 1"),
        ("resnet-20", 1.5, "last = 1.5"),
        ("vgg-11", 0.5, "vgg-11: no row of residual blocks"),
        ("plain-20", 0.5, "plain-20: no row of residual blocks"),
    ],
)
def test_a_chance_is_a_chance_and_a_block_has_a_shortcut(name, last, words):
    with pytest.raises(ArchError, match=words):
        with_stochastic_depth(named(name), last)
