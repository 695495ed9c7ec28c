"""How durations and states read."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1nb.conductor import ExecutionStatus, TaskStatus
from k1nb.show._words import duration, words


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.5, "1 min"),
        (59.97, "1 min"),
        (65, "1 min 05 s"),
        (3599.7, "1 h 00 min"),
        (3 * 3600 + 60, "3 h 01 min"),
        (50 * 3600, "2 d 2 h"),
        (60 * 86400, "60 d 0 h"),
    ],
)
def test_a_duration_reads_in_its_largest_units(seconds: float, text: str) -> None:
    """A duration is given in the one or two units that matter."""
    assert duration(seconds) == text


@given(st.floats(0, 10**7))
def test_no_duration_has_sixty_of_a_unit(seconds: float) -> None:
    """However it is rounded, no duration reads as 60 s or 60 min."""
    assert not re.search(r"\b60 (s|min)\b", duration(seconds))


@pytest.mark.parametrize("status", [*ExecutionStatus, *TaskStatus])
def test_every_status_has_words(status: str) -> None:
    """Every status of Conductor reads as lower-case words."""
    assert words(status).islower()
    assert "_" not in words(status)
