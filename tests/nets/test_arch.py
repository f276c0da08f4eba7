"""Tables, facts, and the networks built from them."""

from dataclasses import replace
from hashlib import sha256

import pytest
import torch

from konvolut.blocks.basic import Conv, Dense, GlobalAvgPool, MaxPool
from konvolut.blocks.spec import Row
from konvolut.errors import ArchError
from konvolut.nets.alexnet import alexnet
from konvolut.nets.arch import Arch, build, digest, facts, layers
from konvolut.nets.resnet import resnet

TINY = Arch(
    "tiny",
    "this test",
    (3, 8, 8),
    (
        Row("conv1", Conv(4, 3, p=1, groups=1), (4, 8, 8)),
        Row("pool1", MaxPool(2, 2)),
        Row("gap", GlobalAvgPool()),
        Row("fc", Dense(5, act="none")),
    ),
)


def test_facts_by_hand():
    conv, pool, gap, dense = facts(TINY)
    assert (conv.takes, conv.gives, conv.params, conv.macs) == ((3, 8, 8), (4, 8, 8), 4 * 27 + 4, 4 * 27 * 64)
    assert (pool.gives, pool.params, pool.macs) == ((4, 4, 4), 0, 0)
    assert (gap.gives, gap.macs) == ((4,), 0)
    assert (dense.takes, dense.gives, dense.params, dense.macs) == ((4,), (5,), 25, 20)


def test_a_group_works_on_its_own_maps_only():
    grouped = replace(TINY, rows=(TINY.rows[0], Row("conv2", Conv(6, 3, groups=2)), *TINY.rows[2:]))
    assert list(facts(grouped))[1].macs == 6 * 2 * 9 * 36  # 6x6 pixels; each of 6 maps sees 2 of 4


def test_facts_allocate_no_weight():
    assert sum(fact.params for fact in facts(alexnet())) * 4 > 2**27  # bytes that a real one would take
    before = torch.random.get_rng_state()
    list(facts(alexnet()))
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_net_has_the_parts_of_its_table_and_the_count_of_its_facts():
    net = build(TINY)
    assert list(dict(net.named_children())) == ["conv1", "pool1", "gap", "fc"]
    assert sum(p.numel() for p in net.parameters()) == sum(fact.params for fact in facts(TINY))
    assert net(torch.zeros(2, 3, 8, 8)).shape == (2, 5)


def test_a_net_is_a_matter_of_its_seed_and_leaves_the_global_generator_alone():
    before = torch.random.get_rng_state()
    one, same, other = build(TINY, seed=1), build(TINY, seed=1), build(TINY, seed=2)
    assert torch.equal(one.conv1.conv.weight, same.conv1.conv.weight)
    assert not torch.equal(one.conv1.conv.weight, other.conv1.conv.weight)
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_net_without_relu_starts_by_xavier():
    tanh = replace(TINY, rows=(Row("conv1", Conv(64, 3, act="tanh")), *TINY.rows[1:]))
    assert build(tanh).conv1.conv.weight.abs().max() <= (6 / (27 + 64 * 9)) ** 0.5 * (1 + 1e-6)


def test_a_row_that_does_not_fit_is_named_with_the_least_size():
    # through conv1, pool1, pool2 and pool5, 67 px become (67 - 11) // 4 + 1 = 15, 7, 3, 1; 66 px become 14, 6, 2
    with pytest.raises(
        ArchError, match=r"^alexnet, row pool5: a 256x2x2 map is smaller than its 3x3 window; 67 px is the least$"
    ):
        list(facts(alexnet(), (3, 66, 66)))
    assert list(facts(alexnet(), (3, 67, 67)))[-1].gives == (1000,)


def test_a_picture_without_channels_is_refused():
    with pytest.raises(ArchError, match=r"tiny: input = \(8, 8\); it is channels, height and width, like"):
        build(TINY, (8, 8))


def test_maps_that_no_size_can_mend_are_refused_without_one():
    odd = replace(TINY, rows=(TINY.rows[0], Row("conv2", Conv(6, 3, groups=3)), *TINY.rows[2:]))
    with pytest.raises(ArchError, match=r"tiny, row conv2: 4 maps in and 6 out do not both split into 3 groups$"):
        build(odd)
    late = replace(TINY, rows=(*TINY.rows, Row("conv9", Conv(6, 3))))
    with pytest.raises(ArchError, match=r"tiny, row conv9: it cannot take 5 features$"):
        build(late)


@pytest.mark.parametrize("name", ["a.b", "", "train", "pool1"])
def test_a_row_needs_a_free_name(name):
    with pytest.raises(ArchError, match="a row needs a name of its own"):
        replace(TINY, rows=(Row(name, MaxPool(1, 1)), *TINY.rows))


def test_the_digest_is_of_a_text_that_can_be_written_by_hand():
    text = "input 3x8x8\nconv1 Conv out=4 k=3 p=1\npool1 MaxPool k=2 s=2\ngap GlobalAvgPool\nfc Dense out=5 act=none"
    assert digest(TINY) == sha256(text.encode()).hexdigest()


def test_the_digest_follows_what_decides_the_network():
    assert digest(replace(TINY, name="x", source="y", differs=("z",))) == digest(TINY)
    assert digest(replace(TINY, rows=(replace(TINY.rows[0], out=None), *TINY.rows[1:]))) == digest(TINY)
    others = [
        replace(TINY, input=(1, 8, 8)),
        replace(TINY, rows=TINY.rows[1:]),
        replace(TINY, rows=(replace(TINY.rows[0], name="c"), *TINY.rows[1:])),
        replace(TINY, rows=(Row("conv1", Conv(4, 3, p=1, act="tanh")), *TINY.rows[1:])),
        resnet(18),
        resnet(18, shortcut="C"),
    ]
    assert len({digest(arch) for arch in [TINY, *others]}) == 7


def test_layers_are_those_with_weights():
    assert layers(TINY) == 2
