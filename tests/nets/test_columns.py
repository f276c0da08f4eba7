"""Builders: the paper's columns give the paper's net, other columns a net that claims nothing of the paper's."""

import pytest

from konvolut.blocks.spec import NOTHING
from konvolut.errors import ArchError
from konvolut.nets.alexnet import alexnet
from konvolut.nets.arch import build, digest, facts, layers
from konvolut.nets.catalogue import named
from konvolut.nets.fit import fit
from konvolut.nets.googlenet import googlenet
from konvolut.nets.nin import nin
from konvolut.nets.preact import preact, preact_cifar
from konvolut.nets.resnet import resnet, resnet_cifar
from konvolut.nets.variants import narrow, with_classes, with_norm, with_stochastic_depth
from konvolut.nets.vgg import vgg

TABLE_1 = (  # of GoogLeNet: 3a, 3b; 4a to 4e; 5a, 5b
    ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)),
    (
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
    ),
    ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)),
)
BOOK = ((96, 11, 4, 0), (256, 5, 1, 2), (384, 3, 1, 1))  # Dive into Deep Learning, section 8.3


def gives(arch):
    return {fact.name: fact.gives for fact in facts(arch)}


@pytest.mark.parametrize(
    ("made", "name"),
    [
        (alexnet((96, 256, 384, 384, 256), (4096, 4096)), "alexnet"),
        (vgg(convs=(2, 2, 3, 3, 3)), "vgg-16"),
        (nin(), "nin"),
        (nin(BOOK, input=(1, 224, 224), classes=10), "nin@d2l"),
        (resnet(50, blocks=(3, 4, 23, 3)), "resnet-101"),
        (resnet(18, blocks=(3, 4, 6, 3), widths=(64, 128, 256, 512)), "resnet-34"),
        (resnet_cifar(20, widths=(16, 32, 64)), "resnet-20"),
        (preact(18, blocks=(3, 4, 6, 3)), "preact-34"),
        (preact_cifar(164, widths=(64, 128, 256)), "preact-164"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_papers_columns_are_the_papers_net(made, name):
    assert digest(made) == digest(named(name))


def test_columns_that_are_the_papers_own_leave_the_table_as_it_is():
    assert alexnet((96, 256, 384, 384, 256)) == named("alexnet")
    assert resnet(50, blocks=(3, 4, 6, 3), widths=(256, 512, 1024, 2048)) == named("resnet-50")
    assert preact_cifar(164, widths=(64, 128, 256)) == named("preact-164")
    assert googlenet(classes=1000) == named("googlenet")


def test_table_1_of_googlenet_is_googlenet_without_its_heads():
    made = googlenet(TABLE_1)
    assert [(row.name, row.spec) for row in made.rows] == [(row.name, row.spec) for row in named("googlenet").rows]
    assert (made.name, made.heads) == ("googlenet-own", ())


def test_a_narrow_net_is_one_of_narrow_columns():
    assert digest(alexnet((48, 128, 192, 192, 128))) == digest(narrow(named("alexnet"), 2))
    assert digest(resnet_cifar(20, widths=(8, 16, 32))) == digest(narrow(named("resnet-20"), 2))
    assert digest(resnet(50, widths=(128, 256, 512, 1024))) == digest(narrow(named("resnet-50"), 2))
    assert digest(resnet(18, widths=(32, 64, 128, 256))) == digest(narrow(named("resnet-18"), 2))
    assert digest(preact(18, widths=(32, 64, 128, 256))) == digest(narrow(named("preact-18"), 2))
    assert digest(preact_cifar(164, widths=(32, 64, 128))) == digest(narrow(named("preact-164"), 2))
    assert digest(preact_cifar(32, widths=(8, 16, 32))) == digest(narrow(preact_cifar(32), 2))


def test_the_name_counts_the_layers():
    for made, words in (
        (resnet(18, blocks=(1, 1, 1, 1)), "resnet-10-own"),
        (resnet(18, blocks=(1, 1, 1, 1), shortcut="none"), "plain-10-own"),
        (preact(50, blocks=(1, 2, 2, 1)), "preact-20-own"),
        (resnet_cifar(20, widths=(4, 8, 16)), "resnet-20-own"),
    ):
        assert made.name == words
        assert layers(made) == int(words.split("-")[1])


def test_what_is_ones_own_claims_no_print_but_the_sizes_that_hold():
    made = alexnet((96, 256, 384, 384, 128))
    assert made.prints == NOTHING
    assert {row.name for row in made.rows if row.out is None} == {"pool1", "pool2", "pool5", "conv5"}
    assert made.differs[-2:] == ("widths = (96, 256, 384, 384, 128)", "dense = (4096, 4096)")
    tables = (googlenet(TABLE_1[:1]), resnet(18, widths=(8, 8, 8, 8)), preact(18, blocks=(1, 1, 1, 1)), nin(BOOK))
    for arch in tables:
        assert all(row.out in (None, gives(arch)[row.name]) for row in arch.rows)
        assert {row.prints for row in arch.rows} == {NOTHING} == {arch.prints}


def test_pictures_and_classes_are_those_asked_for():
    made = resnet(18, widths=(8, 16, 32, 64), input=(1, 64, 48), classes=7)
    assert (made.input, gives(made)["conv5_x"], gives(made)["fc"]) == ((1, 64, 48), (64, 2, 2), (7,))
    for arch in (alexnet(classes=5), nin(classes=5), googlenet(classes=5), preact(classes=5), vgg(classes=5)):
        assert list(facts(arch))[-1].gives == (5,)
    assert with_classes(named("googlenet"), 5).heads == googlenet(classes=5).heads


def test_a_net_of_ones_own_is_built_and_counted_by_hand():
    net = build(googlenet((((4, 2, 6, 2, 4, 2),), ((8, 2, 8, 2, 4, 4),)), input=(3, 64, 64), classes=3))
    assert [name for name, _ in net.named_children()][6:] == ["3a", "pool3", "4a", "gap", "fc"]
    assert sum(p.numel() for p in net.fc.parameters()) == (8 + 8 + 4 + 4) * 3 + 3


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: vgg(widths=(1, 2)), r"vgg: widths = \(1, 2\); 5 whole numbers from 1 up"),
        (lambda: vgg(widths=(64, 128, 256, 512, 0)), r"vgg: widths = .*; 5 whole numbers from 1 up"),
        (lambda: vgg(convs=(1.5, 1, 2, 2, 2)), r"vgg: convs = .*; 5 whole numbers from 1 up"),
        (lambda: vgg(convs=3), r"vgg: convs = 3; 5 whole numbers from 1 up"),
        (
            lambda: vgg(convs=(1, 1), column="E"),
            r"vgg: column = 'E' and convs = \(1, 1\); one says what the other does",
        ),
        (lambda: vgg(classes=1), r"classes = 1; a classifier tells 2 or more apart"),
        (lambda: vgg(input=(3, 16, 16)), r"row pool5: .*; 32 px is the least"),
        (lambda: alexnet(groups=4), r"alexnet: groups = 4; 2 as in the paper, or 1"),
        (lambda: alexnet(input=224), r"alexnet: input = 224; it is channels, height and width"),
        (lambda: resnet(50, strider=3), r"resnet-50: strider = 3; the first or the second"),
        (lambda: resnet(50, shortcut="D"), r"shortcut = 'D'"),
        (lambda: alexnet((96, 256)), r"alexnet: widths = \(96, 256\); 5 whole numbers from 1 up, like \(96, 256, 384"),
        (lambda: alexnet(dense=(0, 4096)), r"alexnet: dense = \(0, 4096\); 2 whole numbers from 1 up"),
        (lambda: alexnet((96, 255, 384, 384, 256)), r"alexnet.*, row conv2: 96 maps in and 255 out do not both split"),
        (lambda: nin(((96, 11, 4),)), r"nin: block 1 = \(96, 11, 4\); it is \(width, kernel, stride, pad\)"),
        (lambda: nin(((96, 11, 4, -1),)), r"nin: block 1 = \(96, 11, 4, -1\)"),
        (lambda: nin(BOOK, input=(3, 32, 32)), r"nin-own, row .*: a .* map is smaller than its .* px is the least"),
        (lambda: googlenet(()), r"googlenet: stages of \[\] rows; each has 1 to 26"),
        (lambda: googlenet((TABLE_1[0], ())), r"googlenet: stages of \[2, 0\] rows"),
        (lambda: googlenet((((64, 96, 128),),)), r"googlenet: row 3a = \(64, 96, 128\); 6 whole numbers from 1 up"),
        (lambda: resnet(19), r"resnet-19: table 1 has 18, 34, 50, 101, 152 layers"),
        (lambda: resnet(18, blocks=(2, 2, 2)), r"resnet-18: blocks = \(2, 2, 2\); 4 whole numbers from 1 up"),
        (lambda: resnet(18, widths=(2.5, 1, 1, 1)), r"resnet-18: widths = \(2.5, 1, 1, 1\); 4 whole numbers"),
        (lambda: resnet(18, widths=64), r"resnet-18: widths = 64; 4 whole numbers"),
        (lambda: resnet(50, widths=(256, 512, 1024, 2046)), r"row conv5_x: a bottleneck 2046 maps wide has no quarter"),
        (lambda: resnet_cifar(21), r"resnet-21: the CIFAR nets have 6n \+ 2 layers"),
        (lambda: resnet_cifar(20, widths=(64, 32, 16)), r"row stage2: shortcut A adds maps"),
        (lambda: preact_cifar(164, widths=(64, 128)), r"preact-164: widths = \(64, 128\); 3 whole numbers"),
        (lambda: preact(18, blocks=()), r"preact-18: blocks = \(\); 4 whole numbers"),
        (lambda: resnet(18, classes=1), r"classes = 1; a classifier tells 2 or more apart"),
        (lambda: resnet(18, input=(3, 0, 32)), r"resnet-18: input = \(3, 0, 32\); it is channels, height and width"),
    ],
)
def test_columns_that_do_not_fit_are_refused(make, words):
    with pytest.raises(ArchError, match=words) as error:
        make()
    assert "\n" not in str(error.value)


