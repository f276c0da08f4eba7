"""Class activation maps: by hand, by the law that ties them to the logit, and against captum's LayerGradCam."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from konvolut.errors import ArchError
from konvolut.lens.cam import RAMP, STRENGTH, cam, class_map, grad_cam, overlay
from konvolut.nets.arch import build
from konvolut.nets.catalogue import named
from konvolut.nets.fit import fit

NETS = {
    "resnet-20": fit(named("resnet-20"), (3, 16, 16), 5)[0],
    "vgg-11/16": fit(named("vgg-11/16"), (3, 32, 32), 5)[0],
    "googlenet/8": fit(named("googlenet/8"), (3, 32, 32), 5)[0],
    "nin-cifar/8": fit(named("nin-cifar/8"), (3, 32, 32), 5)[0],
    "lenet": fit(named("lenet"), (1, 32, 32), 5)[0],
}


def case(name):
    arch = NETS[name]
    batch = torch.randn(3, *arch.input, generator=torch.Generator().manual_seed(1))
    return build(arch, seed=3).eval(), batch, torch.tensor([0, 3, 4])


def headed(maps, classes, *between):
    """Maps, global average, one dense layer."""
    net = nn.Sequential(maps, *between, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.5), nn.Linear(2, classes))
    return net.eval()


def test_by_hand_two_maps_and_two_classes():
    net = headed(nn.Identity(), 2)
    net[-1].weight.data = torch.tensor([[1.0, -2.0], [0.0, 3.0]])
    maps = torch.tensor([[[[1.0, 2.0]], [[3.0, 0.0]]]])  # (1, 2, 1, 2)
    assert cam(net, maps, torch.tensor([0])).tolist() == [[[1 - 6, 2.0]]]
    assert cam(net, maps, torch.tensor([1])).tolist() == [[[9.0, 0.0]]]
    # slope of the logit by each pixel of a map is w / 2 pixels; Grad-CAM weighs by that, and cuts at 0
    assert grad_cam(net, maps, torch.tensor([0]), "0").tolist() == [[[0.0, 1.0]]]


@pytest.mark.parametrize("name", ["resnet-20", "googlenet/8"])
def test_the_mean_of_a_cam_is_the_logit_less_its_bias_and_grad_cam_is_its_positive_part_over_the_pixels(name):
    net, batch, labels = case(name)
    dense = next(module for module in list(net.children())[-1].modules() if isinstance(module, nn.Linear))
    found = class_map(net, batch, labels)
    assert found.how == "CAM"
    heat = cam(net, batch, labels)
    assert torch.equal(heat, found.heat)
    with torch.no_grad():
        logits = net(batch)[range(3), labels] - dense.bias[labels]
    torch.testing.assert_close(heat.mean((1, 2)), logits, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(grad_cam(net, batch, labels), heat.relu() / heat[0].numel(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", NETS)
def test_grad_cam_is_captums(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        attr = pytest.importorskip("captum.attr")
    net, batch, labels = case(name)
    row = class_map(net, batch, labels).row
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = attr.LayerGradCam(net, net.get_submodule(row)).attribute(batch, labels, relu_attributions=True)
    ours = grad_cam(net, batch, labels)
    assert ours.max() > 0
    torch.testing.assert_close(ours, theirs[:, 0].detach(), rtol=1e-5, atol=1e-5 * float(ours.max()))


@pytest.mark.parametrize("name", ["vgg-11/16", "nin-cifar/8", "lenet"])
def test_other_heads_get_grad_cam_on_the_last_row_with_a_map(name):
    net, batch, labels = case(name)
    found = class_map(net, batch, labels)
    last = [key for key, gives in shapes(net, batch).items() if len(gives) == 4 and gives[2] * gives[3] > 1][-1]
    assert found.how == "Grad-CAM"
    assert found.row == last
    assert (found.heat >= 0).all()
    with pytest.raises(ArchError, match="does not end in a global average"):
        cam(net, batch, labels)


def shapes(net, batch):
    found = {}
    with torch.no_grad():
        for name, row in net.named_children():
            batch = row(batch)
            found[name] = tuple(batch.shape)
    return found


def test_something_between_the_mean_and_the_dense_layer_is_no_cam():
    net = headed(nn.Identity(), 2, nn.Identity())
    maps = torch.rand(1, 2, 3, 3)
    assert class_map(net, maps, torch.tensor([0])).how == "CAM"
    bent = nn.Sequential(nn.Identity(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Softplus(), nn.Linear(2, 2)).eval()
    assert class_map(bent, maps, torch.tensor([0])).how == "Grad-CAM"
    twice = nn.Sequential(nn.Identity(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2), nn.Linear(2, 2)).eval()
    assert class_map(twice, maps, torch.tensor([0])).how == "Grad-CAM"
    after = nn.Sequential(*headed(nn.Identity(), 2).children(), nn.ReLU()).eval()
    after[-2].weight.data.fill_(-1)
    assert class_map(after, maps, torch.tensor([0])).how == "Grad-CAM"


def test_looking_changes_nothing():
    net, batch, labels = case("resnet-20")
    net.train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    class_map(net, batch, labels)
    grad_cam(net, batch, labels)
    assert net.training
    assert not batch.requires_grad
    assert all(p.grad is None for p in net.parameters())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert not any(module._forward_hooks for module in net.modules())


def test_a_row_without_maps_and_an_unknown_row_are_refused():
    net, batch, labels = case("vgg-11/16")
    with pytest.raises(ArchError, match="row 'fc6' gives no maps"):
        grad_cam(net, batch, labels, "fc6")
    with pytest.raises(ArchError, match="did you mean 'conv1_1'"):
        grad_cam(net, batch, labels, "conv1_3")
    flat = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    with pytest.raises(ArchError, match="no row of this net gives maps"):
        class_map(flat, torch.zeros(1, 1, 2, 2), torch.tensor([0]))


def test_no_heat_leaves_the_picture_grey_and_the_hottest_pixel_is_wine():
    picture = np.full((2, 2, 3), (30, 60, 90), np.uint8)  # its mean is 60
    cold = overlay(picture, torch.tensor([[0.0, 0.0], [-1.0, 0.0]]))
    assert (cold == 60).all()
    hot = overlay(picture, torch.tensor([[0.0, 5.0], [-1.0, 0.0]]))
    mixed = [round((1 - STRENGTH) * 60 + STRENGTH * value) for value in RAMP[-1]]
    assert hot[0, 1].tolist() == mixed
    assert (hot[[0, 1, 1], [0, 0, 1]] == 60).all()


def test_the_heat_is_brought_to_the_size_of_the_picture():
    grey = overlay(np.zeros((8, 6, 1), np.uint8), torch.ones(2, 2))
    assert grey.shape == (8, 6, 3)
    assert (grey == grey[0, 0]).all()
