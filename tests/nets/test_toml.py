"""TOML tables: what is written is read again, equal; what does not hold is refused with the row."""

import json
import tomllib

import pytest

from konvolut.blocks.basic import Conv, Dense, GlobalAvgPool
from konvolut.blocks.residual import Basic, Stage
from konvolut.blocks.spec import Prints, Row
from konvolut.errors import ArchError
from konvolut.nets.arch import Arch, Head, digest
from konvolut.nets.catalogue import CATALOGUE, named
from konvolut.nets.tables import from_plain, read_table, to_plain, toml, write_table
from konvolut.nets.variants import with_stochastic_depth

MINE = """
name = "mine"
input = [3, 32, 32]
source = "nowhere, table 2"
differs = ["a \\"quoted\\" word"]
prints = { params = 1e3 }

[[rows]]
name = "conv1"
Conv = { out = 16, k = [1, 3], p = [0, 1], bias = false }
gives = [16, 32, 32]

[[rows]]
name = "stage1"
Stage = { repeat = 3, block = { Basic = { out = 32 } }, s = 2 }

[[rows]]
name = "gap"
GlobalAvgPool = {}

[[rows]]
name = "fc"
Dense = { out = 10, act = "none" }

[[heads]]
name = "aux"
after = "conv1"
weight = 0.5

[[heads.rows]]
name = "fc"
Dense = { out = 10, act = "none" }
"""
BY_HAND = Arch(
    "mine",
    "nowhere, table 2",
    (3, 32, 32),
    (
        Row("conv1", Conv(16, (1, 3), p=(0, 1), bias=False), (16, 32, 32)),
        Row("stage1", Stage(3, Basic(32), 2)),
        Row("gap", GlobalAvgPool()),
        Row("fc", Dense(10, act="none")),
    ),
    ('a "quoted" word',),
    (Head("aux", "conv1", (Row("fc", Dense(10, act="none")),), 0.5),),
    Prints(params=1000.0),
)


@pytest.fixture
def read(tmp_path):
    def text(words):
        path = tmp_path / "mine.toml"
        path.write_text(words, encoding="utf-8")
        return read_table(path)

    return text


def one_row(spec):
    return f'input = [3, 32, 32]\n[[rows]]\nname = "conv1"\n{spec}\n'


def test_a_file_is_the_table_written_by_hand(read):
    assert read(MINE) == BY_HAND
    assert read(write_table(BY_HAND)) == BY_HAND


def test_a_file_without_a_name_is_called_as_it_is(read):
    arch = read(one_row("Conv = { out = 16, k = 3 }"))
    assert (arch.name, arch.source) == ("mine", "mine.toml")


def test_every_net_of_the_catalogue_travels_as_toml_and_as_json():
    for name in CATALOGUE:
        arch = named(name)
        for plain in (tomllib.loads(write_table(arch)), json.loads(json.dumps(to_plain(arch)))):
            again = from_plain(plain)
            assert (again, digest(again)) == (arch, digest(arch)), name


