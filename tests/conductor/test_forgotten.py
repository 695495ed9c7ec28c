"""Executions that a real server has really lost sight of."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from k1nb.conductor import Conductor, ExecutionStatus, TaskStatus, find_forgotten, repair, running_executions
from k1nb.config import Settings
from k1nb.timings import Timings
from tests.cli.test_app import k1nb
from tests.conductor.builders import a_task, a_use, a_workflow, unique
from tests.conductor.forgetting import forget, forget_start

SCALE = 0.2
TIMINGS = Timings().scaled(SCALE)


@pytest.fixture
def two_steps(conductor: Conductor) -> str:
    """Register a workflow of two tasks and start it; return the execution's id."""
    name = unique("two-steps")
    task = name.replace("-", "_")
    conductor.put_task_definitions([a_task(task)])
    conductor.put_workflow_definition(a_workflow(a_use(task, "first"), a_use(task, "second"), name=name))
    return conductor.start(name, {})


def test_a_forgotten_execution_is_found_and_continued(
    conductor: Conductor, two_steps: str, conductor_database: Path
) -> None:
    """RUNNING with nothing to do is found by one look, goes on at once, and is not found again."""
    forget(conductor_database, conductor.execution(two_steps))
    assert two_steps in [execution.id for execution in find_forgotten(conductor, TIMINGS)]
    done = {one.execution.id: one for one in repair(conductor, TIMINGS)}[two_steps]
    assert (done.forgotten, done.continued) == (True, True)
    assert [task.reference for task in done.execution.tasks] == ["first", "second"]
    assert done.execution.tasks[-1].status is TaskStatus.SCHEDULED
    assert two_steps not in [execution.id for execution in find_forgotten(conductor, TIMINGS)]


def test_an_execution_that_no_search_finds_is_continued(
    conductor: Conductor, two_steps: str, conductor_database: Path
) -> None:
    """What a killed server had only begun to start has no task and no entry in the index; it is begun all the same."""
    name = conductor.execution(two_steps).name
    forget_start(conductor_database, conductor.execution(two_steps))
    assert conductor.execution(two_steps).tasks == ()
    assert not conductor.find(name=name)
    done = {one.execution.id: one for one in repair(conductor, TIMINGS)}[two_steps]
    assert (done.forgotten, done.continued) == (True, True)
    assert [(task.reference, task.status) for task in done.execution.tasks] == [("first", TaskStatus.SCHEDULED)]


def test_an_execution_that_was_forgotten_within_a_loop_is_found(conductor: Conductor, conductor_database: Path) -> None:
    """The loop itself is open then, and nothing in it: it is continued with its next round."""
    name = unique("loop")
    task = name.replace("-", "_")
    conductor.put_task_definitions([a_task(task)])
    again = "if ($.each['done'] == true) { false } else { true }"
    loop = a_use("rounds", type="DO_WHILE", loopCondition=again, loopOver=[a_use(task, "each")])
    conductor.put_workflow_definition(a_workflow(loop, name=name))
    execution_id = conductor.start(name, {})
    forget(conductor_database, conductor.execution(execution_id))
    (done,) = [one for one in repair(conductor, TIMINGS) if one.execution.id == execution_id]
    assert (done.forgotten, done.continued) == (True, True)
    assert [t.reference for t in done.execution.tasks] == ["rounds", "each__1", "each__2"]


def test_the_oldest_are_looked_at_first_and_a_cut_is_told(conductor: Conductor, two_steps: str) -> None:
    """However many newer ones run, an old one is found; a look that is cut says how many it took in."""
    name = conductor.execution(two_steps).name
    newer = [conductor.start(name, {}) for _ in range(3)]
    everything = running_executions(conductor, size=sys.maxsize)
    order = [execution.id for execution in everything.executions]
    assert (everything.cut, everything.looked_at >= 4) == (False, True)
    assert order.index(two_steps) < min(map(order.index, newer))
    place = order.index(two_steps) + 1
    first = running_executions(conductor, size=place)
    assert (first.cut, first.looked_at, first.executions[-1].id) == (True, place, two_steps)


def test_a_cut_is_passed_on(conductor: Conductor, two_steps: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repair of all tells its caller that it did not see all; one of given ids has nothing to tell."""
    monkeypatch.setattr(running_executions, "__kwdefaults__", {"quiet_for": 0.0, "size": 1, "paused": False})
    cut: list[int] = []
    repair(conductor, TIMINGS, [two_steps], on_cut=cut.append)
    assert cut == []
    repair(conductor, TIMINGS, on_cut=cut.append)
    assert cut == [1]


def test_what_waits_is_left_alone(conductor: Conductor, two_steps: str) -> None:
    """An execution that waits for a worker, a person or a time is not touched, even when asked for by name."""
    name = unique("waits")
    person = a_use("ask", "ask", type="HUMAN")
    conductor.put_workflow_definition(a_workflow(person, name=name))
    asked = conductor.start(name, {})
    found = repair(conductor, Timings(forgotten_after=0.0), [two_steps, asked])
    assert [(one.forgotten, one.continued) for one in found] == [(False, False)] * 2
    assert [one.found for one in found] == ["first is SCHEDULED", "ask is IN_PROGRESS"]
    conductor.terminate(asked, "test")
    ended = repair(conductor, TIMINGS, [asked])
    assert [(one.found, one.execution.status) for one in ended] == [("it is TERMINATED", ExecutionStatus.TERMINATED)]


def test_the_command_says_what_it_did(
    settings: Settings, conductor: Conductor, two_steps: str, conductor_database: Path
) -> None:
    """`executions repair` continues what is forgotten, leaves the rest alone and says so, and ends 0."""
    forget(conductor_database, conductor.execution(two_steps))
    words = {"CONDUCTOR_SERVER_URL": conductor.url, "K1NB_TIMINGS_SCALE": str(SCALE)}
    first = k1nb(settings, "executions", "repair", two_steps, **words)
    assert (first.returncode, first.stderr) == (0, "")
    assert f"{two_steps}: nothing to do since " in first.stdout
    assert first.stdout.endswith("Z, continued\n")
    again = k1nb(settings, "executions", "repair", two_steps, **words)
    assert (again.returncode, again.stdout.partition(": ")[2]) == (0, "left alone, second is SCHEDULED\n")
