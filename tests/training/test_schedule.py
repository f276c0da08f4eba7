"""Schedules are pure functions of progress; the examples by hand stand in their docstrings."""

import doctest

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from konvolut.training import schedule
from konvolut.training.schedule import SCHEDULES


def test_the_examples_by_hand_hold():
    found = doctest.testmod(schedule)
    assert found.attempted >= 4
    assert not found.failed


@settings(deadline=None, max_examples=100, derandomize=True)
@given(st.sampled_from(sorted(SCHEDULES)), st.floats(0, 1), st.floats(0, 0.99))
def test_the_factor_stays_between_nothing_and_everything(name, progress, warmup):
    assert 0 <= SCHEDULES[name](progress, warmup) <= 1


@pytest.mark.parametrize("name", ["triangle", "cosine"])
def test_they_end_at_nothing(name):
    assert SCHEDULES[name](1.0, 0.3) == pytest.approx(0, abs=1e-12)
