"""The ledger: a table beside its paper."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konvolut.blocks.basic import Conv
from konvolut.errors import ArchError
from konvolut.lens.ledger import as_rows, ledger, picture_size, short
from konvolut.lens.ledger_told import brief, brief_heads, side_by_side
from konvolut.nets.alexnet import alexnet
from konvolut.nets.catalogue import named
from konvolut.nets.vgg import vgg


def planted(arch, name, **cells):
    return replace(arch, rows=tuple(replace(row, **cells) if row.name == name else row for row in arch.rows))


def test_a_wrong_size_is_marked_and_no_other():
    arch = alexnet()
    wrong = planted(arch, "conv2", out=(256, 26, 26))
    assert ledger(arch).wrong == ()
    assert ledger(wrong).wrong == ("conv2",)
    assert [row["row"] for row in as_rows(ledger(wrong)) if row["agrees"] == "NO"] == ["conv2"]
    assert [row["row"] for row in brief(ledger(wrong)) if row["paper size"].endswith("!")] == ["conv2"]


def test_totals_and_shares_by_hand():
    held = ledger(alexnet())
    assert (held.params, held.macs) == (60_965_224, 724_406_816)
    dense = [line for line in held.lines if line.name.startswith("fc")]
    assert sum(line.params_share for line in dense) == pytest.approx(58_631_144 / 60_965_224)  # 96.2 % of the numbers
    assert sum(line.macs_share for line in dense) == pytest.approx(58_621_952 / 724_406_816)  # 8.1 % of the work
    assert sum(line.params_share for line in held.lines) == pytest.approx(1)


def test_a_paper_is_not_held_to_pictures_of_another_size():
    held = ledger(alexnet(), (3, 224, 224))
    assert {line.agrees for line in held.lines} == {None}
    assert held.claims == ()
    assert held.lines[0].prints is None  # what is printed is of other pictures
    assert held.lines[0].gives == (96, 54, 54)  # (224 - 11) // 4 + 1


def test_the_text_of_a_row_and_of_the_total():
    first, *_, total = as_rows(ledger(vgg(column="D")))
    assert first == {
        "row": "conv1_1",
        "takes": "3x224x224",
        "gives": "64x224x224",
        "params": "1,792",
        "params share": "0.0%",
        "MACs": "86,704,128",
        "MACs share": "0.6%",
        "sees px": "3",
        "step px": "1",
        "kept MiB": "12.82",  # the picture and 64 maps, (3 + 64) * 224 * 224 * 4 bytes
        "paper": "",
        "paper params": "",
        "agrees": "",
    }
    assert total == {
        "row": "total",
        "takes": "3x224x224",
        "gives": "1000",
        "params": "138,357,544",
        "params share": "100.0%",
        "MACs": "15,470,264,320",
        "MACs share": "100.0%",
        "sees px": "",
        "step px": "",
        "kept MiB": "69.86",
        "paper": "",
        "paper params": "138M",  # table 2
        "agrees": "5 of 5",
    }


def test_departures_are_carried_along():
    assert any("227x227" in words for words in ledger(alexnet()).differs)
    assert ledger(named("lenet")).lines[-1].params_share == 0


def test_pictures_that_are_too_small_are_refused_with_the_least_size():
    with pytest.raises(ArchError, match="32 px is the least"):
        ledger(vgg(column="A"), (3, 20, 20))


def test_the_least_picture_by_hand():
    assert ledger(vgg(column="A")).least == 32  # five halvings
    # its heads pool 5x5: 5 places from 10, 20 and 40 before the three pools, which halve; conv1 gives ceil(79 / 2) = 40
    googlenet = ledger(named("googlenet"))
    assert googlenet.least_trained == 79 > googlenet.least


def test_heads_are_counted_apart_from_the_trunk():
    held = ledger(named("googlenet"))
    assert [(head.name, head.after, head.weight) for head in held.heads] == [("aux1", "4a", 0.3), ("aux2", "4d", 0.3)]
    assert [sum(line.params for line in head.lines) for head in held.heads] == [3_188_840, 3_190_888]
    assert held.params == 6_998_552
    assert [row["row"] for row in brief_heads(held)][:4] == ["aux1.pool", "aux1.conv", "aux1.fc1", "aux1.fc2"]
    # a place behind aux1's pool sees 5 places of 4a, 16 px apart
    seen = {line.name: line.sees for line in held.lines}["4a"][0].size
    assert held.heads[0].lines[0].sees[0].size == seen + 4 * 16


def test_a_planted_size_in_a_head_is_found():
    arch = named("googlenet")
    head = arch.heads[0]
    wrong = replace(head, rows=(replace(head.rows[0], out=(512, 5, 5)), *head.rows[1:]))
    assert "aux1.pool" in ledger(replace(arch, heads=(wrong, arch.heads[1]))).wrong


def test_two_nets_stand_side_by_side_with_their_totals_level():
    rows = side_by_side(ledger(named("lenet")), ledger(alexnet()))
    assert len(rows) == 11 + 1
    assert [(rows[at]["row"], rows[at][" row"]) for at in (6, 7)] == [("output", "conv5"), ("", "pool5")]
    assert (rows[-1]["params"], rows[-1][" params"]) == ("60,000", "60,965,224")


def test_a_terminal_of_120_columns_holds_every_row():
    for name in ("googlenet", "vgg-16", "inception-v3@torchvision"):
        rows = brief(ledger(named(name)))
        wide = sum(max(len(str(row[key])) for row in [*rows, {key: key}]) for key in rows[0])
        assert wide + 2 * (len(rows[0]) - 1) <= 120, name


def test_a_changed_width_disagrees_with_the_print():
    arch = planted(alexnet(), "conv3", spec=Conv(256, 3, p=1))
    assert "conv3" in ledger(arch).wrong


def test_picture_sizes_in_words():
    assert picture_size("3x96x64") == (3, 96, 64)
    for text in ("96", "3x96", "3x0x96", "3x96x96x1", "axbxc", "3x-1x4", "3×96×96"):
        with pytest.raises(ArchError, match="like 3x96x96"):
            picture_size(text)


@given(st.integers(0, 10**12))
def test_a_short_count_is_right_to_four_digits(number):
    text = short(number)
    unit = {"K": 1e3, "M": 1e6, "G": 1e9}.get(text[-1], 1)
    assert float(text.rstrip("KMG")) * unit == pytest.approx(number, rel=5.1e-4)
