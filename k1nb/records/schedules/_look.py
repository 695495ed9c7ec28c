"""A look at one schedule: what it starts, when next, and what became of the times that were due."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice, takewhile
from typing import Any

from k1nb.conductor import Conductor, Cron, Execution, Schedule, zone_of
from k1nb.errors import ConductorNotFound, UsageError
from k1nb.records.schedules._runs import Run, State, judge, planned_time, verdict_of
from k1nb.records.schedules._wanted import WORKFLOW

LOOK_BACK = timedelta(days=7)
MOST = 1000
"""Planned times that are looked at, the newest ones."""


@dataclass(frozen=True, slots=True)
class Sight:
    """A schedule and the runs that were due since it was put there or resumed, a week back at most, newest first."""

    schedule: Schedule
    next_run: datetime | None
    """None while it is paused, and where its times cannot be read."""
    runs: tuple[Run, ...] = ()
    last: Run | None = None
    """The newest run with a verdict that the server knows of, however long ago."""
    unread: str = ""
    """Why its times cannot be read, and so nothing is known of what was due."""

    @property
    def notebook(self) -> str:
        """Name of the notebook that it runs."""
        return str(self.schedule.input.get("notebook") or "")

    @property
    def newest(self) -> Run | None:
        """The newest planned time that something has become of, a loss too; None where there is none."""
        return next((run for run in self.runs if run.state is not State.DUE), None)

    @property
    def lost(self) -> list[Run]:
        """The planned times that no verdict came of."""
        return [run for run in self.runs if not run.state.well]

    def as_dict(self) -> dict[str, Any]:
        """Return the look as JSON-able data."""
        schedule, last = self.schedule, self.last
        return {
            "name": schedule.name,
            "notebook": self.notebook,
            "parameters": dict(schedule.input.get("parameters") or {}),
            "strict": schedule.input.get("strict") is True,
            "cron": schedule.cron,
            "zone": schedule.zone,
            "catch_up": schedule.catch_up,
            "paused": schedule.paused,
            "paused_reason": schedule.paused_reason,
            "next_run": self.next_run.isoformat(timespec="seconds") if self.next_run else None,
            "last_run": last and last.as_dict(),
            "lost": [run.as_dict() for run in self.lost],
            "unread": self.unread,
        }


def look(conductor: Conductor, schedule: Schedule, now: datetime) -> Sight:
    """Ask the server what became of a schedule's planned times; raises ConductorError."""
    try:
        cron, zone = Cron.parse(schedule.cron), zone_of(schedule.zone)
    except UsageError as error:
        return Sight(schedule, None, unread=error.message)
    since = max(now - LOOK_BACK, schedule.changed_at or now - LOOK_BACK)
    planned = list(islice(takewhile(lambda at: at > since, cron.before(now, zone)), MOST))
    coming = None if schedule.paused else next(cron.after(now, zone), None)
    started = conductor.correlated(WORKFLOW, schedule.correlation_id or "")
    if not planned:
        return Sight(schedule, coming, last=_last(started, now))
    failed = conductor.failed_starts(schedule.name, planned[-1] - timedelta(seconds=1))
    due = [one for one in started if (at := planned_time(one)) is not None and at >= planned[-1]]
    looked_at = [one if one.status.terminal else _with_tasks(conductor, one) for one in due]
    return Sight(schedule, coming, tuple(judge(planned, looked_at, failed, now)), _last(started, now))


def _last(started: list[Execution], now: datetime) -> Run | None:
    times = sorted({at for one in started if verdict_of(one) and (at := planned_time(one))}, reverse=True)
    return next(iter(judge(times[:1], started, [], now)), None)


def _with_tasks(conductor: Conductor, execution: Execution) -> Execution:
    try:
        return conductor.execution(execution.id)
    except ConductorNotFound:  # removed since
        return execution
