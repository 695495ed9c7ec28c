"""The server's scheduler, on a real Conductor server."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from k1nb.conductor import Conductor, Schedule
from k1nb.errors import ConductorNotFound, ConductorRefused, UsageError
from tests.conductor.builders import a_task, a_use, a_workflow, unique

NEVER = "0 0 3 29 2 ?"
"""On the 29th of February."""


@pytest.fixture
def name(conductor: Conductor) -> Iterator[str]:
    """The name of a fresh workflow of one task, and of a schedule that is removed afterwards."""
    name = unique("clock-")
    conductor.put_task_definitions([a_task(task := name.replace("-", "_"))])
    conductor.put_workflow_definition(a_workflow(a_use(task), name=name))
    yield name
    conductor.remove_schedule(name)


def test_a_schedule_is_kept_as_it_was_given(conductor: Conductor, name: str) -> None:
    """Name, times, zone, workflow, input, key, description and pause are there again, and the next run is told."""
    wanted = Schedule(
        name,
        NEVER,
        name,
        input={"device": "bench", "deep": {"n": [1]}},
        version=1,
        correlation_id="daily:bench",
        zone="Europe/Berlin",
        description="once in a while",
        catch_up=True,
        paused=True,
        paused_reason="holidays",
    )
    assert replace(conductor.put_schedule(wanted), next_run=None) == wanted
    kept = conductor.schedule(name)
    assert replace(kept, next_run=None) == wanted
    assert conductor.schedules(name) == [kept]
    assert kept in conductor.schedules()
    assert conductor.schedules("nobody") == []


def test_a_schedule_is_replaced(conductor: Conductor, name: str) -> None:
    """A second schedule of the same name takes the first one's place."""
    conductor.put_schedule(Schedule(name, NEVER, name, input={"a": 1}))
    conductor.put_schedule(Schedule(name, NEVER, name, input={"b": 2}))
    (only,) = conductor.schedules(name)
    assert only.input == {"b": 2}


def test_a_schedule_starts_executions_until_it_is_paused(conductor: Conductor, name: str) -> None:
    """The server starts an execution each second, with the schedule's input, and none once it is paused."""
    conductor.put_schedule(Schedule(name, "* * * * * ?", name, input={"by": "clock"}, correlation_id="tick"))
    deadline = time.monotonic() + 30
    while not (started := conductor.correlated(name, "tick")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    conductor.pause_schedule(name, "enough")
    assert started[-1].input["by"] == "clock"
    paused = conductor.schedule(name)
    assert (paused.paused, paused.paused_reason) == (True, "enough")
    time.sleep(1.0)
    count = len(conductor.correlated(name, "tick"))
    time.sleep(2.2)
    assert len(conductor.correlated(name, "tick")) == count
    conductor.terminate_many([e.id for e in conductor.correlated(name, "tick")], "enough")


def test_a_schedule_is_paused_resumed_and_removed(conductor: Conductor, name: str) -> None:
    """Each state can be asked for twice; what is not there cannot be paused, resumed or read."""
    conductor.put_schedule(Schedule(name, NEVER, name))
    for _ in range(2):
        conductor.pause_schedule(name)
        assert conductor.schedule(name).paused
    for _ in range(2):
        conductor.resume_schedule(name)
        assert not conductor.schedule(name).paused
    for _ in range(2):
        conductor.remove_schedule(name)
        for ask in (conductor.schedule, conductor.pause_schedule, conductor.resume_schedule):
            with pytest.raises(ConductorNotFound, match=name):
                ask(name)


@pytest.mark.parametrize("cron", ["", "nonsense", "0 3 * * *", "0 0 25 * * ?", "* * * * * * *"])
def test_times_that_are_none_are_refused(conductor: Conductor, name: str, cron: str) -> None:
    """What is no cron expression of six fields is the caller's error, a paused schedule's too, and nothing is kept."""
    for ask in (
        lambda: conductor.next_runs(cron),
        lambda: conductor.put_schedule(Schedule(name, cron, name, paused=True)),
    ):
        with pytest.raises(UsageError) as error:
            ask()
        assert "six fields" in (error.value.hint or "")
    assert conductor.schedules(name) == []


def test_a_schedule_needs_a_name(conductor: Conductor, name: str) -> None:
    """A schedule without a name could not be removed any more, and is refused."""
    with pytest.raises(UsageError, match="name"):
        conductor.put_schedule(Schedule(" ", NEVER, name))


def test_a_zone_that_is_none_is_refused(conductor: Conductor, name: str) -> None:
    """An unknown time zone is refused in the server's words."""
    with pytest.raises(ConductorRefused, match="Mars"):
        conductor.put_schedule(Schedule(name, NEVER, name, zone="Mars"))


def test_next_runs_are_told(conductor: Conductor) -> None:
    """The next runs come in order, as many as asked for, in UTC."""
    runs = conductor.next_runs("0 30 3 * * ?", count=3)
    assert len(runs) == 3
    assert all((at.hour, at.minute, at.tzinfo) == (3, 30, UTC) for at in runs)
    assert [later - sooner for sooner, later in itertools.pairwise(runs)] == [timedelta(days=1)] * 2
    assert datetime.now(UTC) < runs[0] <= datetime.now(UTC) + timedelta(days=1)
