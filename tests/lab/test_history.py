"""History: whole, dated and sourced; the contest's figures are those of its papers."""

import re

import pytest

from konvolut.lab.history import HISTORY
from konvolut.lab.notes import NOTES

EVENTS = [(id, event) for id, history in HISTORY.items() for event in history.events]


def share(figure):
    return float(figure.removesuffix(" %"))


def test_the_four_histories_are_there_and_belong_to_sentences_that_ask_for_them():
    assert list(HISTORY) == ["H1", "H2", "H3", "H4"]
    held = {s.id: s.held_by.split() for chapter in NOTES.values() for s in chapter}
    for id, history in HISTORY.items():
        assert history.id == id
        assert id in held[history.sentence]


@pytest.mark.parametrize(("id", "event"), EVENTS, ids=lambda value: value if isinstance(value, str) else value.what)
def test_an_event_has_a_source_whose_year_does_not_come_before_it(id, event):
    """A source is authors, title, venue and year."""
    assert 1950 < event.year < 2026
    year = int(re.search(r"(\d{4})$", event.source)[1])
    assert year >= event.year
    assert event.source.count(",") >= 2
    assert event.what
    assert re.fullmatch(r"(\d+\.\d+ %)?", event.figure)


@pytest.mark.parametrize("history", HISTORY.values(), ids=lambda h: h.id)
def test_events_are_told_in_their_order(history):
    years = [event.year for event in history.events]
    assert years == sorted(years)


def test_the_contest_was_won_with_fewer_errors_every_year():
    """Russakovsky et al. 2015, table of winners; Krizhevsky et al. 2012, Szegedy et al. 2015, He et al. 2016, abstracts."""
    won = {event.year: share(event.figure) for event in HISTORY["H1"].events}
    assert won == {2010: 28.2, 2011: 25.8, 2012: 15.3, 2013: 11.7, 2014: 6.67, 2015: 3.57}


def test_the_third_contest_is_told_with_its_runner_up():
    """Krizhevsky et al. 2012, abstract."""
    assert {"15.3 %", "26.2 %"} <= {event.figure for event in HISTORY["H3"].events if event.year == 2012}
