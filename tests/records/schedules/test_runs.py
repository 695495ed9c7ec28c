"""What became of planned times, judged from what a server tells, and what daily health makes of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from k1nb.checks import Check, Status
from k1nb.conductor import Execution, ExecutionStatus, FailedStart, Schedule, Task, TaskStatus
from k1nb.records.schedules._checks import judged
from k1nb.records.schedules._look import Sight
from k1nb.records.schedules._runs import Run, State, judge

NOW = datetime(2026, 7, 10, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SCHEDULE = Schedule("morning", "0 0 6 * * ?", "runbook", input={"notebook": "daily_health"})


def execution(at: datetime, status: str = "COMPLETED", *, verdict: str | None = "OK", **changes: Any) -> Execution:
    """Return an execution that the scheduler started for a time."""
    given: dict[str, Any] = {"_scheduledTime": int(at.timestamp() * 1000)}
    output = {"verdict": verdict, "run": "r1"} if verdict else {}
    made = Execution("e1", "runbook", 1, ExecutionStatus(status), input=given, output=output, started_at=at)
    return replace(made, **changes)


def task(status: str, since: datetime, reference: str = "run_runbook") -> Task:
    """Return the newest task of an execution that runs."""
    return Task("t", reference, reference, "SIMPLE", TaskStatus(status), scheduled_at=since)


def one(at: datetime, *executions: Execution, failed: tuple[FailedStart, ...] = ()) -> Run:
    """Judge one planned time."""
    (run,) = judge([at], executions, failed, NOW)
    return run


@pytest.mark.parametrize(
    ("status", "verdict", "state"),
    [
        ("COMPLETED", "OK", State.RAN),
        ("FAILED", "FAIL", State.RAN),
        ("FAILED", "UNKNOWN", State.RAN),
        ("FAILED", "INTERRUPTED", State.BROKE),
        ("FAILED", None, State.BROKE),
        ("COMPLETED", None, State.BROKE),
        ("COMPLETED", "fine", State.BROKE),
        ("TERMINATED", "OK", State.BROKE),
        ("TIMED_OUT", None, State.BROKE),
    ],
)
def test_only_a_verdict_is_a_run(status: str, verdict: str | None, state: State) -> None:
    """A concluded run counts whatever its verdict; an end without one is broken, also where it calls itself done."""
    run = one(NOW - HOUR, execution(NOW - HOUR, status, verdict=verdict))
    assert run.state is state
    assert run.verdict == (verdict if state is State.RAN else None)
    assert bool(run.reason) is (state is State.BROKE)


@pytest.mark.parametrize(
    ("tasks", "status", "state"),
    [
        ([("IN_PROGRESS", HOUR)], "RUNNING", State.RUNNING),
        ([("SCHEDULED", HOUR)], "RUNNING", State.LATE),
        ([("SCHEDULED", timedelta(minutes=1))], "RUNNING", State.DUE),
        ([("COMPLETED", HOUR), ("SCHEDULED", HOUR)], "RUNNING", State.LATE),
        ([], "RUNNING", State.LATE),
        ([("IN_PROGRESS", HOUR)], "PAUSED", State.LATE),
    ],
)
def test_what_no_worker_takes_is_late(tasks: list[tuple[str, timedelta]], status: str, state: State) -> None:
    """An execution whose task waits for long is late, one whose task is worked on runs."""
    found = tuple(task(how, NOW - ago) for how, ago in tasks)
    assert one(NOW - HOUR, execution(NOW - HOUR, status, verdict=None, tasks=found)).state is state


def test_what_was_not_started_is_missed() -> None:
    """Without an execution a time is missed, after a moment's grace, and at once where the start itself failed."""
    assert one(NOW - HOUR).state is State.MISSED
    assert one(NOW - timedelta(minutes=1)).state is State.DUE
    now = NOW - timedelta(seconds=1)
    run = one(now, failed=(FailedStart(now, "no such workflow"),))
    assert run.state is State.MISSED
    assert "no such workflow" in run.reason
    assert one(NOW - HOUR, execution(NOW - 2 * HOUR)).state is State.MISSED


def test_of_two_executions_for_one_time_the_verdict_counts() -> None:
    """A server that is killed may start a time twice; what concluded is what is known."""
    at = NOW - HOUR
    broken, good = execution(at, "TERMINATED", verdict=None), execution(at, id="e2")
    for pair in ((broken, good), (good, broken)):
        assert one(at, *pair).execution == "e2"


