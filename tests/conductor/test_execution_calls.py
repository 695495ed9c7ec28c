"""Interventions in single executions, on a real Conductor server."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from k1nb.conductor import Conductor, ExecutionStatus, TaskStatus
from k1nb.errors import ConductorNotFound, ConductorRefused, UsageError
from tests.conductor.builders import a_child, a_task, a_use, a_workflow, unique
from tests.conductor.hand import Answer, Hand

DONE: Answer = ("COMPLETED", {})
FAILED: Answer = ("FAILED", {})
NOBODY = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def workflow(conductor: Conductor) -> str:
    """The name of a fresh workflow of the steps `one` and `two`, which take its input `repo`."""
    name = unique("steps-")
    tasks = [name.replace("-", "_") + number for number in "12"]
    conductor.put_task_definitions([a_task(task, retryCount=0) for task in tasks])
    given = {"inputParameters": {"repo": "${workflow.input.repo}"}}
    uses = a_use(tasks[0], "one", **given), a_use(tasks[1], "two", **given)
    conductor.put_workflow_definition(a_workflow(*uses, name=name))
    return name


def _attempts(conductor: Conductor, execution_id: str) -> list[tuple[str, TaskStatus]]:
    return [(task.reference, task.status) for task in conductor.execution(execution_id).tasks]


def test_a_paused_execution_begins_nothing_new(conductor: Conductor, workflow: str, hand: Hand) -> None:
    """While it is paused a finished task has no successor; resumed, it goes on to its end."""
    execution = conductor.start(workflow, {})
    conductor.pause(execution)
    (one,) = conductor.execution(execution).tasks
    hand.answer(execution, one.id, DONE)
    assert _attempts(conductor, execution) == [("one", TaskStatus.COMPLETED)]
    assert conductor.execution(execution).status is ExecutionStatus.PAUSED
    conductor.resume(execution)
    assert hand.finish(execution, {"two": DONE})["status"] == "COMPLETED"


def test_an_execution_goes_to_a_task_domain(conductor: Conductor, workflow: str) -> None:
    """Its tasks wait in the domain's queue, and in none that workers without a domain poll."""
    execution = conductor.start(workflow, {}, domain="north")
    task = conductor.execution(execution).tasks[0].type
    sizes = conductor.queue_sizes()
    assert {queue: size for queue, size in sizes.items() if task in queue} == {f"north:{task}": 1}
    conductor.terminate(execution, "the test is over")


def test_an_ended_execution_is_restarted(conductor: Conductor, workflow: str, hand: Hand) -> None:
    """A restart begins again from the first task, under the same id and with the same input."""
    execution = conductor.start(workflow, {"repo": "K1.node1"})
    hand.finish(execution, {"one": DONE, "two": DONE})
    conductor.restart(execution)
    begun = conductor.execution(execution)
    assert (begun.status, begun.input) == (ExecutionStatus.RUNNING, {"repo": "K1.node1"})
    assert _attempts(conductor, execution) == [("one", TaskStatus.SCHEDULED)]


def test_a_restart_may_take_the_newest_definition(conductor: Conductor, workflow: str, hand: Hand) -> None:
    """Without a word the restarted execution runs its own version; asked for, the newest."""
    execution = conductor.start(workflow, {})
    hand.finish(execution, {"one": DONE, "two": DONE})
    task = workflow.replace("-", "_") + "1"
    conductor.put_workflow_definition(a_workflow(a_use(task, "only"), name=workflow, version=2))
    conductor.restart(execution)
    hand.finish(execution, {"one": DONE, "two": DONE})
    conductor.restart(execution, newest_definition=True)
    hand.finish(execution, {"only": DONE})
    assert (conductor.execution(execution).version, len(conductor.execution(execution).tasks)) == (2, 1)


def test_a_rerun_begins_at_a_task(conductor: Conductor, workflow: str, hand: Hand) -> None:
    """A rerun keeps what was done before the task, and gives the task the input that was asked for."""
    execution = conductor.start(workflow, {"repo": "K1.node1"})
    hand.finish(execution, {"one": ("COMPLETED", {"kept": True}), "two": DONE})
    conductor.rerun(execution, reference="two", task_input={"repo": "other"})
    one, two = conductor.execution(execution).tasks
    assert (one.status, one.output["kept"]) == (TaskStatus.COMPLETED, True)
    assert (two.status, two.input["repo"]) == (TaskStatus.SCHEDULED, "other")
    assert hand.finish(execution, {"two": DONE})["status"] == "COMPLETED"


