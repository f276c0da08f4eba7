"""Dense heads as convolutions: the same logits, and on larger pictures the logits of every crop."""

from dataclasses import replace

import pytest
import torch

from konvolut.blocks.basic import AvgPool, Conv, Dense, GlobalAvgPool, MaxPool
from konvolut.blocks.spec import Row
from konvolut.errors import ArchError
from konvolut.nets.arch import Arch, build, facts
from konvolut.nets.catalogue import named
from konvolut.nets.convolution import as_convolution, convolved
from konvolut.nets.variants import narrow, with_classes, with_norm
from konvolut.nets.vgg import vgg


def small(name):
    arch = with_classes(named(name), 10)
    rows = (
        replace(row, spec=replace(row.spec, out=24)) if isinstance(row.spec, Dense) and row.spec.out == 4096 else row
        for row in arch.rows
    )
    return replace(arch, rows=tuple(rows))


def pictures(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize(
    "name",
    [
        *("lenet@d2l", "lenet-bn@d2l", "alexnet/8", "alexnet/8@torchvision", "vgg-11/16", "vgg-11/16@torchvision"),
        *("nin/16", "googlenet/8", "resnet-18/8", "resnet-20", "preact-18/8"),
    ],
)
def test_at_its_own_size_the_logits_are_the_same(name):
    arch = small(name)
    images = pictures(2, *arch.input)
    net = build(arch).double().train()
    with torch.no_grad():
        net(images)  # running statistics that are not those of the start
        dense, map_of_one = net.eval()(images), convolved(net)(images)
    assert map_of_one.shape == (2, 10, 1, 1)
    torch.testing.assert_close(map_of_one.flatten(1), dense, rtol=1e-12, atol=1e-12)
    single = convolved(net.float())(images.float()).detach().flatten(1)
    torch.testing.assert_close(single.double(), dense, rtol=1e-4, atol=1e-5)


def test_without_padding_each_cell_of_the_map_is_the_logits_of_the_crop_there():
    # LeNet with batch norm pads nowhere; its pools stride 2 and 2, so that a cell is 4 px
    net = build(named("lenet-bn@d2l")).double().eval()
    images = pictures(2, 1, 36, 40)
    with torch.no_grad():
        cells = convolved(net)(images)
        assert cells.shape == (2, 10, 3, 4)
        for i in range(3):
            for j in range(4):
                crop = images[:, :, 4 * i : 4 * i + 28, 4 * j : 4 * j + 28]
                torch.testing.assert_close(cells[:, :, i, j], net(crop), rtol=1e-12, atol=1e-12)


def test_a_global_average_slides_too():
    rows = (Row("conv", Conv(5, 3)), Row("pool", MaxPool(2, 2)), Row("gap", GlobalAvgPool()), Row("fc", Dense(3)))
    net = build(Arch("tiny", "here", (2, 8, 8), rows)).double().eval()
    assert convolved(net).arch.rows[2].spec == AvgPool(3, 1)  # (8 - 2) / 2 = 3
    images = pictures(1, 2, 10, 8)
    with torch.no_grad():
        cells = convolved(net)(images)
        torch.testing.assert_close(cells[:, :, 0, 0], net(images[:, :, :8]), rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(cells[:, :, 1, 0], net(images[:, :, 2:]), rtol=1e-12, atol=1e-12)


def test_with_padding_the_interior_moves_with_the_picture():
    # two pools: 4 px a cell; beyond its crop a cell sees 1 px by conv1_1 and 2 by conv2_1, less than one cell more
    net = build(vgg(convs=(1, 1), widths=(4, 8), input=(3, 16, 16), classes=10)).double().eval()
    sliding = convolved(net)
    images = pictures(1, 3, 36, 36)
    with torch.no_grad():
        whole, moved = sliding(images), sliding(images[:, :, 4:, 4:])
    assert (whole.shape, moved.shape) == ((1, 10, 6, 6), (1, 10, 5, 5))
    torch.testing.assert_close(whole[:, :, 2:-1, 2:-1], moved[:, :, 1:-1, 1:-1], rtol=1e-12, atol=1e-12)
    assert (whole[:, :, 1, 1] - moved[:, :, 0, 0]).abs().max() > 1e-6  # at the border, zeros stand for the picture


def test_the_table_by_hand():
    arch = as_convolution(named("vgg-16"))
    assert [(row.name, row.spec) for row in arch.rows[-5:]] == [
        ("fc6", Conv(4096, 7)),
        ("fc7_drop", arch.rows[-4].spec),
        ("fc7", Conv(4096, 1)),
        ("fc8_drop", arch.rows[-2].spec),
        ("fc8", Conv(1000, 1, act="none")),
    ]
    assert {arch.rows[-4].spec.share, arch.rows[-2].spec.share} == {0.5}
    assert sum(fact.params for fact in facts(arch)) == 138_357_544  # as in the dense net
    assert list(facts(arch, (3, 384, 384)))[-1].gives == (1000, 6, 6)  # 384 / 32 = 12 cells, a window of 7
    assert (arch.name, arch.rows[-1].out) == ("vgg-16 as convolution", None)


def test_a_map_that_is_not_square_has_a_kernel_that_is_not():
    arch = as_convolution(named("lenet@d2l"), (1, 28, 36))
    assert next(row.spec for row in arch.rows if row.name == "fc3") == Conv(120, (5, 7), act="sigmoid")
    net = build(named("lenet@d2l"), (1, 28, 36)).double().eval()
    images = pictures(1, 1, 28, 36)
    torch.testing.assert_close(convolved(net, (1, 28, 36))(images).flatten(1), net(images), rtol=1e-12, atol=1e-12)


def test_weights_keep_their_every_digit():
    net = build(named("lenet@d2l")).double()
    with torch.no_grad():
        net.fc3.dense.weight.add_(1e-12)  # less than float32 tells apart
    assert torch.equal(convolved(net).fc3.conv.weight.flatten(1), net.fc3.dense.weight)


def test_mode_and_precision_are_kept():
    net = build(named("resnet-20")).double().train()
    sliding = convolved(net)
    assert sliding.training
    assert {p.dtype for p in sliding.parameters()} == {torch.float64}
    assert not convolved(net.eval()).training


def test_heads_go_and_twice_is_once():
    arch = as_convolution(named("googlenet"))
    assert arch.heads == ()
    assert arch.differs[-1] == "no auxiliary heads: they are there for training"
    assert as_convolution(arch) is arch


def normed_input():
    rows = (Row("conv", Conv(4, 3)), Row("fc5", Dense(8, norm="bn", at="input")), Row("fc6", Dense(3, act="none")))
    return Arch("tiny", "here", (1, 6, 6), rows)


@pytest.mark.parametrize(
    ("arch", "input", "words"),
    [
        (named("lenet"), None, "lenet, row output: distances to codes are no convolution; a Dense row would work"),
        (named("alexnet@torchvision"), (3, 299, 299), "row gap: it shrinks 256x8x8 to 256x6x6; only one that does not"),
        (
            narrow(named("resnet-18"), 8),
            (3, 224, 256),
            "row gap: a 64x7x8 map is not square; square pictures would work",
        ),
        (normed_input(), None, "row fc5: it normalises each pixel apart"),
        (named("vgg-11"), (3, 16, 16), "row pool5: a 512x1x1 map is smaller than its 2x2 window; 32 px is the least"),
    ],
)
def test_what_no_convolution_does_is_refused(arch, input, words):
    with pytest.raises(ArchError, match=words):
        as_convolution(arch, input)


def test_weights_for_pictures_of_another_size_are_refused():
    net = build(named("lenet@d2l"), (1, 32, 32))
    with pytest.raises(
        ArchError, match=r"row fc3: its weights are 120x576, a 1x28x28 picture wants 120x16x5x5; say the"
    ):
        convolved(net, (1, 28, 28))
    assert convolved(net)(torch.zeros(1, 1, 36, 32)).shape == (1, 10, 2, 1)


def test_a_norm_behind_a_dense_layer_is_one_of_maps():
    arch = with_norm(small("vgg-11/16"), "bn", dense=True)
    net = build(arch, (3, 32, 32)).double().eval()
    images = pictures(2, 3, 32, 32)
    torch.testing.assert_close(convolved(net, (3, 32, 32))(images).flatten(1), net(images), rtol=1e-12, atol=1e-12)
