"""Interventions that end work or begin it again: planned, consented to, done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from k1nb.conductor._client import Conductor
from k1nb.conductor._execution_calls import begin_at
from k1nb.conductor._executions import Execution
from k1nb.errors import ConductorRefused, UsageError
from k1nb.plan import Plan, Step


class Verb(StrEnum):
    """What is done to an execution."""

    TERMINATE = "terminate"
    RESTART = "restart"
    RERUN = "rerun"


@dataclass(frozen=True, slots=True)
class Intervention:
    """What an operator wants done to executions."""

    verb: Verb
    reason: str = ""
    """Of a termination."""
    newest_definition: bool = False
    """Of a restart: not the version that they began with."""
    reference: str | None = None
    """Of a rerun: the task that it begins at."""
    input: Mapping[str, Any] | None = None
    """Of a rerun: what replaces the workflow's input."""

    def apply(self, conductor: Conductor, execution_id: str) -> None:
        """Do it to one execution; raises ConductorError."""
        if self.verb is Verb.TERMINATE:
            conductor.terminate(execution_id, self.reason)
        elif self.verb is Verb.RESTART:
            conductor.restart(execution_id, newest_definition=self.newest_definition)
        else:
            conductor.rerun(execution_id, reference=self.reference, input=self.input)


@dataclass(frozen=True, slots=True)
class Intervened:
    """What became of an intervention."""

    plan: Plan
    done: tuple[Execution, ...] = ()
    """As they are afterwards."""
    refused: Mapping[str, str] | None = None
    """By id, in the server's own words; None where nothing was applied."""

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome as JSON-able data."""
        return {
            "plan": self.plan.as_dict(),
            "applied": self.refused is not None,
            "done": [{"id": one.id, "name": one.name, "status": one.status.value} for one in self.done],
            "refused": dict(self.refused or {}),
        }


def plan_intervention(wanted: Intervention, executions: Sequence[Execution]) -> Plan:
    """Plan an intervention; what has ended need not be ended again.

    Raises UsageError where an execution cannot be begun again.
    """
    steps = []
    for execution in executions:
        if wanted.verb is Verb.TERMINATE:
            if execution.status.terminal:
                continue
        else:
            _require_ended(wanted, execution)
        if wanted.reference is not None:
            begin_at(execution, wanted.reference)
        subject = f"{execution.name} {execution.id}"
        steps.append(Step(wanted.verb.value, subject, _why(wanted, execution), destructive=True))
    facts = {execution.id: _facts(execution) for execution in executions}
    asked = {"newest_definition": wanted.newest_definition, "input": wanted.input and dict(wanted.input)}
    return Plan(f"{wanted.verb} executions", tuple(steps), {"executions": facts, **asked})


def intervene(
    conductor: Conductor,
    wanted: Intervention,
    ids: Sequence[str],
    *,
    consent: str = "",
    on_plan: Callable[[Plan], None] | None = None,
) -> Intervened:
    """Look at the executions, plan, and with consent to this very plan do it; without any, only plan.

    Raises ConsentError where the consent is to another plan, UsageError as `plan_intervention` does, ConductorError.
    """
    executions = {one: conductor.execution(one) for one in dict.fromkeys(ids)}
    plan = plan_intervention(wanted, list(executions.values()))
    if on_plan is not None:
        on_plan(plan)
    if not consent or not plan.steps:
        return Intervened(plan)
    plan.require(consent)
    planned = [one for one in executions if any(step.subject.endswith(one) for step in plan.steps)]
    done, refused = [], {}
    for one in planned:
        try:
            wanted.apply(conductor, one)
        except ConductorRefused as error:
            refused[one] = error.message
        else:
            done.append(conductor.execution(one))
    return Intervened(plan, tuple(done), refused)


def _require_ended(wanted: Intervention, execution: Execution) -> None:
    if not execution.status.terminal:
        raise UsageError(
            f"{execution.name} {execution.id} is {execution.status}: a {wanted.verb} wants one that has ended",
            hint=f"wait for it, or end it with `k1nb executions terminate {execution.id}`",
        )


def _why(wanted: Intervention, execution: Execution) -> str:
    state = ", ".join([f"it is {execution.status}", *_open(execution)])
    if wanted.verb is Verb.TERMINATE:
        return f"{state}; reason: {wanted.reason}"
    done = sum(task.status.successful for task in execution.tasks)
    where = f"at {wanted.reference}" if wanted.reference else "at its first task"
    return f"{state}; it begins again {where}, {done} tasks were done"


def _facts(execution: Execution) -> list[str]:
    """Say how an execution stands; the moments tell it from itself, begun again and ended the same way."""
    moments = [str(execution.started_at), str(execution.ended_at)]
    return [execution.status.value, *moments, *_open(execution)]


def _open(execution: Execution) -> list[str]:
    """Say at what an execution is, which is what it would be cut at."""
    return [f"{task.reference} {task.status}" for task in execution.tasks if not task.status.terminal]
