"""Schedules on real parts: the server's scheduler starts notebooks, the workers run them, and what is lost is seen."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from k1nb.checks import Check, Status
from k1nb.conductor import Conductor, Execution, Schedule
from k1nb.config import Settings
from k1nb.errors import UsageError
from k1nb.records import find_run, schedules
from k1nb.records.schedules import Run, Sight, State
from tests.cli.test_app import k1nb
from tests.conductor.builders import unique
from tests.test_json import held

PATIENCE = 120.0
FAST = "definitions"
"""A notebook that takes seconds and passes on a stack that works."""
NEVER = "0 0 3 29 2 ?"


@pytest.fixture(scope="module")
def ran(line: Settings) -> Iterator[Mapping[str, str]]:
    """Schedules that were due once each, by what came of it: a pass, a broken run, and nothing at all."""
    names = {what: unique("clock-") for what in ("good", "broken", "unstarted")}
    good = schedules.wanted(line, names["good"], FAST, cron=NEVER, parameters={})
    folder = {"folder": "/nonexistent"}
    broken = schedules.wanted(line, names["broken"], FAST, cron=NEVER, parameters=folder)
    unstarted = replace(good, name=names["unstarted"], version=99, correlation_id=names["unstarted"])
    with Conductor.from_settings(line) as conductor:
        for schedule in (good, broken, unstarted):
            _due_soon(conductor, schedule)
        deadline = time.monotonic() + PATIENCE
        while waiting := [n for n in names.values() if _run(conductor, n) is None]:
            assert time.monotonic() < deadline, waiting
            time.sleep(0.2)
        yield names
        for name in names.values():
            conductor.remove_schedule(name)


def _due_soon(conductor: Conductor, schedule: Schedule) -> None:
    """Let a schedule be due in a moment, and then not for a day; put in again where the moment passed meanwhile."""
    put = datetime.now(UTC) + timedelta(days=1)
    at = datetime.now(UTC)
    while put >= at:
        at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=3)
        conductor.put_schedule(replace(schedule, cron=f"{at.second} {at.minute} {at.hour} * * ?"))
        put = datetime.now(UTC)


def _sight(conductor: Conductor, name: str) -> Sight:
    return schedules.look(conductor, conductor.schedule(name), datetime.now(UTC))


def _run(conductor: Conductor, name: str) -> Run | None:
    """Return what came of a schedule's one due time, once that is decided."""
    decided = [run for run in _sight(conductor, name).runs if run.state not in (State.DUE, State.RUNNING)]
    return decided[0] if decided else None


def _ended(line: Settings, name: str) -> tuple[Run, Execution]:
    with Conductor.from_settings(line) as conductor:
        run = _run(conductor, name)
        assert run is not None
        assert run.execution is not None
        return run, conductor.execution(run.execution)


def _check(line: Settings, name: str) -> Check:
    (found,) = [check for check in schedules.checks(line) if check.name == f"schedule {name}: ran when due"]
    return found


def test_the_scheduler_runs_a_notebook_and_its_record_is_found(line: Settings, ran: Mapping[str, str]) -> None:
    """A schedule that was due has left a record with a verdict, and the check is OK and names it."""
    run, execution = _ended(line, ran["good"])
    assert (run.state, run.verdict) == (State.RAN, "OK")
    record = find_run(line, run.run or "")
    assert record is not None
    assert (record.notebook, record.verdict, record.passes) == (FAST, "OK", True)
    assert (execution.status, execution.correlation_id) == ("COMPLETED", f"runbook:{ran['good']}")
    assert execution.output["run"] == record.id
    assert run.began_at == record.started_at.replace(microsecond=0)
    check = _check(line, ran["good"])
    assert check.status is Status.OK, check.evidence
    assert record.id in check.evidence


def test_a_run_that_breaks_is_told_and_lost(line: Settings, ran: Mapping[str, str]) -> None:
    """An INTERRUPTED run fails its execution, people are told its record, and the check is FAIL."""
    run, execution = _ended(line, ran["broken"])
    assert run.state is State.BROKE
    record = find_run(line, run.run or "")
    assert record is not None
    assert record.verdict == "INTERRUPTED"
    assert (execution.status, execution.output["passes"]) == ("FAILED", False)
    lines = (line.paths.logs / "notifications.jsonl").read_text(encoding="utf-8").splitlines()
    (told,) = [found for found in map(json.loads, lines) if found["workflow_id"] == execution.id]
    assert told["message"] == f"Runbook {FAST}: INTERRUPTED, no checks"
    assert any(record.id in text for text in told["details"])
    check = _check(line, ran["broken"])
    assert check.status is Status.FAIL
    assert check.evidence.startswith("broke ")


def test_what_the_scheduler_could_not_start_is_missed(line: Settings, ran: Mapping[str, str]) -> None:
    """A time for which the server could start nothing is missed at once, in the server's words."""
    with Conductor.from_settings(line) as conductor:
        run = _run(conductor, ran["unstarted"])
    assert run is not None
    assert (run.state, run.execution) == (State.MISSED, None)
    assert "No such workflow" in run.reason
    assert _check(line, ran["unstarted"]).status is Status.FAIL