def test_a_rerun_from_the_start_may_change_the_input(conductor: Conductor, workflow: str, hand: Hand) -> None:
    """Without a task a rerun begins at the first one, with the input that was asked for."""
    execution = conductor.start(workflow, {"repo": "K1.node1"})
    hand.finish(execution, {"one": DONE, "two": FAILED})
    conductor.rerun(execution, input={"repo": "other"})
    begun = conductor.execution(execution)
    assert begun.input == {"repo": "other"}
    assert _attempts(conductor, execution) == [("one", TaskStatus.SCHEDULED)]


def test_a_rerun_never_begins_earlier_failures_again(conductor: Conductor, workflow: str, hand: Hand) -> None:
    """Where a failed attempt comes before the task a rerun is refused, for the server would begin it again."""
    execution = conductor.start(workflow, {})
    hand.finish(execution, {"one": FAILED})
    conductor.retry(execution)
    hand.finish(execution, {"one": DONE, "two": FAILED})
    before = _attempts(conductor, execution)
    with pytest.raises(UsageError, match="begin one again") as error:
        conductor.rerun(execution, reference="two")
    assert "retry" in (error.value.hint or "")
    assert _attempts(conductor, execution) == before


def test_the_server_does_begin_earlier_failures_again(conductor: Conductor, workflow: str, hand: Hand) -> None:
    """Asked itself, Conductor schedules the failed attempt anew beside the task, which is what we refuse it for."""
    execution = conductor.start(workflow, {})
    hand.finish(execution, {"one": FAILED})
    conductor.retry(execution)
    hand.finish(execution, {"one": DONE, "two": FAILED})
    two = conductor.execution(execution).tasks[-1]
    conductor._call("rerun", id=execution, json={"reRunFromTaskId": two.id})
    scheduled = [reference for reference, status in _attempts(conductor, execution) if status == TaskStatus.SCHEDULED]
    assert scheduled == ["one", "two"]
    conductor.terminate(execution, "enough")


def test_a_rerun_from_nowhere_is_refused(conductor: Conductor, workflow: str, hand: Hand) -> None:
    """A task that the execution has not come to is named, with those that it has."""
    execution = conductor.start(workflow, {})
    hand.finish(execution, {"one": FAILED})
    with pytest.raises(UsageError, match="two") as error:
        conductor.rerun(execution, reference="two")
    assert "one" in (error.value.hint or "")


def test_a_task_that_is_ahead_is_skipped(conductor: Conductor, workflow: str, hand: Hand) -> None:
    """A running execution passes a task by that it has not come to; the task has no output."""
    execution = conductor.start(workflow, {})
    conductor.skip(execution, "two")
    assert hand.finish(execution, {"one": DONE})["status"] == "COMPLETED"
    (two,) = [task for task in conductor.execution(execution).tasks if task.reference == "two"]
    assert (two.status, two.output) == (TaskStatus.SKIPPED, {})


def test_a_retry_goes_on_inside_a_child(conductor: Conductor, workflow: str, hand: Hand) -> None:
    """Where a sub-workflow failed, the retry continues that very child from its failed task."""
    parent = unique("parent-")
    conductor.put_workflow_definition(a_workflow(a_child(workflow), name=parent))
    execution = conductor.start(parent, {})
    hand.finish(execution, {"one": DONE, "two": FAILED})
    (child,) = conductor.children(conductor.execution(execution))
    conductor.retry(execution)
    hand.finish(execution, {"two": DONE})
    assert _attempts(conductor, child.id) == [
        ("one", TaskStatus.COMPLETED),
        ("two", TaskStatus.FAILED),
        ("two", TaskStatus.COMPLETED),
    ]


