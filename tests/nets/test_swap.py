"""Other blocks in the same skeleton: every map between the stages keeps its shape."""

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import cross_entropy

from konvolut.blocks.basic import Conv, Dense
from konvolut.blocks.inception import Inception
from konvolut.blocks.mlpconv import Mlpconv
from konvolut.blocks.residual import Stage
from konvolut.blocks.spec import parts
from konvolut.errors import ArchError
from konvolut.nets.arch import build, digest, facts, head_facts, layers
from konvolut.nets.catalogue import named
from konvolut.nets.stages import stages
from konvolut.nets.swap import BLOCKS, in_proportion, sections, swap_block
from konvolut.nets.variants import with_classes, with_norm, without_last_activation

SKELETONS = (
    *("alexnet/4", "vgg-11/8", "vgg-16/8", "vgg-16c/8", "vgg-11/8+bn", "nin/8", "nin-cifar/4", "nin/4@d2l"),
    *("googlenet/8", "googlenet/8@torchvision", "resnet-18/8", "resnet-50/8", "resnet-20", "preact-18/8"),
)
WIDTHS_OF_18 = {"stage1": 64, "stage2": 128, "stage3": 256, "stage4": 512}
KINDS = {"vgg": Conv, "nin": Mlpconv, "inception": Inception, "residual": Stage, "plain": Stage}


def small(name):
    """At pictures just large enough, its dense rows 32 wide."""
    arch = without_last_activation(with_classes(named(name), 10))
    rows = (
        replace(row, spec=replace(row.spec, out=32)) if isinstance(row.spec, Dense) and row.spec.act == "relu" else row
        for row in arch.rows
    )
    heads = () if name != "googlenet/8" else arch.heads
    side = {"alexnet/4": 67, "nin/4@d2l": 80, "googlenet/8": 208}.get(name, 64 if min(arch.input[1:]) > 64 else 32)
    return replace(arch, rows=tuple(rows), heads=heads, input=(arch.input[0], side, side))


@pytest.fixture(scope="module", params=SKELETONS)
def skeleton(request):
    return small(request.param)


@pytest.mark.parametrize("block", BLOCKS)
def test_a_skeleton_with_other_blocks_keeps_its_maps_and_learns(skeleton, block):
    swapped = swap_block(skeleton, block)
    ends = [list(facts(skeleton))[run.stop - 1].gives for run in sections(skeleton)]
    assert [list(facts(swapped))[run.stop - 1].gives for run in sections(swapped)] == ends
    gone = {row.name for row in skeleton.rows} - {row.name for row in swapped.rows}
    inside = {skeleton.rows[place].name for run in stages(skeleton) for place in run}
    assert gone <= inside  # stem, pools and head are still there
    net = build(swapped).train()
    images = torch.randn(4, *swapped.input, generator=torch.Generator().manual_seed(0))
    answers = net(images)
    losses = [cross_entropy(logits, torch.arange(4)) for logits in (answers if swapped.heads else (answers,))]
    torch.stack(losses).sum().backward()
    assert len(losses) == 1 + len(skeleton.heads)
    dead = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not dead


@pytest.mark.parametrize("block", BLOCKS)
def test_the_stages_are_made_of_the_block_and_are_about_as_deep(block):
    for name, stage_layers in (("vgg-16", (2, 2, 3, 3, 3)), ("resnet-18", (4, 4, 4, 4)), ("googlenet", (4, 10, 4))):
        swapped = swap_block(named(name), block)
        own = {"vgg-16": "vgg", "resnet-18": "residual", "googlenet": "inception"}[name]
        each = {"vgg": 1, "nin": 3, "inception": 2, "residual": 2, "plain": 2}[block]
        places = [place for run in stages(swapped) for place in run]
        assert {type(swapped.rows[place].spec) for place in places} == {KINDS[block]}
        runs = len(sections(named(name)))
        assert abs(layers(swapped) - layers(named(name))) <= runs * each / 2
        assert depths(named(name)) == stage_layers
        assert (swapped == named(name)) == (block == own)


def depths(arch):
    found = list(facts(arch))
    return tuple(sum(fact.layers for fact in found[run.start : run.stop]) for run in stages(arch))


def test_a_stage_already_made_of_the_block_stays():
    for name, block in (
        ("vgg-19", "vgg"),
        ("vgg-16c", "vgg"),
        ("nin", "nin"),
        ("nin@d2l", "nin"),
        ("googlenet", "inception"),
        ("resnet-50", "residual"),
        ("plain-20", "plain"),
    ):
        arch = named(name)
        assert swap_block(arch, block) is arch


