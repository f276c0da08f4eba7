"""The catalogue against print: sizes, counts, citations."""

import re
from types import SimpleNamespace

import pytest
import torch

from konvolut.errors import ArchError
from konvolut.nets.arch import facts, head_facts, layers
from konvolut.nets.catalogue import CATALOGUE, named
from konvolut.nets.lenet import TABLE_I
from konvolut.nets.resnet import resnet, resnet_cifar
from konvolut.nets.variants import with_classes
from konvolut.nets.vgg import vgg

# Published, or counted twice by programs that share nothing with this one: name, input, classes where they are not the
# table's own, learnt numbers, multiply-accumulates (None where only rounded ones are known).
# fmt: off
COUNTS = [
    ("lenet", "1x32x32", None, 60_000, None),
    ("lenet@d2l", "1x28x28", None, 61_706, 416_520),
    ("lenet-bn@d2l", "1x28x28", None, 44_878, 281_640),
    ("alexnet", "3x227x227", None, 60_965_224, 724_406_816),
    ("alexnet-ungrouped", "3x227x227", None, 62_378_344, 1_135_256_096),
    ("alexnet@torchvision", "3x224x224", None, 61_100_840, 714_188_480),
    ("alexnet@d2l", "1x224x224", None, 46_764_746, 938_146_176),
    ("alexnet@d2l", "3x224x224", 1000, 50_844_008, 1_009_945_728),
    ("vgg-11", "3x224x224", None, 132_863_336, 7_609_090_048),
    ("vgg-13", "3x224x224", None, 133_047_848, 11_308_466_176),
    ("vgg-16c", "3x224x224", None, 133_638_952, 11_770_888_192),
    ("vgg-16", "3x224x224", None, 138_357_544, 15_470_264_320),
    ("vgg-19", "3x224x224", None, 143_667_240, 19_632_062_464),
    ("vgg-11+bn@torchvision", "3x224x224", None, 132_868_840, 7_609_090_048),
    ("vgg-13+bn@torchvision", "3x224x224", None, 133_053_736, 11_308_466_176),
    ("vgg-16+bn@torchvision", "3x224x224", None, 138_365_992, 15_470_264_320),
    ("vgg-19+bn@torchvision", "3x224x224", None, 143_678_248, 19_632_062_464),
    ("vgg-11@d2l", "1x224x224", None, 128_806_154, 7_547_232_256),
    ("vgg-11/4@d2l", "1x224x224", None, 43_093_322, 512_155_648),
    ("nin@d2l", "1x224x224", None, 1_992_166, 762_297_352),
    ("nin@d2l", "3x224x224", 1000, 7_439_608, 965_572_864),
    ("nin", "3x224x224", None, 7_595_176, 1_100_188_800),
    ("nin-cifar", "3x32x32", None, 966_986, 222_486_528),
    ("googlenet", "3x224x224", None, 6_998_552, 1_582_671_872),
    ("googlenet@torchvision", "3x224x224", None, 6_624_904, 1_498_376_192),
    ("googlenet@d2l", "1x96x96", None, 5_977_530, 276_066_304),
    ("googlenet@d2l", "1x224x224", None, 5_977_530, 1_502_982_144),
    ("inception-v3@torchvision", "3x299x299", None, 23_834_568, 5_713_216_096),
    ("resnet-18", "3x224x224", None, 11_689_512, 1_814_073_344),
    ("resnet-34", "3x224x224", None, 21_797_672, 3_663_761_408),
    ("resnet-34-a", "3x224x224", None, 21_623_848, 3_644_493_824),
    ("resnet-50", "3x224x224", None, 25_557_032, 3_857_973_248),
    ("resnet-101", "3x224x224", None, 44_549_160, 7_570_194_432),
    ("resnet-152", "3x224x224", None, 60_192_808, 11_282_415_616),
    ("resnet-50@torchvision", "3x224x224", None, 25_557_032, 4_089_184_256),
    ("resnet-101@torchvision", "3x224x224", None, 44_549_160, 7_801_405_440),
    ("resnet-152@torchvision", "3x224x224", None, 60_192_808, 11_513_626_624),
    ("plain-18", "3x224x224", None, 11_515_688, 1_794_805_760),
    ("resnet-18-a", "3x224x224", None, 11_515_688, 1_794_805_760),
    ("plain-34", "3x224x224", None, 21_623_848, 3_644_493_824),
    ("resnet-18@d2l", "1x96x96", None, 11_178_378, 318_657_536),
    ("resnet-18@d2l", "1x224x224", None, 11_178_378, 1_734_890_496),
    ("resnet-20", "3x32x32", None, 269_722, 40_551_040),
    ("resnet-32", "3x32x32", None, 464_154, None),
    ("resnet-44", "3x32x32", None, 658_586, None),
    ("resnet-56", "3x32x32", None, 853_018, None),
    ("resnet-110", "3x32x32", None, 1_727_962, None),
    ("resnet-1202", "3x32x32", None, 19_421_274, None),
    ("preact-110", "3x32x32", None, 1_727_962, 252_887_680),  # as resnet-110: conv1 loses a norm, the end gains one
    ("preact-164", "3x32x32", None, 1_703_258, None),
    ("preact-1001", "3x32x32", None, 10_327_706, None),
]
# fmt: on
ROUNDED = {  # published multiply-accumulates, in millions, and the last digit that is printed
    "resnet-32": (68.86, 0.01),
    "resnet-44": (97.17, 0.01),
    "resnet-56": (125.5, 0.1),
    "resnet-110": (252.9, 0.1),
    "resnet-1202": (2829, 1),
    "preact-164": (244.5, 0.1),
    "preact-1001": (1488, 1),
}  # fmt: skip


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_row_gives_the_size_its_paper_prints(name):
    arch = named(name)
    for row, fact in zip(arch.rows, facts(arch), strict=True):
        assert row.out in (None, fact.gives), row.name
    few = name.startswith("nin") or name.endswith("@d2l")
    assert sum(row.out is not None for row in arch.rows) >= (1 if few else 4)


