"""Executions and their tasks, as the server tells of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from k1nb.conductor._reason import innermost


class ExecutionStatus(StrEnum):
    """How a workflow execution stands."""

    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"
    TERMINATED = "TERMINATED"
    PAUSED = "PAUSED"

    @property
    def terminal(self) -> bool:
        """Tell whether nothing more will happen by itself."""
        return self not in (ExecutionStatus.RUNNING, ExecutionStatus.PAUSED)


class TaskStatus(StrEnum):
    """How a task of an execution stands."""

    SCHEDULED = "SCHEDULED"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    COMPLETED_WITH_ERRORS = "COMPLETED_WITH_ERRORS"
    """Failed for good, but optional: the workflow goes on."""
    FAILED = "FAILED"
    FAILED_WITH_TERMINAL_ERROR = "FAILED_WITH_TERMINAL_ERROR"
    TIMED_OUT = "TIMED_OUT"
    CANCELED = "CANCELED"
    SKIPPED = "SKIPPED"

    @property
    def terminal(self) -> bool:
        """Tell whether this attempt is over."""
        return self not in (TaskStatus.SCHEDULED, TaskStatus.IN_PROGRESS)

    @property
    def successful(self) -> bool:
        """Tell whether the task did its duty; one that is COMPLETED_WITH_ERRORS did not."""
        return self in (TaskStatus.COMPLETED, TaskStatus.SKIPPED)


@dataclass(frozen=True, slots=True)
class Task:
    """One attempt at one task of an execution."""

    id: str
    reference: str
    """Name of the task within its workflow."""
    type: str
    """Name of the task definition."""
    kind: str
    """What Conductor makes of it: SIMPLE, SWITCH, SUB_WORKFLOW, TERMINATE …"""
    status: TaskStatus
    input: Mapping[str, Any] = field(default_factory=dict)
    output: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    """Why it failed, without what the server wraps around it."""
    wrapped_reason: str = ""
    """The same in the server's own words, where those are more."""
    scheduled_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    updated_at: datetime | None = None
    retry_count: int = 0
    """0 for the first attempt."""
    poll_count: int = 0
    """How often it was handed to a worker within this attempt."""
    worker_id: str = ""
    child_id: str | None = None
    """The execution that a SUB_WORKFLOW task started."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Task:
        """Read the server's JSON; raises KeyError, TypeError or ValueError where it is no task."""
        kind = (data.get("workflowTask") or {}).get("type") or data["taskType"]
        output = data.get("outputData") or {}
        return cls(
            id=data["taskId"],
            reference=data["referenceTaskName"],
            type=data.get("taskDefName") or data["taskType"],
            kind=kind,
            status=TaskStatus(data["status"]),
            input=data.get("inputData") or {},
            output=output,
            **_reasons(data),
            scheduled_at=moment(data.get("scheduledTime")),
            started_at=moment(data.get("startTime")),
            ended_at=moment(data.get("endTime")),
            updated_at=moment(data.get("updateTime")),
            retry_count=data.get("retryCount", 0),
            poll_count=data.get("pollCount", 0),
            worker_id=data.get("workerId") or "",
            child_id=(data.get("subWorkflowId") or output.get("subWorkflowId") if kind == "SUB_WORKFLOW" else None),
        )

    @property
    def seconds(self) -> float | None:
        """Seconds from start to end, or until now; None where it has not started."""
        return _span(self.started_at, self.ended_at)

    def as_dict(self) -> dict[str, Any]:
        """Return the task as JSON-able data."""
        return {
            "id": self.id,
            "reference": self.reference,
            "type": self.type,
            "kind": self.kind,
            "status": self.status.value,
            "input": dict(self.input),
            "output": dict(self.output),
            "reason": self.wrapped_reason or self.reason,
            "scheduled_at": _text(self.scheduled_at),
            "started_at": _text(self.started_at),
            "ended_at": _text(self.ended_at),
            "retry_count": self.retry_count,
            "worker_id": self.worker_id,
            "child_id": self.child_id,
        }


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution of a workflow; `tasks` is in the order in which they were scheduled, retries included."""

    id: str
    name: str
    version: int
    status: ExecutionStatus
    correlation_id: str = ""
    """The natural key of the intent it was started for; children and failure handlers inherit it."""
    input: Mapping[str, Any] = field(default_factory=dict)
    output: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    """Why it failed, without what the server wraps around it."""
    wrapped_reason: str = ""
    """The same in the server's own words, where those are more."""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    updated_at: datetime | None = None
    parent_id: str | None = None
    tasks: tuple[Task, ...] = ()

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Execution:
        """Read the server's JSON; raises KeyError, TypeError or ValueError where it is no execution."""
        tasks = sorted(data.get("tasks") or [], key=lambda task: task.get("seq", 0))
        return cls(
            id=data["workflowId"],
            name=data.get("workflowName") or data["workflowType"],
            version=data.get("workflowVersion") or data.get("version") or 1,
            status=ExecutionStatus(data["status"]),
            correlation_id=data.get("correlationId") or "",
            input=data.get("input") or {},
            output=data.get("output") or {},
            **_reasons(data),
            started_at=moment(data.get("startTime") or data.get("createTime")),
            ended_at=moment(data.get("endTime")),
            updated_at=moment(data.get("updateTime")),
            parent_id=data.get("parentWorkflowId"),
            tasks=tuple(Task.from_json(task) for task in tasks),
        )

    @property
    def seconds(self) -> float | None:
        """Seconds from start to end, or until now; None where it has not started."""
        return _span(self.started_at, self.ended_at)

    @property
    def state(self) -> tuple[object, ...]:
        """What tells two looks at the same execution apart."""
        return (self.status, *((task.id, task.status, task.worker_id) for task in self.tasks))

    def as_dict(self) -> dict[str, Any]:
        """Return the execution as JSON-able data."""
        return {
            "id": self.id,
            "name": self.name,
            "version": self.version,
            "status": self.status.value,
            "correlation_id": self.correlation_id,
            "input": dict(self.input),
            "output": dict(self.output),
            "reason": self.wrapped_reason or self.reason,
            "started_at": _text(self.started_at),
            "ended_at": _text(self.ended_at),
            "seconds": self.seconds,
            "parent_id": self.parent_id,
            "tasks": [task.as_dict() for task in self.tasks],
        }


def moment(milliseconds: int | None) -> datetime | None:
    """Return the time that Conductor gives in milliseconds since 1970; 0 and null are no time."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None


def _reasons(data: Mapping[str, Any]) -> dict[str, str]:
    said = data.get("reasonForIncompletion") or ""
    reason = innermost(said)
    return {"reason": reason, "wrapped_reason": said if said != reason else ""}


def _span(start: datetime | None, end: datetime | None) -> float | None:
    return ((end or datetime.now(UTC)) - start).total_seconds() if start else None


def _text(at: datetime | None) -> str | None:
    return at.isoformat(timespec="milliseconds") if at else None
