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
BROKE = Run(PLANNED, State.BROKE, run="20260302-063000-daily_health-aaaaaa", reason="its kernel died")
EARLIER = Run(PLANNED - timedelta(days=1), State.RAN, run=RUN, verdict="OK")
SIGHTS = [Sight(NIGHTLY, NOW, (RAN, MISSED), RAN), Sight(NIGHTLY, None, unread="'L' is not read here")]


def printed(width: int, *sights: Sight, colours: bool = False) -> list[str]:
    """Return the lines that are printed on a terminal of so many columns."""
    out = io.StringIO()
    console = Console(file=out, width=width, highlight=False, force_terminal=colours)
    show.print_schedules(console, sights or SIGHTS)
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


@pytest.mark.parametrize("lost", [BROKE, Run(PLANNED, State.MISSED), Run(PLANNED, State.LATE)])
def test_a_loss_stands_before_the_last_verdict(lost: Run) -> None:
    """The newest time that was due comes first with what became of it, the last run that concluded below it."""
    _, row, below, *_ = printed(200, Sight(NIGHTLY, NOW, (lost, EARLIER), EARLIER))
    assert (row.index("2026-03-02 06:30"), row.index(lost.state)) == (
        below.index("2026-03-01 06:30"),
        below.index("OK"),
    )
    assert "OK" not in row
    coloured = "\n".join(printed(200, Sight(NIGHTLY, NOW, (lost, EARLIER), EARLIER), colours=True))
    assert f"\x1b[1;31m{lost.state}" in coloured


def test_a_time_that_nothing_has_become_of_yet_is_no_news() -> None:
    """What is due in this moment leaves the row as it was; what is under way is said."""
    due, running = Run(NOW, State.DUE), Run(NOW, State.RUNNING)
    shown = [printed(200, Sight(NIGHTLY, NOW, (run, RAN), RAN))[1:] for run in (due, running)]
    assert [len(lines) for lines in shown] == [1, 2]
    assert ("OK" in shown[0][0], "running" in shown[1][0], "OK" in shown[1][1]) == (True, True, True)