@pytest.mark.parametrize(("name", "input", "classes", "params", "macs"), COUNTS)
def test_counts_are_the_published_ones_to_the_last_digit(name, input, classes, params, macs):
    arch = with_classes(named(name), classes or named(name).rows[-1].out[0])
    rows = list(facts(arch, tuple(map(int, input.split("x")))))
    assert sum(row.params for row in rows) == params
    assert macs is None or sum(row.macs for row in rows) == macs


@pytest.mark.parametrize("name", ROUNDED)
def test_work_rounds_to_what_is_published(name):
    millions, digit = ROUNDED[name]
    assert abs(sum(row.macs for row in facts(named(name))) / 1e6 - millions) <= digit / 2


@pytest.mark.parametrize(
    ("name", "params"),
    [  # the whole in training, as published, less the trunk
        ("googlenet", {"aux1": 3_188_840, "aux2": 3_190_888}),
        ("googlenet@torchvision", {"aux1": 3_188_968, "aux2": 3_191_016}),  # 13,004,888 with the trunk
        ("inception-v3@torchvision", {"aux": 27_161_264 - 23_834_568}),
    ],
)
def test_auxiliary_heads_learn_as_many_numbers_as_counted_and_give_the_sizes_they_print(name, params):
    arch = named(name)
    found = head_facts(arch)
    assert {head: sum(row.params for row in rows) for head, rows in found.items()} == params
    for head in arch.heads:
        assert all(row.out in (None, fact.gives) for row, fact in zip(head.rows, found[head.name], strict=True))
    if name == "googlenet@torchvision":
        assert sum(params.values()) + 6_624_904 == 13_004_888


def test_the_bottlenecks_of_published_weights_stride_on_the_3x3_and_are_otherwise_the_papers():
    paper, edition = (build_on_meta(name).conv3_x[0].body for name in ("resnet-50", "resnet-50@torchvision"))
    assert [step.conv.stride[0] for step in paper] == [2, 1, 1]
    assert [step.conv.stride[0] for step in edition] == [1, 2, 1]
    assert [p.shape for p in paper.parameters()] == [p.shape for p in edition.parameters()]


def build_on_meta(name):
    with torch.device("meta"):
        rows = {
            row.name: row.spec.make(fact.takes) for row, fact in zip(named(name).rows, facts(named(name)), strict=True)
        }
    return SimpleNamespace(**rows)


