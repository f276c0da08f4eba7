"""What is published, what its answers are called, and how a file is found by its net, its name or its content."""

from hashlib import sha256

import pytest

from konvolut.errors import WeightsError
from konvolut.nets.catalogue import named
from konvolut.nets.published import imagenet, of_file, of_net, published, resembling


def test_imagenet_has_a_thousand_names_in_the_order_of_its_synsets():
    names = imagenet()
    assert len(names) == len(set(names)) == 1000
    places = {0: "tench", 1: "goldfish", 207: "golden retriever", 281: "tabby", 999: "toilet tissue"}
    assert {place: names[place] for place in places} == places


def test_every_published_file_fits_a_net_of_the_catalogue():
    assert {named(one.net).name for one in published()} == {one.net for one in published()}


def test_a_file_is_known_by_eight_digits_and_a_bound_on_its_size():
    """The documented size of ResNet-18's file is 44.661 MiB, rounded to a thousandth of one."""
    file = of_net("resnet-18").remote
    assert (file.name, file.sha256, file.exact) == ("weights/resnet18-f37072fd.pth", "f37072fd", False)
    assert 0 <= file.size - 44.6615 * 2**20 < 600
    assert len({one.hash for one in published()}) == len(published()) == 20


@pytest.mark.parametrize("net", ["resnet-50", "resnet50", "resnet-50@torchvision"])
def test_a_net_has_the_file_of_either_kind(net):
    assert (of_net(net).file, of_net(net, "imagenet-v2").file) == ("resnet50-0676ba61.pth", "resnet50-11ad3fa6.pth")


@pytest.mark.parametrize(
    ("net", "kind", "reason"),
    [
        ("resnet-18", "imagenet-v2", "no imagenet-v2 weights are published for this net; there is imagenet"),
        ("resnet-20", "imagenet", "resnet-20: no weights are published for this net; did you mean 'resnet-"),
        ("resnet-18@d2l", "imagenet", "no weights are published for this net; did you mean 'resnet-18'"),
        ("resnet-18", "imagenet-v3", "did you mean 'imagenet-v2'"),
    ],
)
def test_what_is_not_published_is_refused(net, kind, reason):
    with pytest.raises(WeightsError, match=reason):
        of_net(net, kind)


def test_a_file_is_found_by_its_name_and_its_content():
    assert of_file("resnet50-11ad3fa6.pth") == of_file("resnet50-11ad3fa6") == of_net("resnet-50", "imagenet-v2")
    assert of_file("resnet-50") is None
    assert resembling("resnet-50@torchvision", "11ad3fa6" + "0" * 56) == of_net("resnet-50", "imagenet-v2")
    assert resembling("resnet50", sha256(b"another").hexdigest()) == of_net("resnet-50")
    assert resembling("lenet") is None