def test_without_its_shortcuts_a_residual_net_is_the_plain_one_and_back():
    assert digest(swap_block(named("resnet-34"), "plain")) == digest(named("plain-34"))
    assert digest(swap_block(named("resnet-110"), "plain")) == digest(named("plain-110"))
    assert digest(swap_block(named("plain-34"), "residual")) == digest(named("resnet-34"))


def test_vgg_and_back_by_way_of_residual_blocks():
    arch = named("vgg-16")
    again = swap_block(swap_block(arch, "residual"), "vgg")
    assert [row.spec for row in again.rows if isinstance(row.spec, Conv)] == [  # 2 and 3 layers are 1 and 2 blocks of 2
        Conv(width, 3, p=1)
        for width, n in zip((64, 128, 256, 512, 512), (2, 2, 4, 4, 4), strict=True)
        for _ in range(n)
    ]


def test_inception_widths_are_those_of_3a_and_sum_to_the_stage():
    swapped = swap_block(named("resnet-18"), "inception")
    widths = {row.name: row.spec for row in swapped.rows if isinstance(row.spec, Inception)}
    third = Inception(64, 96, 128, 16, 32, 32, norm="bn", bias=False)  # row 3a, dressed as ResNet is
    assert widths["stage3_1"] == third
    assert {name[:6]: spec.maps(0) for name, spec in widths.items()} == WIDTHS_OF_18
    for width in range(4, 200):
        n1x1, _, n3x3, _, n5x5, proj = in_proportion(width, "")
        assert n1x1 + n3x3 + n5x5 + proj == width
        assert min(in_proportion(width, "")) >= 1


def test_norm_activation_and_place_are_those_of_the_row_before():
    for block in BLOCKS:
        swapped = swap_block(with_norm(named("vgg-11"), "bn", at="after"), block)
        found = [spec for row in swapped.rows for spec in parts(row.spec) if hasattr(spec, "at")][:-3]
        assert {(spec.act, spec.norm, spec.at, spec.bias) for spec in found} == {("relu", "bn", "after", False)}
    pre = swap_block(named("preact-18"), "vgg")
    assert {row.spec.at for row in pre.rows if row.name.startswith("stage")} == {"pre"}
    assert swap_block(swap_block(named("preact-18"), "vgg"), "residual").rows[2].spec.block.pre


def test_a_stage_that_strides_still_does():
    vgg = swap_block(named("resnet-18"), "vgg")
    assert [row.spec.s for row in vgg.rows if row.name.startswith("stage2")] == [2, 1, 1, 1]
    inception = swap_block(named("resnet-18"), "inception")
    assert [row.name for row in inception.rows[2:7]] == ["stage1_1", "stage1_2", "stage2_pool", "stage2_1", "stage2_2"]


def test_auxiliary_heads_stand_at_maps_of_the_shape_they_had():
    for block in BLOCKS:
        swapped = swap_block(named("googlenet"), block)
        assert head_facts(swapped) == head_facts(named("googlenet"))


def test_the_variant_says_what_it_is():
    swapped = swap_block(named("vgg-16/4+bn@d2l"), "inception")
    assert swapped.name == "vgg-16 inception blocks/4+bn@d2l"
    assert swapped.differs[-1] == "inception blocks in its stages"
    assert (
        swap_block(named("googlenet"), "vgg").rows[-1].prints == named("googlenet").rows[-1].prints
    )  # fc is untouched
    assert {row.prints.params for row in swap_block(named("googlenet"), "vgg").rows[6:-1]} == {None}


@pytest.mark.parametrize(
    ("name", "block", "words"),
    [
        ("vgg-11", "residul", r"block = 'residul'; did you mean 'residual'\?"),
        ("lenet@d2l", "vgg", r"lenet@d2l, row conv2: its stage turns 6x14x14 into 16x10x10; only a stage that keeps"),
        ("inception-v3@torchvision", "vgg", r"row 6e: its stage turns 288x35x35 into 768x17x17"),
        ("resnet-20/8", "inception", r"resnet-20/8, row stage1: 2 maps cannot be shared out"),
    ],
)
def test_what_cannot_be_swapped_is_refused(name, block, words):
    with pytest.raises(ArchError, match=words):
        swap_block(named(name), block)


def test_a_table_without_stages_is_refused():
    dense = replace(named("lenet@d2l"), rows=named("lenet@d2l").rows[-3:], input=(1, 8, 8))
    with pytest.raises(ArchError, match=r"no row to repeat between stem and head; such rows are Conv, Mlpconv"):
        swap_block(dense, "vgg")
