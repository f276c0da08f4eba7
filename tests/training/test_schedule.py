"""Schedules are pure functions of progress; the examples by hand stand in their docstrings."""

import doctest

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from konvolut.training import schedule
from konvolut.training.schedule import SCHEDULES, side_at


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


@settings(deadline=None, max_examples=100, derandomize=True)
@given(st.integers(28, 512), st.floats(0.25, 1), st.lists(st.floats(0, 1), min_size=2, max_size=8))
def test_pictures_grow_to_the_whole_and_never_shrink(side, grow, times):
    found = [side_at(progress, side, grow) for progress in sorted(times)]
    assert found == sorted(found)
    assert all(one == side or one % 4 == 0 for one in found)
    assert side_at(0.8, side, grow) == side
    assert side_at(0.5, side, grow) == side_at(0.0, side, grow) == pytest.approx(grow * side, abs=2)