def test_the_commands_show_what_ran_and_what_was_lost(line: Settings, ran: Mapping[str, str]) -> None:
    """The list has each schedule's last run and losses; a paused one says why, is WARN, and is resumed."""
    listed = {one["name"]: one for one in held(line, "schedule list")}
    assert listed[ran["good"]]["last_run"]["verdict"] == "OK"
    assert [one["state"] for one in listed[ran["broken"]]["lost"]] == ["broke"]
    shown = k1nb(line, "schedule", "list").stdout
    assert listed[ran["good"]]["last_run"]["run"] in shown
    assert "No such workflow" in shown
    assert set(schedules.names(line)) >= set(ran.values())
    assert k1nb(line, "schedule", "pause", ran["unstarted"], "--reason", "no use").returncode == 0
    check = _check(line, ran["unstarted"])
    assert (check.status, "no use" in check.evidence) == (Status.WARN, True)
    assert k1nb(line, "schedule", "resume", ran["unstarted"]).returncode == 0
    assert _check(line, ran["unstarted"]).status is Status.OK  # nothing was due since
    with Conductor.from_settings(line) as conductor:
        conductor.pause_schedule(ran["good"])
        sight = _sight(conductor, ran["good"])
    assert (sight.runs, sight.last and sight.last.verdict) == ((), "OK")  # what ran before a pause is not forgotten


def test_a_schedule_is_added_replaced_and_removed(line: Settings) -> None:
    """The same again changes nothing, another one is replaced by what differs, and a removed one can be had back."""
    name = unique("clock-")
    words = (name, FAST, "--daily", "06:00", "--zone", "Europe/Berlin", "-p", "over_running=true")
    added = held(line, "schedule add", *words)
    assert (added["created"], added["changed"], added["schedule"]["parameters"]) == (True, True, {"over_running": True})
    with Conductor.from_settings(line) as conductor:
        known = conductor.schedule(name)
        assert not schedules.put(conductor, known).changed
        conductor.pause_schedule(name, "holidays")
        given = {**known.input, "strict": True}
        changed = schedules.put(conductor, replace(known, cron="0 0 7 * * ?", input=given))
        assert changed.changes == (("cron", "0 0 6 * * ?", "0 0 7 * * ?"), ("strict", False, True))
        kept = conductor.schedule(name)
        assert (kept.paused, kept.paused_reason, kept.cron) == (True, "holidays", "0 0 7 * * ?")
    again = held(line, "schedule remove", name)["again"].split()
    assert again[-4:] == ["Europe/Berlin", "-p", "over_running=true", "--strict"]
    done = k1nb(line, "schedule", "remove", name)
    assert (done.returncode, "there is no schedule" in done.stderr) == (2, True)


def test_a_schedule_of_something_else_is_left_alone(line: Settings) -> None:
    """A schedule that starts another workflow is neither found nor replaced."""
    other = Schedule(unique("clock-"), NEVER, "k1nb-ready", {"nonce": "n"})
    with Conductor.from_settings(line) as conductor:
        conductor.put_schedule(other)
        ours = schedules.wanted(line, other.name, FAST, cron=NEVER, parameters={})
        with pytest.raises(UsageError, match="starts k1nb-ready, no notebook"):
            schedules.put(conductor, ours)
        with pytest.raises(UsageError, match="starts k1nb-ready, no notebook"):
            schedules.remove(conductor, other.name)
        assert conductor.schedule(other.name) == replace(other, next_run=conductor.schedule(other.name).next_run)
        conductor.remove_schedule(other.name)


def test_times_that_are_not_read_here_are_unknown(line: Settings) -> None:
    """A schedule that somebody gave times which only the server reads is UNKNOWN, never called well."""
    schedule = schedules.wanted(line, unique("clock-"), FAST, cron=NEVER, parameters={})
    with Conductor.from_settings(line) as conductor:
        conductor.put_schedule(replace(schedule, cron="0 0 6 L * ?"))
        check = _check(line, schedule.name)
        conductor.remove_schedule(schedule.name)
    assert check.status is Status.UNKNOWN


def test_a_server_that_does_not_answer_is_unknown(settings: Settings) -> None:
    """Without a server nothing is known of what was due."""
    (check,) = schedules.checks(settings)
    assert (check.name, check.status) == ("schedule daily_health: ran when due", Status.UNKNOWN)
    assert check.hint


def test_daily_health_that_nothing_starts_is_said(line: Settings) -> None:
    """It is listed as not configured, with the command that has it started."""
    check = _check(line, "daily_health")
    assert check.status is Status.NOT_CONFIGURED
    assert "k1nb schedule add daily_health daily_health" in str(check.hint)


def test_what_nobody_asked_the_server_for_is_never_planned(line: Settings) -> None:
    """Times before a schedule was put there are not due, so that a new one has lost nothing."""
    before = datetime.now(UTC) - timedelta(minutes=1)
    cron = f"{before.second} {before.minute} {before.hour} * * ?"
    schedule = schedules.wanted(line, unique("clock-"), FAST, cron=cron, parameters={})
    with Conductor.from_settings(line) as conductor:
        put = schedules.put(conductor, replace(schedule, paused=True))
        sight = _sight(conductor, schedule.name)
        conductor.remove_schedule(schedule.name)
    assert put.created
    assert sight.runs == ()