def test_a_net_that_departs_from_its_paper_does_not_bear_its_name_or_print():
    v15 = resnet(50, strider=2)
    assert (v15.name, v15.prints.macs, v15.differs) == ("resnet-50-own", None, ("strider = 2",))
    wide = vgg(widths=(32, 64, 128, 256, 256))
    assert (wide.name, wide.prints.params) == ("vgg-16-own", None)
    assert [row.spec.out for row in wide.rows if row.name.startswith("conv")][-1] == 256
    small = vgg(column="E", input=(3, 96, 96), classes=10)
    assert (small.name, small.prints.params) == ("vgg-19", None)
    assert {row.name: row.out for row in small.rows}["pool5"] is None


def test_what_no_longer_differs_is_no_longer_said():
    topics = [line.partition(":")[0] for line in with_norm(alexnet(), "bn").differs]
    assert topics == ["pictures"]
    shown = with_classes(named("vgg-11@d2l"), 1000)
    assert [line.partition(":")[0] for line in shown.differs] == ["pictures"]
    deep = with_stochastic_depth(with_stochastic_depth(named("resnet-18"), 0.5), 0.8)
    assert deep.differs == ("stochastic depth: the last block survives with 0.8",)
    fitted, _ = fit(alexnet(), (3, 28, 28), 10)
    assert "fitted, conv1: 11x11 stride 4 -> 3x3 stride 1" in fitted.differs
