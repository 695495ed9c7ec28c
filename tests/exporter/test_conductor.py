"""What is read from Conductor: by rules, and from the session's real server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1nb.conductor import Conductor, Execution, ExecutionStatus, PollData, Task, TaskStatus
from k1nb.config import Settings
from k1nb.exporter._conductor import ConductorWatch, Failures, Workflow, pollers, waiting_for_person, workflows
from k1nb.timings import Timings
from tests.conductor.builders import a_task, a_use, a_workflow, unique
from tests.conductor.forgetting import forget
from tests.impostors import ANSWERS, listening

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
AFTER = 60.0


def running(number: int, *tasks: Task, name: str = "build", seconds: float = 100) -> Execution:
    """Return an execution that was started so many seconds ago."""
    began = NOW - timedelta(seconds=seconds)
    return Execution(
        f"e{number}", name, 1, ExecutionStatus.RUNNING, started_at=began, updated_at=began, tasks=tuple(tasks)
    )


def task(kind: str = "SIMPLE", status: TaskStatus = TaskStatus.IN_PROGRESS, child: str | None = None) -> Task:
    """Return a task of an execution."""
    return Task("t", "ref", "compile", kind, status, worker_id="w1", child_id=child)


def ended(number: int, minute: int = 0, status: ExecutionStatus = ExecutionStatus.FAILED) -> Execution:
    """Return an execution that did not succeed."""
    return replace(running(number), status=status, ended_at=NOW + timedelta(minutes=minute))


def test_the_oldest_running_execution_counts() -> None:
    """Each workflow that is registered has an age, 0 without an execution."""
    found = workflows(["build", "idle"], [running(3, seconds=5)], [running(1, task(), seconds=700), None], NOW, AFTER)
    assert found == {"build": Workflow(running_seconds=700), "idle": Workflow()}


def test_a_person_is_waited_for_without_an_alarm() -> None:
    """An execution with an open HUMAN task has no age; nor has its parent, however far above."""
    gate = running(1, task("HUMAN"), seconds=9000)
    parent = running(2, task("SUB_WORKFLOW", child="e1"), seconds=9001)
    grandparent = running(3, task("SUB_WORKFLOW", child="e2"), name="release", seconds=9002)
    passed = running(4, task("HUMAN", TaskStatus.COMPLETED), task(), seconds=30)
    looked = [grandparent, parent, gate, passed]
    assert waiting_for_person(looked) == {"e1", "e2", "e3"}
    found = workflows([], [], looked, NOW, AFTER)
    assert found == {"build": Workflow(30, 2), "release": Workflow(0, 1)}


def test_what_has_nothing_to_do_is_forgotten() -> None:
    """RUNNING without an open task for a minute: the server has lost sight of it."""
    found = workflows([], [], [running(1, task(status=TaskStatus.COMPLETED), seconds=61)], NOW, AFTER)
    assert found["build"].forgotten == 1


def test_a_failure_is_counted_once() -> None:
    """What had failed before is the baseline; a later failure counts, and again if the execution fails again."""
    failures = Failures().after([ended(1)])
    assert failures.counts.total() == 0
    failures = failures.after([ended(1), ended(2)]).after([ended(1), ended(2), ended(3, 0, ExecutionStatus.TIMED_OUT)])
    assert failures.counts == {("build", "FAILED"): 1, ("build", "TIMED_OUT"): 1}
    assert failures.after([ended(2, 5)]).counts["build", "FAILED"] == 2


@given(st.lists(st.sets(st.integers(0, 9)), min_size=1, max_size=6))
def test_a_count_never_falls(looks: list[set[int]]) -> None:
    """Whatever a search finds or misses, a counter only grows, and never by more than was found."""
    failures, before = Failures(), 0
    for look in looks:
        failures = failures.after([ended(number) for number in look])
        assert before <= failures.counts.total() <= before + len(look)
        before = failures.counts.total()


def test_workers_that_ask_or_work_serve_a_task_type() -> None:
    """Each worker counts once; one that asked long ago does not, unless it has a task in progress."""
    soon, late = NOW - timedelta(seconds=30), NOW - timedelta(seconds=90)
    polls = [
        *(PollData("compile", "w2", None, soon), PollData("compile", "w2", "site", soon)),
        *(PollData("notify", "w2", None, late), PollData("unknown", "w2", None, soon)),
    ]
    assert pollers(["compile", "notify"], polls, [running(1, task())], NOW) == {"compile": 2, "notify": 0}
    assert pollers(["compile"], [], [None, running(1, task(status=TaskStatus.SCHEDULED))], NOW) == {"compile": 0}


@pytest.fixture
def conductor(conductor_url: str) -> Iterator[Conductor]:
    """A client of the session's Conductor."""
    with Conductor(conductor_url, Timings(follow=0.1), owner="tests") as client:
        yield client


@pytest.fixture
def watch(settings: Settings, conductor_url: str) -> ConductorWatch:
    """A watch of the session's Conductor, which looks when it is told to."""
    return ConductorWatch(settings.model_copy(update={"conductor_server_url": conductor_url, "timings_scale": 0.2}))


def test_a_real_server_is_read(watch: ConductorWatch, conductor: Conductor, conductor_database: Path) -> None:
    """Running, waiting, forgotten and failed executions of a real server are seen; each registered name is there."""
    name = unique("exported")
    conductor.put_task_definitions([a_task(name)])
    conductor.put_workflow_definition(a_workflow(a_use(name, "first"), a_use(name, "second"), name=name))
    conductor.put_workflow_definition(a_workflow(a_use("ask", "ask", type="HUMAN"), name=f"{name}-gate"))
    watch.look()
    assert watch.up
    assert watch.fresh is not None
    assert watch.fresh.workflows[name] == watch.fresh.workflows[f"{name}-gate"] == Workflow()
    assert watch.fresh.pollers[name] == 0
    lost, gate, failed = conductor.start(name, {}), conductor.start(f"{name}-gate", {}), conductor.start(name, {})
    forget(conductor_database, conductor.execution(lost))
    conductor.terminate(failed, "test")
    deadline = time.monotonic() + 20
    while not (watch.failures.counts[name, "TERMINATED"] and watch.fresh.workflows[f"{name}-gate"].waiting):
        assert time.monotonic() < deadline
        watch.look()
    assert watch.fresh.workflows[name].forgotten == 1
    assert watch.fresh.workflows[name].running_seconds > 0
    assert watch.fresh.workflows[f"{name}-gate"] == Workflow(0.0, 1, 0)
    for execution in (lost, gate):
        conductor.terminate(execution, "test")
    watch.look()
    assert watch.failures.counts[name, "TERMINATED"] <= 2


@pytest.mark.parametrize("kind", ["html", "nonsense", "list", "closes", "deep"])
def test_what_is_no_conductor_is_down(settings: Settings, kind: str) -> None:
    """Whatever answers at its address: it is down, and nothing is told of it."""
    with listening(ANSWERS[kind][0]) as port:
        url = f"http://127.0.0.1:{port}/api"
        watch = ConductorWatch(settings.model_copy(update={"conductor_server_url": url}))
        watch.look()
    assert not watch.up
    assert watch.fresh is None
