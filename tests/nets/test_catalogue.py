"""Names, and the stored list that needs no torch."""

import subprocess
import sys

import pytest

from konvolut.errors import ArchError
from konvolut.nets.catalogue import CATALOGUE, listed, named, write
from konvolut.nets.listing import stored
from konvolut.nets.variants import narrow, with_norm


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_net_is_called_what_it_is_called_by(name):
    assert named(name).name == name


def test_a_name_is_a_base_a_divisor_and_a_norm():
    assert named("vgg-11/4") == narrow(named("vgg-11"), 4)
    assert named("vgg-16+bn") == with_norm(named("vgg-16"), "bn")
    assert named("vgg-11/4+bn") == with_norm(narrow(named("vgg-11"), 4), "bn")
    assert named("vgg-11/4+bn").name == "vgg-11/4+bn"


@pytest.mark.parametrize("name", ["vgg-11/4@d2l", "vgg-13+bn@torchvision", "vgg-11/2+bn.after@d2l", "nin+bn.input"])
def test_a_long_name_names_itself(name):
    assert named(name).name == name


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("resnet50", "resnet-50@torchvision"),
        ("vgg16_bn", "vgg-16+bn@torchvision"),
        ("inception_v3", "inception-v3@torchvision"),
    ],
)
def test_the_names_of_torchvision_are_aliases_of_its_edition(theirs, ours):
    assert named(theirs) == named(ours)


def test_an_edition_keeps_the_biases_that_a_paper_loses():
    conv = {name: named(name).rows[0].spec.bias for name in ("vgg-11+bn", "vgg-11+bn@torchvision", "vgg-11+bn@d2l")}
    assert conv == {"vgg-11+bn": False, "vgg-11+bn@torchvision": True, "vgg-11+bn@d2l": True}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("resnet-51", r"net 'resnet-51' is not in the catalogue; did you mean 'resnet-5\d'\?"),
        ("resnet-51@torchvision", r"did you mean 'resnet-50@torchvision'\?"),
        ("resnet51", r"net 'resnet51' is not in the catalogue; did you mean 'resnet-5\d@torchvision'\?"),
        ("vgg-11@keras", "net 'vgg-11@keras': no edition 'keras'; known: d2l, torchvision"),
        ("vgg-16c@d2l", "net 'vgg-16c' has no edition @d2l; there is vgg-16c"),
        ("lenet-bn", "net 'lenet-bn' has no edition of a paper; there is lenet-bn@d2l"),
        ("inception-v3", "there is inception-v3@torchvision"),
        ("vgg-11+bn.outside", r"at = 'outside'; known: output, after, input"),
        ("preact-18+bn.after", "row conv2_x: its blocks normalise before they convolve as they are"),
        ("preact-110+bn.input", "row stage1: its blocks normalise before they convolve as they are"),
        ("lenet/2", "row C3: its connection table fixes its width"),
        ("vgg-11+bm", r"norm = 'bm'; did you mean 'bn'\?"),
        ("vgg-11/5", "row conv1_1: out = 64 does not divide by 5"),
        ("vgg-11/", "is not of the form BASE"),
        ("", "is not of the form BASE"),
        ("vgg-11+bn/4", "is not of the form BASE"),
    ],
)
def test_a_name_that_is_none_is_answered_with_what_would_work(name, words):
    with pytest.raises(ArchError, match=words) as caught:
        named(name)
    assert "\n" not in str(caught.value)


def test_the_stored_list_is_that_of_the_tables():
    assert stored() == [listed(named(name)) for name in CATALOGUE]


def test_what_is_written_is_what_is_stored(tmp_path, monkeypatch):
    monkeypatch.setattr("konvolut.nets.catalogue.CATALOGUE", ["lenet", "nin-cifar"])
    write(tmp_path / "nets.json")
    lines = (tmp_path / "nets.json").read_text().splitlines()
    assert len(lines) == 4
    assert '"params": 60000' in lines[1]


def test_the_list_loads_neither_torch_nor_numpy():
    code = (
        "import sys; from konvolut.nets.listing import stored; assert stored();"
        "sys.exit(', '.join({'torch', 'numpy', 'jaxtyping'} & set(sys.modules)))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stderr.strip() == ""
    )
