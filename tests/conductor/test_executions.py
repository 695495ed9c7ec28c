"""Executions and tasks as the server tells of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from k1nb.conductor import Execution, ExecutionStatus, Task, TaskStatus

TASK = {
    "taskId": "t1",
    "taskType": "SUB_WORKFLOW",
    "taskDefName": "deployment",
    "referenceTaskName": "deployment",
    "status": "COMPLETED_WITH_ERRORS",
    "workflowTask": {"type": "SUB_WORKFLOW"},
    "inputData": {"device": "demo"},
    "outputData": {"subWorkflowId": "e2"},
    "scheduledTime": 1_000,
    "startTime": 2_000,
    "endTime": 3_500,
    "retryCount": 1,
    "seq": 2,
}
EXECUTION = {
    "workflowId": "e1",
    "workflowName": "firmware-build",
    "workflowVersion": 3,
    "status": "FAILED",
    "startTime": 1_000,
    "endTime": 4_000,
    "tasks": [TASK, {**TASK, "taskId": "t0", "seq": 1}],
}


@pytest.mark.parametrize(
    ("status", "terminal"), [("RUNNING", False), ("PAUSED", False), ("COMPLETED", True), ("TIMED_OUT", True)]
)
def test_all_ends_are_known(status: str, terminal: bool) -> None:
    """An execution is over in every state but RUNNING and PAUSED."""
    assert ExecutionStatus(status).terminal is terminal


def test_errors_are_no_success() -> None:
    """A task that is COMPLETED_WITH_ERRORS is over, and did not do its duty."""
    assert TaskStatus.COMPLETED_WITH_ERRORS.terminal
    assert not TaskStatus.COMPLETED_WITH_ERRORS.successful
    assert TaskStatus.COMPLETED.successful


def test_an_execution_reads_its_tasks_in_order() -> None:
    """Tasks come in the order in which they were scheduled, with times, and the child of a sub-workflow."""
    execution = Execution.from_json(EXECUTION)
    assert [task.id for task in execution.tasks] == ["t0", "t1"]
    task = execution.tasks[1]
    assert (task.child_id, task.kind, task.retry_count, task.seconds) == ("e2", "SUB_WORKFLOW", 1, 1.5)
    assert execution.started_at == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert (execution.version, execution.seconds) == (3, 3.0)


def test_what_has_not_happened_is_none() -> None:
    """Zero and missing times are no times."""
    task = Task.from_json({**TASK, "startTime": 0, "endTime": 0, "status": "SCHEDULED"})
    assert (task.started_at, task.ended_at, task.seconds) == (None, None, None)


def test_an_execution_is_json() -> None:
    """An execution can be written as JSON, its tasks included."""
    data = json.loads(json.dumps(Execution.from_json(EXECUTION).as_dict()))
    assert data["tasks"][1]["output"] == {"subWorkflowId": "e2"}
    assert data["started_at"] == "1970-01-01T00:00:01.000+00:00"


@pytest.mark.parametrize("change", [{"workflowId": None}, {"status": "DANCING"}, {"tasks": [{"taskId": "x"}]}])
def test_nonsense_is_refused(change: dict[str, object]) -> None:
    """What is no execution raises, whatever it looks like."""
    data = {key: value for key, value in {**EXECUTION, **change}.items() if value is not None}
    with pytest.raises((KeyError, TypeError, ValueError)):
        Execution.from_json(data)
