"""What is known of a rollout: pure, from its deployments and from what its turns have noted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import TypeAdapter

from k1nb.conductor import Execution, ExecutionStatus
from k1nb.delivery.rollout._rollout import Rollout
from k1nb.device import Device
from k1nb.firmware import Outcome


class State(StrEnum):
    """Where a device of a rollout is; each is in exactly one."""

    WAITING = "waiting"
    """Its turn has not come."""
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    CURRENT = "current"
    """It ran the artifact already."""
    FAILED = "failed"
    PENDING = "pending"
    """Offline or locked when its turn came; it is tried again later."""
    SKIPPED = "skipped"
    NOT_REACHED = "not_reached"
    """The rollout ended before its turn came."""

    @property
    def good(self) -> bool:
        """Tell whether the device is proven to run the artifact."""
        return self in (State.SUCCEEDED, State.CURRENT)

    @property
    def result(self) -> bool:
        """Tell whether the gate counts the device."""
        return self.good or self is State.FAILED


class Decision(StrEnum):
    """What a wave's gate says."""

    GO_ON = "go_on"
    WAIT = "wait"
    HOLD = "hold"
    """Too little is known, and pending devices may still tell."""
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Seen:
    """How one device stands, and why."""

    state: State
    reason: str = ""
    outcome: str = ""
    """As the deployment gave it; empty where there was none."""
    grade: str = ""
    execution_id: str | None = None
    began_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Gate:
    """What was decided on a wave, and from how many results."""

    wave: int
    decision: Decision
    results: int
    reasons: tuple[str, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class Notes:
    """What the turns of a rollout have found out beside its deployments; by MAC."""

    pending: Mapping[str, str] = field(default_factory=dict)
    """Why a device was passed over; of one pass, the next one tries again."""
    skipped: Mapping[str, str] = field(default_factory=dict)
    lost: Mapping[str, str] = field(default_factory=dict)
    """What was wrong with a deployed device at the end of its wave's soak."""
    gates: tuple[Gate, ...] = ()
    approvals: Mapping[int, bool] = field(default_factory=dict)
    """What a person said to a wave."""

    def as_dict(self) -> dict[str, Any]:
        """Return the notes as JSON-able data."""
        found: dict[str, Any] = _NOTES.dump_python(self, mode="json")
        return found

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Notes:
        """Read what `as_dict` wrote; raises ValueError where it is none."""
        return _NOTES.validate_python(data)

    def with_gate(self, gate: Gate) -> Notes:
        """Return the notes with a wave's newest decision in the place of earlier ones."""
        return replace(self, gates=(*(known for known in self.gates if known.wave != gate.wave), gate))


_NOTES = TypeAdapter(Notes)


@dataclass(frozen=True, slots=True)
class Known:
    """Every device of a rollout with its state, and what was decided so far."""

    devices: Mapping[str, Seen]
    notes: Notes = field(default_factory=Notes)
    begun_at: datetime | None = None

    def gate(self, wave: int) -> Gate | None:
        """Return the newest decision on a wave."""
        return next((gate for gate in self.notes.gates if gate.wave == wave), None)

    def within(self, state: State) -> list[str]:
        """Return the MACs of the devices in a state."""
        return [mac for mac, seen in self.devices.items() if seen.state is state]

    def last_end(self, wave: Iterable[Device]) -> datetime | None:
        """Return when the last deployment of these devices ended."""
        return max((end for device in wave if (end := self.devices[device.mac].ended_at)), default=None)


def known_of(
    rollout: Rollout, notes: Notes, deployments: Iterable[Execution], begun_at: datetime | None = None
) -> Known:
    """Put together what is known; of several deployments of one device the first counts."""
    by_mac: dict[str, Execution] = {}
    for execution in sorted(deployments, key=lambda one: one.started_at.timestamp() if one.started_at else 0.0):
        by_mac.setdefault(str(execution.input.get("device")), execution)
    devices = {device.mac: _seen(device.mac, notes, by_mac.get(device.mac)) for device in rollout.devices}
    return Known(devices, notes, begun_at)


def _seen(mac: str, notes: Notes, deployment: Execution | None) -> Seen:
    if deployment is not None:
        seen = seen_of(deployment)
        if seen.state.good and mac in notes.lost:
            return replace(seen, state=State.FAILED, reason=notes.lost[mac])
        return seen
    if mac in notes.skipped:
        return Seen(State.SKIPPED, notes.skipped[mac])
    if mac in notes.pending:
        return Seen(State.PENDING, notes.pending[mac])
    return Seen(State.WAITING, "its turn has not come")


def seen_of(deployment: Execution) -> Seen:
    """Read how a device stands from the execution of its deployment."""
    output = deployment.output
    outcome, grade = str(output.get("outcome") or ""), str(output.get("grade") or "")
    state, reason = _state(deployment, outcome)
    return Seen(
        state,
        reason,
        outcome,
        grade,
        deployment.id,
        deployment.started_at,
        deployment.ended_at if deployment.status.terminal else None,
    )


def _state(deployment: Execution, outcome: str) -> tuple[State, str]:
    if not deployment.status.terminal:
        paused = deployment.status is ExecutionStatus.PAUSED
        return State.RUNNING, "its deployment is paused" if paused else "it is being deployed to"
    evidence = [str(line) for line in deployment.output.get("evidence") or ()]
    if deployment.status is ExecutionStatus.COMPLETED and outcome in (Outcome.succeeded, Outcome.no_op):
        state = State.CURRENT if outcome == Outcome.no_op else State.SUCCEEDED
        return state, "; ".join(evidence[-1:]) or outcome
    reason = deployment.reason or f"its deployment ended {deployment.status}"
    return State.FAILED, "; ".join((reason, *evidence[-1:]))
