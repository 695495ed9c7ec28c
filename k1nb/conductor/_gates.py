"""Gates: HUMAN tasks in which an execution waits for a person's answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from k1nb.conductor._client import Conductor
from k1nb.conductor._definitions import kind_of, walk
from k1nb.conductor._executions import Execution, Task, TaskStatus
from k1nb.conductor._path import HUMAN_LIMIT
from k1nb.errors import ConductorNotFound


@dataclass(frozen=True, slots=True)
class Gate:
    """One HUMAN task of an execution, waiting or answered."""

    execution: Execution
    task: Task

    @property
    def asked_at(self) -> datetime | None:
        """When it began to wait."""
        return self.task.started_at or self.task.scheduled_at

    @property
    def limit(self) -> timedelta | None:
        """How long it waits for its answer, as its definition says; None where it says nothing."""
        seconds = self.task.input.get(HUMAN_LIMIT)
        return timedelta(seconds=seconds) if isinstance(seconds, int | float) else None

    @property
    def approved(self) -> bool:
        """Tell whether it was answered with yes: `approved` is true or the text `true`, and nothing else is."""
        output = self.task.output.get("approved")
        return self.task.status is TaskStatus.COMPLETED and (output is True or output == "true")

    @property
    def question(self) -> dict[str, Any]:
        """What is asked: the task's input, without the limit."""
        return {name: value for name, value in self.task.input.items() if name != HUMAN_LIMIT}

    def until(self, at_most: float) -> datetime | None:
        """Return when its time is over, if no gate waits longer than `at_most` seconds; None before it waits."""
        limits = [timedelta(seconds=at_most), *([self.limit] if self.limit is not None else ())]
        return self.asked_at + min(limits) if self.asked_at else None

    def overdue(self, at_most: float, now: datetime | None = None) -> bool:
        """Tell whether its time is over."""
        until = self.until(at_most)
        return until is not None and (now or datetime.now(UTC)) >= until


def gates_of(execution: Execution) -> list[Gate]:
    """Return an execution's own gates, waiting and answered, in their order."""
    return [Gate(execution, task) for task in execution.tasks if task.kind == "HUMAN"]


def waiting_gates(conductor: Conductor) -> list[Gate]:
    """Return every gate that waits for its answer now, the oldest first; this does not lag. Raises ConductorError."""
    found = [gate for execution in gated_executions(conductor) for gate in gates_of(execution)]
    waiting = [gate for gate in found if not gate.task.status.terminal]
    return sorted(waiting, key=lambda gate: gate.asked_at or datetime.now(UTC))


def gated_executions(conductor: Conductor) -> Iterator[Execution]:
    """Yield every running execution whose definition on the server has a gate, whether it has come to it or not."""
    for workflow in conductor.workflow_definitions():
        if any(kind_of(use) == "HUMAN" for use in walk(workflow["tasks"])):
            for execution_id in conductor.running_ids(workflow["name"], workflow["version"]):
                try:
                    yield conductor.execution(execution_id)
                except ConductorNotFound:  # removed since the list was made
                    continue


def lineage(conductor: Conductor, execution_id: str) -> list[Execution]:
    """Return an execution and what it runs inside of, the outermost last; raises ConductorError.

    An execution that names a parent which did not start it as one of its tasks has none.
    """
    found = [conductor.execution(execution_id)]
    while found[-1].parent_id:
        parent = conductor.execution(found[-1].parent_id)
        if not any(task.child_id == found[-1].id for task in parent.tasks):
            break
        found.append(parent)
    return found
