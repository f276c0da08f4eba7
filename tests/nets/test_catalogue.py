"""Names, and the stored list that needs no torch."""

import subprocess
import sys

import pytest

from konvolut.errors import ArchError
from konvolut.nets.catalogue import BASES, listed, named, write
from konvolut.nets.listing import stored
from konvolut.nets.variants import narrow, with_norm


@pytest.mark.parametrize("name", BASES)
def test_a_net_is_called_what_it_is_called_by(name):
    assert named(name).name == name


def test_a_name_is_a_base_a_divisor_and_a_norm():
    assert named("vgg-11/4") == narrow(named("vgg-11"), 4)
    assert named("vgg-16+bn") == with_norm(named("vgg-16"), "bn")
    assert named("vgg-11/4+bn") == with_norm(narrow(named("vgg-11"), 4), "bn")
    assert named("vgg-11/4+bn").name == "vgg-11/4+bn"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("resnet-51", r"net 'resnet-51' is not in the catalogue; did you mean 'resnet-5\d'\?"),
        ("resnet50", r"did you mean 'resnet-50'\?"),
        ("vgg-11+bm", r"norm = 'bm'; did you mean 'bn'\?"),
        ("vgg-11/5", "row conv1_1: out = 64 does not divide by 5"),
        ("vgg-11/4@d2l", "net 'vgg-11/4@d2l': no such edition yet; known: the paper's own, 'vgg-11/4'"),
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
    assert stored() == [listed(make()) for make in BASES.values()]


def test_what_is_written_is_what_is_stored(tmp_path, monkeypatch):
    monkeypatch.setattr("konvolut.nets.catalogue.BASES", {name: BASES[name] for name in ("lenet", "nin-cifar")})
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
