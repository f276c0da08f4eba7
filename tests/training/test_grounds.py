"""Every setting of a default recipe names what it rests on, and none rests on what was contradicted without a reason."""

from dataclasses import fields

import pytest

from konvolut import verdicts
from konvolut.images.augment import Augment
from konvolut.lab.index import STUDIES
from konvolut.lab.notes import NOTES
from konvolut.training.grounds import GROUNDS, lines
from konvolut.training.planned import Traits
from konvolut.training.recipe import Recipe

STANDS_ALL_THE_SAME: dict[str, str] = {}  # contradicted claim -> the words of its ground that say why


def test_every_field_has_one_ground():
    ours = {f.name for f in fields(Recipe) if f.name != "augment"} | {f.name for f in fields(Augment)}
    held = [field for ground in GROUNDS for field in ground.fields]
    assert sorted(held) == sorted([*ours, "norm"])


def test_every_claim_is_one_of_the_notes():
    known = {id for chapter in NOTES.values() for sentence in chapter for id in sentence.held_by.split()}
    assert {ground.claim for ground in GROUNDS if ground.claim} <= known


@pytest.mark.parametrize("ground", [g for g in GROUNDS if g.claim], ids=lambda g: g.what)
def test_no_setting_rests_on_what_was_contradicted(ground):
    if verdicts.word(ground.claim) == "contradicted":
        assert STANDS_ALL_THE_SAME[ground.claim] in ground.why
    if ground.claim in STUDIES:
        assert verdicts.word(ground.claim), f"{ground.claim} has a study and no result: lab run {ground.claim}"


def test_the_lines_say_claim_and_verdict(monkeypatch):
    monkeypatch.setattr(verdicts, "shipped", lambda: {"B10": {"verdict": {"word": "supported"}}})
    told = list(lines(Recipe(), Traits(1, normed=True, grey=True)))
    assert any(line.startswith("batch norm: B10 supported: ") for line in told)
    assert not any("batch norm" in line for line in lines(Recipe(), Traits(1, normed=False, grey=True)))
