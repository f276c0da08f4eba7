"""The catalogue against print: sizes, counts, citations."""

import re

import pytest

from konvolut.errors import ArchError
from konvolut.nets.arch import facts, layers
from konvolut.nets.catalogue import BASES, named
from konvolut.nets.lenet import TABLE_I
from konvolut.nets.resnet import resnet, resnet_cifar
from konvolut.nets.vgg import vgg

# Published, or counted twice by programs that share nothing with this one: learnt numbers and multiply-accumulates.
COUNTS = {
    "alexnet": (60_965_224, 724_406_816),
    "alexnet-ungrouped": (62_378_344, 1_135_256_096),
    "vgg-11": (132_863_336, 7_609_090_048),
    "vgg-13": (133_047_848, 11_308_466_176),
    "vgg-16c": (133_638_952, 11_770_888_192),
    "vgg-16": (138_357_544, 15_470_264_320),
    "vgg-19": (143_667_240, 19_632_062_464),
    "nin": (7_595_176, 1_100_188_800),
    "nin-cifar": (966_986, 222_486_528),
    "googlenet": (6_998_552, 1_582_671_872),
    "resnet-18": (11_689_512, 1_814_073_344),
    "resnet-34": (21_797_672, 3_663_761_408),
    "resnet-34-a": (21_623_848, 3_644_493_824),
    "resnet-50": (25_557_032, 3_857_973_248),  # with the stride on the 3x3 ("v1.5") it would be 4,089,184,256
    "resnet-101": (44_549_160, 7_570_194_432),
    "resnet-152": (60_192_808, 11_282_415_616),
    "plain-18": (11_515_688, 1_794_805_760),
    "plain-34": (21_623_848, 3_644_493_824),
    "resnet-20": (269_722, 40_551_040),
}
LEARNT = {"resnet-32": 464_154, "resnet-44": 658_586, "resnet-56": 853_018, "resnet-110": 1_727_962}


@pytest.mark.parametrize("name", BASES)
def test_every_row_gives_the_size_its_paper_prints(name):
    arch = named(name)
    for row, fact in zip(arch.rows, facts(arch), strict=True):
        assert row.out in (None, fact.gives), row.name
    assert sum(row.out is not None for row in arch.rows) >= (1 if name.startswith("nin") else 4)


@pytest.mark.parametrize("name", COUNTS)
def test_counts_are_the_published_ones_to_the_last_digit(name):
    rows = list(facts(named(name)))
    assert (sum(row.params for row in rows), sum(row.macs for row in rows)) == COUNTS[name]


@pytest.mark.parametrize("name", LEARNT)
def test_the_cifar_nets_learn_as_many_numbers_as_counted(name):
    assert sum(row.params for row in facts(named(name))) == LEARNT[name]


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
    + [(name, int(name.split("-")[1])) for name in BASES if re.fullmatch(r"(vgg|resnet|plain)-\d+", name)],
)
def test_a_net_is_as_deep_as_its_name_or_paper_says(name, count):
    assert layers(named(name)) == count


@pytest.mark.parametrize("name", BASES)
def test_every_source_is_cited(name):
    assert re.search(r"(arXiv:\d{4}\.\d{4,5}|\b(19|20)\d\d)\b.*(table|figure|section|model)", named(name).source)


def test_only_6n_plus_2_layers_make_a_cifar_net():
    with pytest.raises(ArchError, match="resnet-21: the CIFAR nets have 6n"):
        resnet_cifar(21)


def test_a_depth_or_column_that_no_table_has_is_refused():
    with pytest.raises(ArchError, match="resnet-51: table 1 has 18, 34, 50, 101, 152 layers"):
        resnet(51)
    with pytest.raises(ArchError, match="column = 'F'; known: A, B, C, D, E"):
        vgg("F")


def test_options_of_the_shortcut_name_the_net():
    assert [resnet(34, shortcut=option).name for option in ("A", "B", "C", "none")] == [
        *("resnet-34-a", "resnet-34", "resnet-34-c", "plain-34")
    ]
    # option C projects in all 16 blocks; B in 3; the other 13 are 64, 128, 256 and 512 maps wide
    more = sum(n * (c * c + 2 * c) for n, c in ((3, 64), (3, 128), (5, 256), (2, 512)))
    rows_b, rows_c = facts(resnet(34)), facts(resnet(34, shortcut="C"))
    assert sum(row.params for row in rows_c) - sum(row.params for row in rows_b) == more
