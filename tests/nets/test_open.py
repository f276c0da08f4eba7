"""The door of the nets: a name, a file and a table are one and the same net."""

from pathlib import Path

import pytest
import torch

from konvolut.blocks.basic import Dense
from konvolut.blocks.spec import Row
from konvolut.errors import ArchError
from konvolut.nets.arch import Arch
from konvolut.nets.catalogue import named
from konvolut.nets.convolution import as_convolution
from konvolut.nets.fit import fit
from konvolut.nets.open import build, facts, table
from konvolut.nets.tables import write_table


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(write_table(named("resnet-20")), encoding="utf-8")
    return path


def test_a_name_a_file_and_a_table_are_the_same(file):
    assert table("resnet-20") == table(file) == table(str(file)) == table(named("resnet-20")) == named("resnet-20")
    assert list(facts(file)) == list(facts("resnet-20"))


def test_a_net_from_a_file_is_the_net_by_name_to_the_bit(file):
    by_file, by_name = build(file, classes=3, seed=1).state_dict(), build("resnet-20", classes=3, seed=1).state_dict()
    assert list(by_file) == list(by_name)
    assert all(torch.equal(by_file[name], by_name[name]) for name in by_name)
    assert by_file["fc.dense.weight"].shape == (3, 64)


def test_what_is_neither_is_refused():
    with pytest.raises(ArchError, match=r"no\.toml: No such file"):
        build("no.toml")
    with pytest.raises(ArchError, match=r"net 'resnet-8' is not in the catalogue"):
        build("resnet-8")
    with pytest.raises(ArchError, match=r"resnet-20: No such file"):
        table(Path("resnet-20"))


def test_a_table_of_dense_rows_alone_fits_any_picture():
    rows = (Row("fc1", Dense(20)), Row("fc2", Dense(10, act="none")))
    fitted, changes = fit(Arch("perceptron", "here", (1, 28, 28), rows), (3, 32, 32), 5)
    assert next(iter(facts(fitted))).params == 3 * 32 * 32 * 20 + 20
    assert changes == ("input: 1x28x28 -> 3x32x32", "classes: 10 -> 5")


def test_a_table_of_convolutions_to_the_end_gets_pictures_of_its_own_size():
    fitted, changes = fit(as_convolution(named("nin-cifar")), (3, 28, 28), 10)
    assert (fitted.input, changes) == ((3, 32, 32), ("pictures: enlarged from 28x28 to 32x32",))
