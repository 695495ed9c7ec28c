"""Gates: who waits for a person, since when, and until when, on a real server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from k1nb.conductor import (
    Conductor,
    Execution,
    ExecutionStatus,
    Gate,
    Task,
    TaskStatus,
    gates_of,
    lineage,
    waiting_gates,
)
from k1nb.errors import ConductorNotFound
from tests.conductor.builders import a_child, a_use, a_workflow, defined, unique
from tests.conductor.hand import forget

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def names() -> tuple[str, str]:
    """Names of a workflow with a gate, and of one that starts it."""
    return unique("gated-"), unique("outer-")


@pytest.fixture
def waiting(conductor: Conductor, names: tuple[str, str]) -> Iterator[str]:
    """Start the outer workflow and return its id; what it started waits at its gate."""
    asks = {"wait_seconds": 60, "device": "wall"}
    gated = a_workflow(a_use("gate", type="HUMAN", inputParameters=asks), name=names[0])
    gated["outputParameters"] = {"approved": "${gate.output.approved}"}
    outer = a_workflow(a_child(names[0]), name=names[1])
    for workflow in (gated, outer):
        conductor.put_workflow_definition(workflow)
    yield conductor.start(names[1], {})
    forget(conductor.url, defined(gated, outer))


def found(conductor: Conductor, name: str) -> list[Gate]:
    """Wait until a gate of a workflow is seen, and return all of them."""
    deadline = time.monotonic() + 20
    while not (gates := [gate for gate in waiting_gates(conductor) if gate.execution.name == name]):
        assert time.monotonic() < deadline
    return gates


def test_a_gate_is_seen_answered_and_gone(conductor: Conductor, waiting: str, names: tuple[str, str]) -> None:
    """What waits is listed with its question and limit; an answer lets it go on, and a second one changes nothing."""
    (gate,) = found(conductor, names[0])
    assert (gate.question, gate.limit, gate.approved) == ({"device": "wall"}, timedelta(seconds=60), False)
    assert gate.asked_at is not None
    assert abs(datetime.now(UTC) - gate.asked_at) < timedelta(seconds=30)
    assert not gate.overdue(3600)
    assert gate.overdue(0)
    assert [one.id for one in lineage(conductor, gate.execution.id)] == [gate.execution.id, waiting]
    conductor.answer(gate.execution.id, "gate", {"approved": True, "by": "a"})
    answered = conductor.wait(gate.execution.id)
    assert (answered.status, answered.output["approved"]) == (ExecutionStatus.COMPLETED, True)
    assert [one.approved for one in gates_of(answered)] == [True]
    assert [one for one in waiting_gates(conductor) if one.execution.name == names[0]] == []
    with pytest.raises(ConductorNotFound):
        conductor.answer(gate.execution.id, "gate", {"approved": False, "by": "b"})
    assert conductor.execution(gate.execution.id).tasks[0].output["by"] == "a"


def test_a_task_that_is_not_there_cannot_be_answered(conductor: Conductor, waiting: str) -> None:
    """A reference that the execution does not have is refused."""
    with pytest.raises(ConductorNotFound):
        conductor.answer(waiting, "nothing", {"approved": True})


def a_gate(status: TaskStatus = TaskStatus.COMPLETED, seconds: object = 60, **output: Any) -> Gate:
    """Return a gate that was asked at NOW."""
    task = Task("t", "gate", "gate", "HUMAN", status, {"wait_seconds": seconds}, output, started_at=NOW)
    return Gate(Execution("e", "w", 1, ExecutionStatus.RUNNING, tasks=(task,)), task)


@pytest.mark.parametrize(
    ("answer", "approved"),
    [(True, True), ("true", True), ("True", False), (1, False), ("yes", False), (None, False), (["true"], False)],
)
def test_two_words_approve_and_no_others(answer: object, approved: bool) -> None:
    """As the SWITCH behind a gate reads it: true and the text `true`."""
    assert a_gate(approved=answer).approved is approved


@pytest.mark.parametrize("status", [TaskStatus.IN_PROGRESS, TaskStatus.SKIPPED, TaskStatus.CANCELED, TaskStatus.FAILED])
def test_only_an_answer_approves(status: TaskStatus) -> None:
    """A gate that is skipped, cancelled, failed or not answered yet approves nothing, whatever its output says."""
    assert not a_gate(status, approved=True).approved


@pytest.mark.parametrize(
    ("seconds", "at_most", "limit"), [(60, 3600, 60), (3600, 10, 10), (None, 100, 100), ("soon", 100, 100)]
)
def test_the_shorter_limit_holds(seconds: object, at_most: float, limit: float) -> None:
    """A gate waits as long as it says and never longer than the setting."""
    gate = a_gate(seconds=seconds)
    assert gate.until(at_most) == NOW + timedelta(seconds=limit)
    assert gate.overdue(at_most, NOW + timedelta(seconds=limit))
    assert not gate.overdue(at_most, NOW + timedelta(seconds=limit - 1))


def test_a_gate_that_was_never_begun_has_no_time() -> None:
    """Without a beginning nothing is over."""
    gate = a_gate()
    unbegun = replace(gate, task=replace(gate.task, started_at=None))
    assert (unbegun.until(1), unbegun.overdue(1)) == (None, False)