@pytest.mark.parametrize(
    ("said", "late"),
    [
        ("2026-07-10T11:20:00+00:00", timedelta(minutes=20)),
        ("2026-07-10T13:20:00+02:00", timedelta(minutes=20)),
        (None, timedelta(0)),
        ("soon", timedelta(0)),
        (7, timedelta(0)),
    ],
)
def test_a_run_began_when_its_notebook_did(said: object, late: timedelta) -> None:
    """An execution that waited for a worker has not begun the run; where nothing is said of that, it has."""
    output = {"verdict": "OK", "run": "r1", "began_at": said}
    assert one(NOW - HOUR, execution(NOW - HOUR, output=output)).delay == late


def test_what_somebody_else_started_counts_for_no_time() -> None:
    """An execution under the schedule's key without a planned time was started by hand."""
    assert one(NOW - HOUR, replace(execution(NOW - HOUR), input={})).state is State.MISSED


def seen(*states: State, step: timedelta = 10 * HOUR, **changes: Any) -> Check:
    """Judge a schedule whose newest times came to these states."""
    begun = changes.pop("delay", timedelta(0))
    times = [NOW - HOUR - n * step for n in range(len(states))]
    runs = [Run(at, state, "e1", at + begun, "r1", "OK", "why") for at, state in zip(times, states, strict=True)]
    schedule = replace(SCHEDULE, **{k: v for k, v in changes.items() if k != "unread"})
    last = next((run for run in runs if run.state is State.RAN), None)
    sight = Sight(schedule, NOW + HOUR, tuple(runs), last, unread=changes.get("unread", ""))
    return judged(sight, NOW, "http://x")


@pytest.mark.parametrize(
    ("states", "status", "words"),
    [
        ([State.RAN], Status.OK, "last for 2026-07-10 11:00: OK, record r1; next 2026-07-10 13:00"),
        ([State.RUNNING, State.RAN], Status.OK, "one is under way for 2026-07-10 11:00"),
        ([State.DUE, State.RAN], Status.OK, "last for 2026-07-10 01:00: OK"),
        ([], Status.OK, "nothing was due yet"),
        ([State.MISSED, State.RAN], Status.FAIL, "missed 2026-07-10 11:00: why"),
        ([State.LATE, State.RAN], Status.FAIL, "late 2026-07-10 11:00"),
        ([State.BROKE], Status.FAIL, "no run has concluded yet"),
        ([State.DUE, State.MISSED], Status.FAIL, "missed 2026-07-10 01:00"),
        ([State.RUNNING, State.MISSED], Status.WARN, "missed 2026-07-10 01:00"),
        ([State.RAN, State.MISSED], Status.WARN, "missed 2026-07-10 01:00"),
        ([State.RAN, State.RAN, State.RAN, State.MISSED], Status.OK, "last for"),
    ],
)
def test_a_schedule_is_judged_by_its_newest_time(states: list[State], status: Status, words: str) -> None:
    """FAIL where the newest due time was lost, WARN where another of the last day was, else OK with the verdict."""
    check = seen(*states)
    assert check.status is status, check.evidence
    assert words in check.evidence
    assert bool(check.hint) is (status is not Status.OK)


def test_the_hint_follows_the_loss() -> None:
    """What is late wants workers, what broke a look at its execution, what was missed a run now."""
    assert "k1nb up workers" in str(seen(State.LATE).hint)
    assert "k1nb executions show e1" in str(seen(State.BROKE).hint)
    assert "k1nb run daily_health" in str(seen(State.MISSED).hint)


def test_a_weekly_loss_is_no_less_a_loss() -> None:
    """The newest due time counts however long ago it was."""
    assert seen(State.DUE, State.MISSED, step=6 * 24 * HOUR).status is Status.FAIL


def test_a_late_beginning_is_said() -> None:
    """A run that was made up for when the server was back is WARN, with how late it was."""
    check = seen(State.RAN, delay=timedelta(minutes=20))
    assert (check.status, "20 min after its time" in check.evidence) == (Status.WARN, True)


def test_a_paused_schedule_is_a_warning() -> None:
    """It starts nothing, for the reason that somebody gave, and the hint resumes it."""
    check = seen(State.MISSED, paused=True, paused_reason="holidays")
    assert check.status is Status.WARN
    assert "holidays" in check.evidence
    assert "1 planned times" in check.evidence
    assert "k1nb schedule resume morning" in str(check.hint)


def test_times_that_cannot_be_read_are_unknown() -> None:
    """A schedule with times that are not understood is never called well."""
    assert seen(unread="it has L").status is Status.UNKNOWN
