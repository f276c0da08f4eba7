"""What papers print, held against what their tables give."""

from dataclasses import replace

import pytest

from konvolut.blocks.basic import Conv
from konvolut.blocks.spec import Prints, Row
from konvolut.lens.audit import TOLERANCE, Claim, separable
from konvolut.lens.ledger import ledger
from konvolut.lens.ledger_told import disagreements
from konvolut.nets.arch import Arch, facts
from konvolut.nets.catalogue import named

SLOW = ("resnet-1202", "preact-1001", "resnet-110", "preact-110", "preact-164", "resnet-101", "resnet-152")


def test_the_known_errors_of_googlenets_table_are_found_and_nothing_else():
    wrong = [(claim.row, claim.cell) for claim in ledger(named("googlenet")).disagreements]
    assert wrong == [("conv1", "params"), ("conv1", "MACs"), ("4c", "params"), ("5a", "params"), ("5a", "MACs")]


def test_how_far_the_table_is_off():
    off = {(c.row, c.cell): c.off for c in ledger(named("googlenet")).claims}
    assert off["5a", "MACs"] == pytest.approx(54e6 / 51_079_168 - 1)
    # 4d and 5b leave out biases and round: 580K against 590.5K weights, 1388K against 1409K, of 1,024
    assert TOLERANCE > abs(off["4d", "params"]) > 0.015
    assert TOLERANCE > abs(off["5b", "params"]) > 0.01


@pytest.mark.parametrize("name", [
    "lenet", "alexnet", "vgg-11", "vgg-11-lrn", "vgg-13", "vgg-16c", "vgg-16", "vgg-19", "resnet-18", "resnet-34",
    "resnet-50", "plain-34", "resnet-20", "resnet-32", "resnet-44", "resnet-56", "nin", "inception-v3@torchvision",
    "resnet-34-a", "resnet-34-c", "resnet-18@torchvision", "alexnet@d2l", "vgg-16@d2l", "googlenet@torchvision",
])  # fmt: skip
def test_every_other_print_agrees(name):
    held = ledger(named(name))
    assert held.disagreements == ()
    assert held.claims


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_every_other_print_of_a_deep_net_agrees(name):
    assert ledger(named(name)).disagreements == ()


def test_lenets_numbers_agree_to_the_last_digit():
    counted = [claim for claim in ledger(named("lenet")).claims if claim.cell == "params"]
    assert [claim.found for claim in counted] == [156, 12, 1_516, 32, 48_120, 10_164, 60_000]
    assert all(claim.off == 0 for claim in counted)


@pytest.mark.parametrize(("row", "prints", "wrong"), [
    ("3a", Prints(params=195 * 1024, macs=128e6), ("3a", "params")),  # 159, its digits turned
    ("3a", Prints(params=159 * 1024, macs=182e6), ("3a", "MACs")),
])  # fmt: skip
def test_a_planted_count_is_found(row, prints, wrong):
    arch = named("googlenet")
    rows = tuple(replace(r, prints=prints) if r.name == row else r for r in arch.rows)
    found = {(c.row, c.cell) for c in ledger(replace(arch, rows=rows)).disagreements}
    assert found - {(c.row, c.cell) for c in ledger(arch).disagreements} == {wrong}


def test_a_planted_total_is_found():
    assert ledger(replace(named("alexnet"), prints=Prints(params=6e6))).wrong == ("total",)


def test_a_planted_width_is_found():
    arch = named("googlenet")
    cells = next(row.spec for row in arch.rows if row.name == "3a")
    rows = tuple(replace(r, spec=replace(cells, n3x3=192)) if r.name == "3a" else r for r in arch.rows)
    assert {"3a", "3b"} <= set(ledger(replace(arch, rows=rows)).wrong)  # and 3b, which takes more maps


def test_the_stem_of_googlenet_fits_a_separable_convolution():
    conv1, cells = next(iter(facts(named("googlenet")))), Conv(64, 7, s=2, p=3)
    assert separable(cells, Prints(params=2_712, macs=2_712 * 112**2), conv1) == 8  # 7*7*3*8 + 24*64
    assert {c.fits for c in ledger(named("googlenet")).disagreements if c.row == "conv1"} == {8}
    assert {c.fits for c in ledger(named("googlenet")).disagreements if c.row != "conv1"} == {None}
    told = [words["en"] for words in disagreements(ledger(named("googlenet")))]
    assert sum("makes 8 maps of each" in words for words in told) == 1


def test_no_separable_convolution_is_read_into_other_prints():
    conv1, cells = next(iter(facts(named("googlenet")))), Conv(64, 7, s=2, p=3)
    assert separable(cells, Prints(params=2_712), conv1) is None  # half of a print proves nothing
    assert separable(cells, Prints(params=2_712, macs=118e6), conv1) is None
    assert separable(cells, Prints(params=100, macs=100 * 112**2), conv1) is None


def test_a_row_without_numbers_of_which_some_are_printed_disagrees():
    assert not Claim("pool", "params", 12.0, 0).agrees
    assert Claim("pool", "params", 0.0, 0).agrees


def test_no_print_is_no_claim():
    assert ledger(Arch("bare", "made here", (3, 8, 8), (Row("conv", Conv(4, 3)),))).claims == ()
