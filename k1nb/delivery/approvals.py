"""Answers to the gates that executions wait at: who said yes or no, why, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from k1nb.conductor import Conductor, Gate, gated_executions, gates_of, waiting_gates
from k1nb.config import Settings
from k1nb.delivery._consent import who
from k1nb.errors import ConductorNotFound, ConsentError, UsageError
from k1nb.plan import Plan, Step

TIMEOUT_BY = "time limit"
"""Who answers a gate that nobody answered in time."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What was asked, and the answer that the server has kept; `output` is empty where nothing was answered."""

    gate: Gate
    plan: Plan
    output: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Return the answer as JSON-able data."""
        return {
            "execution": self.gate.execution.id,
            "workflow": self.gate.execution.name,
            "reference": self.gate.task.reference,
            "question": self.gate.question,
            "plan": self.plan.as_dict(),
            "answered": bool(self.output),
            "approved": self.output.get("approved") is True if self.output else None,
            "by": self.output.get("by"),
            "why": self.output.get("why"),
        }


def waiting(settings: Settings, conductor: Conductor) -> list[dict[str, Any]]:
    """Return the gates that wait, as JSON-able data, the oldest first; raises ConductorError."""
    return [_as_dict(gate, settings.approval_seconds) for gate in waiting_gates(conductor)]


def _as_dict(gate: Gate, at_most: float) -> dict[str, Any]:
    until = gate.until(at_most)
    return {
        "execution": gate.execution.id,
        "workflow": gate.execution.name,
        "reference": gate.task.reference,
        "asked_at": gate.asked_at.isoformat(timespec="seconds") if gate.asked_at else None,
        "until": until.isoformat(timespec="seconds") if until else None,
        "overdue": gate.overdue(at_most),
        "question": gate.question,
    }


def find_gate(conductor: Conductor, execution_id: str) -> Gate:
    """Return the gate that an execution, or one that it started, waits at; raises UsageError without one."""
    execution = conductor.execution(execution_id)
    family = [execution, *conductor.children(execution)]
    gates = [gate for one in family for gate in gates_of(one) if not gate.task.status.terminal]
    if not gates:
        state = "is still RUNNING and has not come to one" if not execution.status.terminal else "has ended"
        hint = "`k1nb approvals list` shows those that wait"
        raise UsageError(f"{execution.name} {execution_id} waits for no approval: it {state}", hint=hint)
    return gates[0]


def plan_approval(gate: Gate) -> Plan:
    """Plan to let an execution go on; what it is about is the plan's precondition, so that another is another plan."""
    purpose = f"approval of {gate.execution.name} {gate.execution.id}"
    asked = {name: value for name, value in gate.question.items() if isinstance(value, str | int | float)}
    if isinstance(tests := gate.question.get("tests"), list):
        good = sum(isinstance(one, dict) and one.get("status") == "OK" for one in tests)
        asked["tests"] = f"{good} of {len(tests)} checks are OK"
    subject = str(asked.get("device") or gate.task.reference)
    text = f"release {asked.get('release_version') or 'without a name'} goes onto it once this is approved"
    return Plan(purpose, (Step("approve", subject, text, destructive=True),), {**asked, "task": gate.task.id})


def approve(settings: Settings, conductor: Conductor, gate: Gate, *, consent: str = "", why: str = "") -> Answered:
    """Answer a gate with yes, with consent to its plan; without any nothing is answered.

    Raises ConsentError where the consent is to another plan or the gate's time is over, and as `_answer` does.
    """
    plan = plan_approval(gate)
    if not consent:
        return Answered(gate, plan, {})
    plan.require(consent)
    if gate.overdue(_at_most(settings, gate)):
        raise ConsentError(
            f"{gate.execution.name} {gate.execution.id} has waited too long, since {gate.asked_at:%Y-%m-%d %H:%M:%S}"
            " UTC: nobody may approve it any more",
            hint="start it anew; it was not to wait longer than its limit",
        )
    return _answer(conductor, gate, plan, approved=True, by=who(), why=why)


def reject(conductor: Conductor, gate: Gate, *, why: str) -> Answered:
    """Answer a gate with no; raises as `_answer` does."""
    return _answer(conductor, gate, plan_approval(gate), approved=False, by=who(), why=why)


def close_overdue(settings: Settings, conductor: Conductor) -> list[Answered]:
    """Answer every gate whose time is over with no, and return those; raises ConductorError."""
    closed = []
    for gate in waiting_gates(conductor):
        if gate.overdue(_at_most(settings, gate)):
            why = f"nobody answered by {gate.until(_at_most(settings, gate)):%Y-%m-%d %H:%M:%S} UTC"
            with suppress(ConsentError):  # somebody was faster, or it was ended
                closed.append(_answer(conductor, gate, plan_approval(gate), approved=False, by=TIMEOUT_BY, why=why))
    return closed


def _at_most(settings: Settings, gate: Gate) -> float:
    """Return the setting's limit of a release's gate; that of a rollout is its own alone."""
    if "rollout" in gate.question and gate.limit is not None:
        return gate.limit.total_seconds()
    return settings.approval_seconds


def any_gated(conductor: Conductor) -> bool:
    """Tell whether an execution runs that waits at a gate or may come to one; this does not lag."""
    return any(True for _ in gated_executions(conductor))


def _answer(conductor: Conductor, gate: Gate, plan: Plan, *, approved: bool, by: str, why: str) -> Answered:
    """Answer and read back what the server has kept; raises ConsentError where somebody else was faster."""
    output = {"approved": approved, "by": by, "why": why, "at": datetime.now(UTC).isoformat(timespec="seconds")}
    with suppress(ConductorNotFound):  # it was answered before; what is kept tells
        conductor.answer(gate.execution.id, gate.task.reference, output)
    kept = _kept(gates_of(conductor.execution(gate.execution.id)), gate)
    if {name: kept.get(name) for name in output} != output:
        raise ConsentError(
            f"the gate {gate.task.reference} of {gate.execution.id} was answered by {kept.get('by') or 'another one'}"
            f" before: approved is {kept.get('approved')}",
            hint=f"k1nb executions show {gate.execution.id}",
        )
    return Answered(gate, plan, output)


def _kept(gates: Sequence[Gate], gate: Gate) -> dict[str, Any]:
    return next((dict(one.task.output) for one in gates if one.task.id == gate.task.id), {})
