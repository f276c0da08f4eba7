"""The ledger: a table beside its paper."""

from dataclasses import replace

import pytest

from konvolut.errors import ArchError
from konvolut.lens.ledger import as_rows, ledger
from konvolut.nets.alexnet import alexnet
from konvolut.nets.catalogue import named
from konvolut.nets.vgg import vgg


def test_a_wrong_cell_is_marked_and_no_other():
    arch = alexnet()
    planted = replace(
        arch, rows=tuple(replace(row, out=(256, 26, 26)) if row.name == "conv2" else row for row in arch.rows)
    )
    assert ledger(arch).wrong == ()
    assert ledger(planted).wrong == ("conv2",)
    assert [row["row"] for row in as_rows(ledger(planted)) if row["agrees"] == "NO"] == ["conv2"]


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
    assert held.lines[0].prints == (96, 55, 55)
    assert held.lines[0].gives == (96, 54, 54)  # (224 - 11) // 4 + 1


def test_the_text_of_a_row_and_of_the_total():
    first, *_, total = as_rows(ledger(vgg("D")))
    assert first == {
        "row": "conv1_1",
        "takes": "3x224x224",
        "gives": "64x224x224",
        "params": "1,792",
        "params share": "0.0%",
        "MACs": "86,704,128",
        "MACs share": "0.6%",
        "paper": "",
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
        "paper": "",
        "agrees": "4 of 4",
    }


def test_departures_are_carried_along():
    assert any("227x227" in words for words in ledger(alexnet()).differs)
    assert ledger(named("lenet")).lines[-1].params_share == 0


def test_pictures_that_are_too_small_are_refused_with_the_least_size():
    with pytest.raises(ArchError, match="32 px is the least"):
        ledger(vgg("A"), (3, 20, 20))