def test_lenet_learns_60_000_numbers_layer_by_layer_as_its_paper_says():
    rows = list(facts(named("lenet")))
    assert [row.params for row in rows] == [156, 12, 1_516, 32, 48_120, 10_164, 0]
    assert sum(row.params for row in rows) == 60_000
    # 5x5 windows: 6 maps at 28x28 pixels; 60 connections at 10x10; 16 x 120 at one; then 120 x 84
    assert [row.macs for row in rows] == [25 * 6 * 784, 0, 25 * 60 * 100, 0, 25 * 16 * 120, 120 * 84, 0]


def test_table_i_has_60_connections_and_no_two_maps_alike():
    assert [len(row) for row in TABLE_I] == [3] * 6 + [4] * 9 + [6]
    assert len({frozenset(row) for row in TABLE_I}) == 16
    assert [sum(channel in row for row in TABLE_I) for channel in range(6)] == [10] * 6


def test_alexnet_row_by_row_by_hand():
    params = {row.name: row.params for row in facts(named("alexnet"))}
    assert params == {
        "conv1": 34_944,
        "pool1": 0,
        "conv2": 307_456,
        "pool2": 0,
        "conv3": 885_120,
        "conv4": 663_936,
        "conv5": 442_624,
        "pool5": 0,
        "fc6": 37_752_832,
        "fc7": 16_781_312,
        "fc8": 4_097_000,
    }


def test_nin_sizes_by_the_arithmetic_of_caffe():
    # (224 - 11) // 4 + 1 = 54; pools round up: (54 - 3) / 2 + 1 = 26.5 -> 27; 13; 6
    sides = [row.gives[1] for row in facts(named("nin")) if row.name.startswith(("conv", "pool"))]
    assert sides == [54, 27, 27, 13, 13, 6, 6]


@pytest.mark.parametrize("name", ["3a", "3b", "4a", "4b", "4d", "4e", "5b"])
def test_inception_work_is_that_of_table_1(name):
    millions = {"3a": 128, "3b": 304, "4a": 73, "4b": 88, "4d": 119, "4e": 170, "5b": 71}  # 4c and 5a are misprinted
    work = next(row.macs for row in facts(named("googlenet")) if row.name == name)
    assert abs(work / 1e6 - millions[name]) < 1


@pytest.mark.parametrize(
    ("name", "count"),
    [("lenet", 7), ("alexnet", 8), ("vgg-16c", 16), ("nin", 12), ("googlenet", 22), ("resnet-34-c", 34)]
    + [(name, int(name.split("-")[1])) for name in CATALOGUE if re.fullmatch(r"(vgg|resnet|plain|preact)-\d+", name)],
)
def test_a_net_is_as_deep_as_its_name_or_paper_says(name, count):
    assert layers(named(name)) == count


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_source_is_cited(name):
    assert re.search(
        r"(arXiv:\d{4}\.\d{4,5}|\b(19|20)\d\d|Dive into Deep Learning)\b.*(table|figure|section|model)",
        named(name).source,
    )


def test_only_6n_plus_2_layers_make_a_cifar_net():
    with pytest.raises(ArchError, match="resnet-21: the CIFAR nets have 6n"):
        resnet_cifar(21)


def test_a_depth_or_column_that_no_table_has_is_refused():
    with pytest.raises(ArchError, match="resnet-51: table 1 has 18, 34, 50, 101, 152 layers"):
        resnet(51)
    with pytest.raises(ArchError, match="column = 'F'; known: A, A-LRN, B, C, D, E"):
        vgg(column="F")


def test_options_of_the_shortcut_name_the_net():
    assert [resnet(34, shortcut=option).name for option in ("A", "B", "C", "none")] == [
        *("resnet-34-a", "resnet-34", "resnet-34-c", "plain-34")
    ]
    # option C projects in all 16 blocks; B in 3; the other 13 are 64, 128, 256 and 512 maps wide
    more = sum(n * (c * c + 2 * c) for n, c in ((3, 64), (3, 128), (5, 256), (2, 512)))
    rows_b, rows_c = facts(resnet(34)), facts(resnet(34, shortcut="C"))
    assert sum(row.params for row in rows_c) - sum(row.params for row in rows_b) == more
