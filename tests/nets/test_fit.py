"""What fit gives up at 28 px, family by family, by hand; and what it refuses."""

import pytest

from konvolut.errors import ArchError
from konvolut.nets.arch import facts
from konvolut.nets.catalogue import CATALOGUE, named
from konvolut.nets.fit import fit, fixed

STEM_11, STEM_7 = "conv1: 11x11 stride 4 -> 3x3 stride 1", "conv1: 7x7 stride 2 -> 3x3 stride 1"


def sides(arch):
    return {fact.name: fact.gives[1] for fact in facts(arch) if len(fact.gives) == 3}


@pytest.mark.parametrize(
    ("name", "given_up", "at"),
    [
        # 28; pool1 would give 13, 6, 2. Without it (28 - 3) // 2 + 1 = 13, then 6: the paper's own 6x6
        ("alexnet", (STEM_11, "pool1: left out"), {"conv1": 28, "conv2": 28, "pool2": 13, "conv5": 13, "pool5": 6}),
        # 28 halved five times is 0, four times 1, three times 3, twice 7
        ("vgg-11", ("pool1: left out", "pool5: left out", "pool4: left out"), {"pool2": 14, "pool3": 7, "conv5_2": 7}),
        ("vgg-16", ("pool1: left out", "pool5: left out", "pool4: left out"), {"pool2": 14, "pool3": 7, "conv5_3": 7}),
        # 28; its pools round up: 14, 7, 3 with three, 14, 7 with two
        ("nin", (STEM_11, "pool1: left out"), {"conv1": 28, "pool2": 14, "pool3": 7, "cccp8": 7}),
        ("nin-cifar", (), {"pool1": 14, "pool2": 7, "cccp6": 7}),
        # 28; 14, 7, 3 by pool2 to pool4: the last goes too
        (
            "googlenet",
            (STEM_7, "pool1: left out", "pool4: left out"),
            {"conv1": 28, "conv2": 28, "pool2": 14, "pool3": 7, "5b": 7},
        ),
        (
            "resnet-18",
            (STEM_7, "pool1: left out"),
            {"conv1": 28, "conv2_x": 28, "conv3_x": 14, "conv4_x": 7, "conv5_x": 4},
        ),
        (
            "resnet-50",
            (STEM_7, "pool1: left out"),
            {"conv1": 28, "conv2_x": 28, "conv3_x": 14, "conv4_x": 7, "conv5_x": 4},
        ),
        ("resnet-20", (), {"conv1": 28, "stage1": 28, "stage2": 14, "stage3": 7}),
    ],
)
def test_what_goes_at_28_px(name, given_up, at):
    arch, changes = fit(named(name), (1, 28, 28), 10)
    assert tuple(words for words in changes if not words.startswith(("input", "classes"))) == given_up
    assert {row: side for row, side in sides(arch).items() if row in at} == at
    assert changes[0] == f"input: {'x'.join(map(str, named(name).input))} -> 1x28x28"
    assert list(facts(arch))[-1].gives == (10,)


def test_lenet_is_left_alone_and_gets_larger_pictures():
    arch, changes = fit(named("lenet"), (1, 28, 28), 10)
    assert arch == named("lenet")
    assert changes == ("pictures: enlarged from 28x28 to 32x32",)
    colour, changes = fit(named("lenet"), (3, 40, 28), 5)
    assert colour.input == (3, 40, 32)
    assert colour.rows[:-1] != named("lenet").rows  # sizes are no longer the printed ones
    assert [row.spec for row in colour.rows[:-1]] == [row.spec for row in named("lenet").rows[:-1]]
    assert changes[2] == "classes: 10 -> 5"


@pytest.mark.parametrize("name", ["alexnet", "vgg-11", "nin", "googlenet", "resnet-18", "resnet-152"])
def test_at_224_px_only_the_classes_change(name):
    arch, changes = fit(named(name), (3, 224, 224), 10)
    assert [words for words in changes if not words.startswith("input")] == ["classes: 1000 -> 10"]
    assert [row.spec for row in arch.rows if row.name != "cccp8"][:-1] == [
        row.spec for row in named(name).rows if row.name != "cccp8"
    ][:-1]


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_net_at_its_own_size_is_itself(name):
    arch = named(name)
    assert fit(arch, arch.input, arch.rows[-1].out[0]) == (arch, ())
    assert fixed(arch, arch.input, arch.rows[-1].out[0]) == arch


def test_dense_widths_are_kept_and_sizes_that_no_longer_hold_are_not_printed():
    arch, _ = fit(named("alexnet"), (3, 28, 28), 10)
    printed = {row.name: row.out for row in arch.rows}
    assert printed == dict.fromkeys(printed, None) | {"fc6": (4096,), "fc7": (4096,), "conv3": (384, 13, 13)} | {
        "conv4": (384, 13, 13),
        "conv5": (256, 13, 13),
    }


def test_when_nothing_more_can_go_the_row_and_the_least_size_are_named():
    with pytest.raises(ArchError, match=r"^vgg-11, row fc6: a 512x3x3 map is smaller than 4x4, .*; 4 px is the least$"):
        fit(named("vgg-11"), (3, 3, 3), 10)
    # two halvings that round up: 13 -> 7 -> 4, 12 -> 6 -> 3
    with pytest.raises(
        ArchError, match=r"^resnet-20, row gap: a 64x3x3 map is smaller than 4x4, .*; 13 px is the least$"
    ):
        fit(named("resnet-20"), (3, 12, 12), 10)
    fit(named("resnet-20"), (3, 13, 13), 10)


def test_fixed_alters_nothing_and_says_what_would_work():
    with pytest.raises(
        ArchError, match=r"^vgg-11, row pool5: a 512x1x1 map is smaller than its 2x2 window; 32 px is the least"
    ):
        fixed(named("vgg-11"), (3, 28, 28), 10)
    kept = fixed(named("vgg-11"), (1, 32, 32), 10)
    assert [row.spec for row in kept.rows[:-1]] == [row.spec for row in named("vgg-11").rows[:-1]]
    assert (kept.input, list(facts(kept))[-1].gives) == ((1, 32, 32), (10,))
