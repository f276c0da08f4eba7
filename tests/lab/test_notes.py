"""The notes and the chapter: nothing of the lectures is left out, and nothing is held by what does not exist."""

import re

import pytest

from konvolut.lab.chapter import write_chapter
from konvolut.lab.history import HISTORY
from konvolut.lab.index import STUDIES
from konvolut.lab.notes import NOTES
from konvolut.lab.verdict import WORDS
from konvolut.lab.words import MEANING
from konvolut.verdicts import shipped

SENTENCES = [sentence for chapter in NOTES.values() for sentence in chapter]
LATER = {  # claims whose study is not written yet
    "A6", "A7", "A8", "A11", "A12", "A18", "V3", "V5", "G6", "G7", "B2", "B3", "B4", "B6", "B8", "B13", "B14", "R5", "R8",
    "R11", "W2", "W3", "W4",
}  # fmt: skip


def test_the_notes_are_whole_and_in_order():
    assert [s.id for s in SENTENCES] == [f"S{n}" for n in range(1, 50)]
    assert list(NOTES) == ["AlexNet", "VGG", "Network in network", "GoogLeNet", "Batch normalization", "ResNet"]


@pytest.mark.parametrize("sentence", SENTENCES, ids=lambda s: s.id)
def test_a_sentence_has_a_claim_or_a_history(sentence):
    held = sentence.held_by.split()
    assert held
    assert all(id in STUDIES or id in HISTORY or id in LATER for id in held)


def test_every_study_belongs_to_the_sentence_it_names():
    held = {id: s.id for s in reversed(SENTENCES) for id in s.held_by.split()}
    assert {id for id in STUDIES if id not in held} == set()
    for id, study in STUDIES.items():
        named = next(s for s in SENTENCES if s.id == study.claim.sentence)
        assert id in named.held_by.split(), f"{id} names {named.id}"
    assert not LATER & set(STUDIES)


def test_every_study_has_a_shipped_verdict():
    assert set(shipped()) == set(STUDIES)
    assert {held["verdict"]["word"] for held in shipped().values()} <= set(WORDS) == set(MEANING)


def test_the_chapter_holds_every_sentence_and_every_verdict(tmp_path):
    page = write_chapter(tmp_path / "chapter.html").read_text(encoding="utf-8")
    assert re.findall(r'<h3 id="(S\d+)"', page) == [s.id for s in SENTENCES]
    for id, held in shipped().items():
        found = re.search(rf'<p id="{id}" class="verdict"><small>{id}</small> <strong><span lang="en">(\w+)<', page)
        assert found
        assert found[1] == held["verdict"]["word"]
        assert f"konvolut lab run {id}" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert page.count("<svg") > 20
    assert 'href="#' in page
