"""What changes in an execution and in those of its sub-workflows, one task at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from k1nb.conductor._client import Conductor
from k1nb.conductor._execution_calls import OnSilence
from k1nb.conductor._executions import Execution, Task, TaskStatus
from k1nb.errors import ConductorNotFound, ConductorUnreachable
from k1nb.timings import Timings


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is not as it was at the last look."""

    execution: Execution
    """What it belongs to, as it is now."""
    depth: int
    """How many sub-workflows down."""
    task: Task | None
    """None where the followed execution itself has changed."""

    @property
    def at(self) -> datetime | None:
        """When it happened, by the server's clock."""
        if self.task is None:
            return self.execution.ended_at or self.execution.updated_at or self.execution.started_at
        task = self.task
        if task.status is TaskStatus.SCHEDULED:
            return task.scheduled_at
        return (task.ended_at if task.status.terminal else task.started_at) or task.updated_at

    def as_dict(self) -> dict[str, Any]:
        """Return the change as JSON-able data."""
        task = self.task
        about = task or self.execution
        return {
            "at": self.at.isoformat(timespec="milliseconds") if self.at else None,
            "execution": self.execution.id,
            "workflow": self.execution.name,
            "depth": self.depth,
            "task": task.reference if task else None,
            "status": about.status.value,
            "attempt": task.retry_count + 1 if task else None,
            "reason": about.wrapped_reason or about.reason,
        }


def watch(
    conductor: Conductor,
    execution_id: str,
    *,
    timings: Timings | None = None,
    on_silence: OnSilence | None = None,
) -> Iterator[Change]:
    """Yield each change of a task, sub-workflows' included, and of the execution itself, until it is terminal.

    What is so at the first look counts as changed; the execution's own change comes after its tasks'. Raises as
    `Conductor.follow` does, and tells `on_silence` as it does.
    """
    seen: dict[str, object] = {}
    for execution in conductor.follow(execution_id, timings=timings, every_look=True, on_silence=on_silence):
        for found, depth in _tree(conductor, execution, seen):
            for task in found.tasks:
                if seen.get(task.id) != (task.status, task.worker_id):
                    seen[task.id] = task.status, task.worker_id
                    yield Change(found, depth, task)
        if seen.get(execution.id) != execution.status:
            seen[execution.id] = execution.status
            yield Change(execution, 0, None)


def _tree(
    conductor: Conductor, execution: Execution, seen: dict[str, object], depth: int = 0
) -> Iterator[tuple[Execution, int]]:
    """Yield an execution and those of its sub-workflows, but for children that were seen to end."""
    yield execution, depth
    for task in execution.tasks:
        if not task.child_id or seen.get(task.child_id) == "ended":
            continue
        with suppress(ConductorUnreachable, ConductorNotFound):  # the next look may have it
            child = conductor.execution(task.child_id)
            yield from _tree(conductor, child, seen, depth + 1)
            if child.status.terminal:
                seen[child.id] = "ended"
