"""What a daily look asks of schedules: did what was due run."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from k1nb.checks import Check, Status
from k1nb.conductor import Conductor
from k1nb.config import Settings
from k1nb.errors import ConductorError
from k1nb.records.schedules._look import Sight, look
from k1nb.records.schedules._runs import GRACE, Run, State
from k1nb.records.schedules._wanted import WORKFLOW

DAILY = "daily_health"
"""The notebook that every installation should have on a schedule."""
_RECENT = timedelta(hours=24)
_NAMED = 3


def checks(settings: Settings) -> list[Check]:
    """Return one check for each schedule of a notebook, and one for daily health where that has none.

    Nothing is raised for a server that does not tell: that is UNKNOWN.
    """
    now = datetime.now(UTC)
    with Conductor.from_settings(settings) as conductor:
        source = f"{conductor.url}/scheduler/schedules"
        try:
            sights = [look(conductor, schedule, now) for schedule in conductor.schedules(WORKFLOW)]
        except ConductorError as error:
            hint = error.hint or "see `k1nb logs conductor`"
            return [Check(_name(DAILY), Status.UNKNOWN, error.message, hint, source)]
    found = [judged(sight, now, source) for sight in sorted(sights, key=lambda sight: sight.schedule.name)]
    return found if DAILY in {sight.notebook for sight in sights} else [*found, _none(source)]


def _name(schedule: str) -> str:
    return f"schedule {schedule}: ran when due"


def _none(source: str) -> Check:
    hint = f"k1nb schedule add {DAILY} {DAILY} --daily 06:00"
    return Check(_name(DAILY), Status.NOT_CONFIGURED, "no schedule starts it, so nobody misses it", hint, source)


def judged(sight: Sight, now: datetime, source: str) -> Check:
    """Judge one schedule: the newest time that was due is FAIL where it was lost, earlier ones of a day are WARN."""
    name, schedule = _name(sight.schedule.name), sight.schedule
    if sight.unread:
        hint = f"put it there anew: k1nb schedule add {schedule.name} {sight.notebook or 'NOTEBOOK'} --cron …"
        return Check(name, Status.UNKNOWN, sight.unread, hint, source)
    if schedule.paused:
        passed = len(sight.runs)
        seen = f"paused{f' ({schedule.paused_reason})' if schedule.paused_reason else ''}: it starts nothing"
        seen += f"; {passed} planned times have passed since" if passed else ""
        return Check(name, Status.WARN, seen, f"k1nb schedule resume {schedule.name}", source)
    due = [run for run in sight.runs if run.state is not State.DUE]
    lost = [run for run in due[:1] if not run.state.well]
    recent = [run for run in due if not run.state.well and now - run.planned_at <= _RECENT]
    seen = _last(sight)
    if lost or recent:
        status, told = Status.FAIL if lost else Status.WARN, recent or lost
        return Check(name, status, f"{_told(told)}; {seen}", _next_step(sight, told[0]), source)
    if due and due[0].delay > GRACE:
        late = f"it began {_minutes(due[0].delay)} after its time; {seen}"
        hint = "were server or workers down then? `k1nb logs conductor`, `k1nb logs workers`"
        return Check(name, Status.WARN, late, hint, source)
    return Check(name, Status.OK, seen, source=source)


def _last(sight: Sight) -> str:
    """Say what ran last and what comes next."""
    last = sight.last
    said = "no run has concluded yet" if sight.runs else "nothing was due yet"
    if last is not None:
        said = f"last for {_clock(last.planned_at)}: {last.verdict}, record {last.run}"
    if sight.runs and sight.runs[0].state is State.RUNNING:
        said += f"; one is under way for {_clock(sight.runs[0].planned_at)}"
    return said + (f"; next {_clock(sight.next_run)}" if sight.next_run else "")


def _told(lost: Iterable[Run]) -> str:
    runs = list(lost)
    told = "; ".join(f"{run.state} {_clock(run.planned_at)}: {run.reason}" for run in runs[:_NAMED])
    return told + (f"; and {len(runs) - _NAMED} more" if len(runs) > _NAMED else "")


def _next_step(sight: Sight, run: Run) -> str:
    if run.state is State.LATE:
        return "start the workers with `k1nb up workers`"
    if run.state is State.BROKE:
        return f"`k1nb executions show {run.execution}`"
    return f"run it now: `k1nb run {sight.notebook}`; was the server down then? `k1nb logs conductor`"


def _minutes(delay: timedelta) -> str:
    return f"{delay.total_seconds() / 60:.0f} min"


def _clock(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"