def test_chances_and_strange_words_travel_to_the_last_digit():
    arch = with_stochastic_depth(named("resnet-110"), 0.3)
    assert from_plain(tomllib.loads(write_table(arch))) == arch
    word = 'back\\slash "quote" \t\n \x01 \x7f 卷积 🙂'
    assert tomllib.loads(f"word = {toml(word)}") == {"word": word}
    assert tomllib.loads(f"x = {toml([True, 1, 1e-05, {'a': []}])}") == {"x": [True, 1, 1e-05, {"a": []}]}


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("Cnov = { out = 16, k = 3 }", "row conv1: no 'Cnov'; did you mean 'Conv'?"),
        ("Conv = { ot = 16, k = 3 }", "row conv1, Conv: no 'ot'; did you mean 'out'?"),
        ("Conv = { out = 16 }", "row conv1, Conv: no k; its cells are out, k, s, p, groups"),
        ('Conv = { out = "16", k = 3 }', 'row conv1, Conv, out = "16": Expected `int`, got `str`'),
        ("Conv = { out = true, k = 3 }", "row conv1, Conv, out = true: Expected `int`, got `bool`"),
        ("Conv = { out = 16, k = 0 }", "row conv1, Conv, k = 0; it counts from 1 to 65536"),
        ("Conv = { out = 16, k = 3, p = -1 }", "row conv1, Conv, p = -1; it counts from 0 to 65536"),
        ("Conv = { out = 16, k = 3, s = 99999999999999999999 }", "it counts from 1 to 65536"),
        ('Conv = { out = 16, k = 3, act = "rlu" }', "row conv1: act = 'rlu'; did you mean 'relu'?"),
        (
            "Conv = { out = 16, k = 40 }",
            "row conv1: a 3x32x32 map is smaller than its 40x40 window; 40 px is the least",
        ),
        ("Conv = 16", "row conv1: Conv = 16; its cells stand in braces"),
        ("", "row conv1: no spec; a row has one, like Conv"),
        ("Conv = { out = 1, k = 1 }\nDropout = { share = 0.5 }", "row conv1: 2 specs (Conv, Dropout); a row has one"),
        ("Dropout = { share = 1.0 }", "Dropout, share = 1.0; it is a share, from 0 to less than 1"),
        ("Stage = { repeat = 1, block = { Conv = { out = 1, k = 1 } } }", "no 'Conv'; known: Basic, Bottleneck"),
        ("Stage = { repeat = 1, block = { Basic = { out = 8 } }, survive = [2.0] }", "each is a chance"),
        ("Stage = { repeat = 1, block = { Bottleneck = { out = 8, strider = 3 } }, s = 2 }", "do not go together"),
        ("Series = { steps = [3] }", "Series, steps: 3 is no spec; one is its name with its cells"),
        ('Paths = { paths = [["a.b", [{ Dropout = { share = 0.5 } }]]] }', "a way called 'a.b'"),
        ('Conv = { out = 1, k = 1 }\ngives = "1x32x32"', 'row conv1, gives = "1x32x32": Expected `array`, got `str`'),
        ("Conv = { out = 1, k = 1 }\nprints = { parms = 3 }", "row conv1, prints: no 'parms'; did you mean 'params'?"),
    ],
)
def test_a_row_that_is_none_is_refused_by_its_name(read, spec, words):
    with pytest.raises(ArchError) as error:
        read(one_row(spec))
    assert words in str(error.value)
    assert "mine.toml: mine, row conv1" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "mine: no input; it is channels, height, width, like input = [3, 32, 32]"),
        ("input = [3, 32, 32]", "mine: no rows; one is [[rows]] with a name and a spec"),
        ("input = [3, 32]", "Expected `array` of length 3, got 2"),
        ("inputs = [3, 32, 32]", "mine: no 'inputs'; did you mean 'input'?"),
        ("input = [3, 32, 32]\n[[rows]]\nDropout = { share = 0.5 }", "mine, row 1: no name"),
        ("name = 3", "a table, name = 3: Expected `str`, got `int`"),
        ("rows = 3\ninput = [3, 32, 32]", "Expected `array`, got `int`"),
        ("conv1: 3x3", "not TOML: "),
        (MINE.replace('after = "conv1"', 'after = "conv2"'), "head aux: no row 'conv2'; did you mean 'conv1'?"),
        (MINE.replace('after = "conv1"', ""), "head aux, after = nothing: Expected `str`"),
        (MINE.replace('name = "fc"', 'name = "gap"'), "row 'gap': a row needs a name of its own"),
    ],
)
def test_a_file_that_is_no_table_is_refused(read, text, words):
    with pytest.raises(ArchError) as error:
        read(text)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_a_head_that_does_not_fit_is_refused(read):
    with pytest.raises(ArchError, match=r"mine, .*aux, row fc: a 16x32x32 map is smaller than its 64x64 window"):
        read(MINE[: MINE.rindex("Dense")] + "MaxPool = { k = 64, s = 1 }\n")


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ArchError, match=r"none\.toml: No such file or directory; a table is a TOML file"):
        read_table(tmp_path / "none.toml")
    (tmp_path / "picture.toml").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(ArchError, match=r"picture\.toml: not TOML"):
        read_table(tmp_path / "picture.toml")
    (tmp_path / "deep.toml").write_text("x = " + "[" * 5000)
    with pytest.raises(ArchError, match=r"deep\.toml: not TOML"):
        read_table(tmp_path / "deep.toml")