def test_children_that_are_gone_are_left_out(conductor: Conductor, workflow: str) -> None:
    """Of two children one of which was removed the other is found."""
    parent = unique("parent-")
    both = [[a_child(workflow, "first")], [a_child(workflow, "second")]]
    fork = [a_use("fork", type="FORK_JOIN", forkTasks=both), a_use("join", type="JOIN", joinOn=["first", "second"])]
    conductor.put_workflow_definition(a_workflow(*fork, name=parent))
    execution = conductor.start(parent, {})
    deadline = time.monotonic() + 20
    while len(children := conductor.children(conductor.execution(execution))) < 2:
        assert time.monotonic() < deadline
    conductor.terminate(execution, "enough")
    conductor.remove(children[0].id)
    assert [child.id for child in conductor.children(conductor.execution(execution))] == [children[1].id]


def test_a_removed_execution_is_gone(conductor: Conductor, workflow: str) -> None:
    """After its removal nothing is known of an execution."""
    execution = conductor.start(workflow, {})
    conductor.terminate(execution, "enough")
    conductor.remove(execution)
    with pytest.raises(ConductorNotFound):
        conductor.execution(execution)


@pytest.mark.parametrize(
    "intervene",
    [Conductor.resume, Conductor.retry, Conductor.restart, Conductor.rerun, lambda c, e: c.skip(e, "one")],
    ids=["resume", "retry", "restart", "rerun", "skip"],
)
def test_what_does_not_fit_a_running_execution_is_refused(
    conductor: Conductor, workflow: str, intervene: Callable[[Conductor, str], None]
) -> None:
    """A running execution cannot be begun again, resumed or have its current task skipped, and that is no NotFound."""
    execution = conductor.start(workflow, {})
    with pytest.raises(ConductorRefused) as error:
        intervene(conductor, execution)
    assert not isinstance(error.value, ConductorNotFound)
    assert _attempts(conductor, execution) == [("one", TaskStatus.SCHEDULED)]


@pytest.mark.parametrize(
    "intervene",
    [
        Conductor.pause,
        Conductor.resume,
        Conductor.retry,
        Conductor.restart,
        Conductor.rerun,
        Conductor.decide,
        Conductor.remove,
        lambda c, e: c.skip(e, "one"),
        lambda c, e: c.rerun(e, reference="one"),
    ],
)
def test_an_execution_that_is_not_there_is_not_found(
    conductor: Conductor, intervene: Callable[[Conductor, str], None]
) -> None:
    """Every intervention in an unknown execution is a ConductorNotFound that names it."""
    with pytest.raises(ConductorNotFound, match=NOBODY):
        intervene(conductor, NOBODY)


def test_the_server_tells_its_version(conductor: Conductor) -> None:
    """The version is the pinned server's."""
    from k1nb.stack._jar import SERVER

    assert conductor.version() == SERVER.version


def test_search_believes_the_execution_and_not_the_index(
    conductor: Conductor, conductor_database: Path, workflow: str
) -> None:
    """An execution that the index calls RUNNING, as it may after a kill of the server, is not found as such."""
    ended, running = conductor.start(workflow, {}), conductor.start(workflow, {})
    conductor.terminate(ended, "enough")
    deadline = time.monotonic() + 20
    while not conductor.find(name=workflow, status=ExecutionStatus.TERMINATED):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    with closing(sqlite3.connect(conductor_database, timeout=30)) as database, database:
        database.execute("UPDATE workflow_index SET status = 'RUNNING' WHERE workflow_id = ?", (ended,))
    for status in (ExecutionStatus.RUNNING, {ExecutionStatus.RUNNING, ExecutionStatus.PAUSED}):
        assert [execution.id for execution in conductor.find(name=workflow, status=status)] == [running]


def test_search_reads_on_beyond_a_page(conductor: Conductor, workflow: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """More executions than the server gives at once are all found, each once."""
    monkeypatch.setattr("k1nb.conductor._execution_calls.LARGEST_PAGE", 2)
    started = {conductor.start(workflow, {}) for _ in range(5)}
    for _ in range(200):
        found = [execution.id for execution in conductor.find(name=workflow)]
        if len(found) == len(started):
            break
    assert set(found) == started
    assert len(conductor.find(name=workflow, size=3)) == 3
    oldest = conductor.find(name=workflow, oldest_first=True)
    assert [execution.id for execution in oldest] == found[::-1]
