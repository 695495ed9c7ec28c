"""Tests of what tells a restart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1nb.device import Uptime, restarted
from k1nb.device._facts import UPTIME_WRAP_MS
from k1nb.device._uptime import SLACK_MS

DAY = 24 * 3600 * 1000
LATE = st.integers(min_value=0, max_value=SLACK_MS - 1000)


@given(
    ms=st.integers(min_value=0, max_value=UPTIME_WRAP_MS - 1),
    passed=st.integers(min_value=0, max_value=40 * DAY),
    late=st.tuples(LATE, LATE),
    drift=st.floats(min_value=-0.0005, max_value=0.0005),
)
def test_a_device_that_runs_on_has_not_restarted(ms: int, passed: int, late: tuple[int, int], drift: float) -> None:
    """Late answers, a clock that is not quite ours and the wrap after 49.7 days are no restart."""
    before = Uptime(ms, (100_000 + late[0]) / 1000)
    after = Uptime(int(ms + passed * (1 + drift)) % UPTIME_WRAP_MS, (100_000 + passed + late[1]) / 1000)
    assert not restarted(before, after)


@given(
    ms=st.integers(min_value=0, max_value=UPTIME_WRAP_MS - 1),
    away=st.integers(min_value=0, max_value=3600 * 1000),
    up=st.integers(min_value=0, max_value=3600 * 1000),
)
def test_a_device_that_started_anew_has_restarted(ms: int, away: int, up: int) -> None:
    """However long it was away and is up again: it is up for less than it must be."""
    before, after = Uptime(ms, 100.0), Uptime(up, 100.0 + (away + up) / 1000)
    expected = ms + away + up
    if expected - up > 2 * SLACK_MS and not abs(expected - UPTIME_WRAP_MS - up) <= 3 * SLACK_MS:
        assert restarted(before, after)


@pytest.mark.parametrize(
    ("before", "after", "passed", "found"),
    [
        (60_000, 70_000, 10.0, False),
        (60_000, 2_000, 10.0, True),
        (10_000, 40_000, 60.0, True),  # it was away for a while: its uptime has grown, and it has restarted
        (UPTIME_WRAP_MS - 4_000, 6_000, 10.0, False),
        (30 * DAY, 3_000, 10.0, True),
    ],
)
def test_examples(before: int, after: int, passed: float, found: bool) -> None:
    """The cases that matter, one by one."""
    assert restarted(Uptime(before, 5.0), Uptime(after, 5.0 + passed)) is found
