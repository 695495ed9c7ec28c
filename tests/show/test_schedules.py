"""Schedules on terminals of any width."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from k1nb import show
from k1nb.conductor import Schedule
from k1nb.records.schedules import Run, Sight, State

NOW = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
RUN = "20260302-063000-daily_health-0a1b2c"
PLANNED = NOW - timedelta(minutes=30)
RAN = Run(PLANNED, State.RAN, began_at=PLANNED, run=RUN, verdict="OK")
NIGHTLY = Schedule(
    "nightly-daily-health", "0 30 7 ? * MON-FRI", "runbook", {"notebook": "daily_health"}, zone="Europe/Berlin"
)
MISSED = Run(PLANNED - timedelta(days=1), State.MISSED, reason="the scheduler started nothing")
SIGHTS = [Sight(NIGHTLY, NOW, (RAN, MISSED), RAN), Sight(NIGHTLY, None, unread="'L' is not read here")]


def printed(width: int) -> list[str]:
    """Return the lines that are printed on a terminal of so many columns."""
    out = io.StringIO()
    show.print_schedules(Console(file=out, width=width, highlight=False), SIGHTS)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_what_fits_is_a_line_for_each_schedule() -> None:
    """A wide terminal has heads, a line for each schedule, and what was lost below them."""
    heads, nightly, other, lost = printed(200)
    assert heads.split()[:3] == ["schedule", "notebook", "when"]
    assert all(text in nightly for text in (NIGHTLY.name, "0 30 7 ? * MON-FRI  Europe/Berlin", f"OK  {RUN}"))
    assert other.endswith("unknown")
    assert lost == f"{NIGHTLY.name}  missed 2026-03-01 06:30: the scheduler started nothing"


@pytest.mark.parametrize("width", [60, 80, 120])
def test_what_does_not_fit_is_a_block_for_each_schedule(width: int) -> None:
    """On a narrow one no name, time or id is folded: each stands on a line of its own behind its head."""
    lines = printed(width)
    assert [line for line in lines if line.startswith("schedule ")] == [f"schedule        {NIGHTLY.name}"] * 2
    assert "when            0 30 7 ? * MON-FRI  Europe/Berlin" in lines
    assert {f"verdict         OK  {RUN}", "lost in 7 days  1"} <= set(lines)
