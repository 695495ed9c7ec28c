"""How a rollout stands, read from Conductor alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from k1nb.conductor import Conductor, Execution, ExecutionStatus, Task, TaskStatus
from k1nb.delivery.rollout._known import Known, Notes, Seen, State, known_of
from k1nb.delivery.rollout._rollout import DEPLOYMENT, WORKFLOW, Rollout, key_of, schedule_of
from k1nb.delivery.rollout._step import Result
from k1nb.device import Device
from k1nb.errors import ConductorNotFound, UnknownName

ADVANCE = "advance_rollout"
APPROVAL = "approval"
_MOST = 5000
"""Executions that are looked at for rollouts."""


class Standing(StrEnum):
    """How a rollout stands as a whole."""

    RUNNING = "running"
    PAUSED = "paused"
    APPROVAL = "waits_for_approval"
    COMPLETED = "completed"
    PENDING = "pending"
    """All is done that could be; some devices are left to be tried again."""
    STOPPED = "stopped"
    """A gate, or a person who was asked, has said no."""
    ABORTED = "aborted"
    BROKEN = "broken"
    """It ended by a fault, not by a decision; it can be resumed."""

    @property
    def ended(self) -> bool:
        """Tell whether no execution of it is under way."""
        return self not in (Standing.RUNNING, Standing.PAUSED, Standing.APPROVAL)

    @property
    def failed(self) -> bool:
        """Tell whether it ended without having done what it was for."""
        return self in (Standing.STOPPED, Standing.ABORTED, Standing.BROKEN)


@dataclass(frozen=True, slots=True)
class Progress:
    """A rollout and how far it is."""

    rollout: Rollout
    standing: Standing
    reason: str
    known: Known
    execution: Execution
    """The newest that counts, with its tasks."""
    picked_up: datetime | None = None
    """When pending devices are tried next; None where nothing is scheduled."""
    asked: Task | None = None
    """The task that waits for a person."""
    strayed: tuple[Device, ...] = ()
    """Those that ran the artifact by its end, and are not proven to run it now, where they were looked at again."""

    def state(self, device: Device) -> Seen:
        """Return how a device stands; where the rollout has ended, one whose turn never came was not reached."""
        seen = self.known.devices[device.mac]
        if seen.state is State.WAITING and self.standing.failed:
            return replace(seen, state=State.NOT_REACHED, reason=f"the rollout was {self.standing} before its turn")
        return seen

    def counts(self) -> dict[str, int]:
        """Return how many devices are in each state, those that ran the artifact from the first included."""
        found = dict.fromkeys(map(str, State), 0)
        found[State.CURRENT] = len(self.rollout.current)
        for device in self.rollout.devices:
            found[self.state(device).state] += 1
        return {state: count for state, count in found.items() if count}

    @property
    def signature(self) -> tuple[object, ...]:
        """What tells two looks apart."""
        states = tuple((mac, seen.state) for mac, seen in self.known.devices.items())
        return (self.standing, self.execution.id, states, self.known.notes.gates)

    def as_dict(self) -> dict[str, Any]:
        """Return the progress as JSON-able data."""
        return {
            "rollout": self.rollout.id,
            "artifact_id": self.rollout.artifact_id,
            "version": self.rollout.version,
            "standing": self.standing.value,
            "reason": self.reason,
            "execution_id": self.execution.id,
            "started_at": _text(self.known.begun_at),
            "ended_at": _text(self.execution.ended_at) if self.standing.ended else None,
            "picked_up": _text(self.picked_up),
            "counts": self.counts(),
            "policy": asdict(self.rollout.policy),
            "waves": [self._wave(number, wave) for number, wave in enumerate(self.rollout.waves, 1)],
            "current": [device.name for device in self.rollout.current],
        }

    def _wave(self, number: int, wave: Sequence[Device]) -> dict[str, Any]:
        gate = self.known.gate(number)
        return {
            "wave": number,
            "gate": gate.decision.value if gate else None,
            "reasons": list(gate.reasons) if gate else [],
            "devices": [self._device(device) for device in wave],
        }

    def _device(self, device: Device) -> dict[str, Any]:
        seen = self.state(device)
        return {
            "name": device.name,
            "mac": device.mac,
            "role": device.role,
            "state": seen.state.value,
            "reason": seen.reason,
            "outcome": seen.outcome or None,
            "grade": seen.grade or None,
            "execution_id": seen.execution_id,
            "began_at": _text(seen.began_at),
            "ended_at": _text(seen.ended_at),
        }


def _text(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def rollouts(conductor: Conductor, artifact_id: str | None = None) -> dict[str, bool]:
    """Return whether each rollout that the server knows is open, of one artifact or all, by id, the newest first.

    Open is one with an execution that has not ended, or whose pending devices are to be tried again. Search lags.
    """
    scheduled = {schedule.name for schedule in conductor.schedules(WORKFLOW)}
    found: dict[str, bool] = {}
    for execution in conductor.find(name=WORKFLOW, size=_MOST):
        rollout_id = execution.input.get("rollout")
        if not rollout_id or artifact_id not in (None, execution.input.get("artifact_id")):
            continue
        going = not execution.status.terminal or schedule_of(rollout_id) in scheduled
        found[rollout_id] = found.get(rollout_id, False) or going
    return found


def executions_of(conductor: Conductor, rollout_id: str) -> list[Execution]:
    """Return the executions of a rollout without tasks, newest first; raises UnknownName where there is none."""
    found = conductor.correlated(WORKFLOW, key_of(rollout_id))
    if not found:
        raise UnknownName(
            f"Conductor knows no rollout {rollout_id!r}",
            hint="`k1nb rollout status` lists those there are; `k1nb rollout apply` starts one",
        )
    return found


def read(conductor: Conductor, rollout_id: str) -> Progress:
    """Read how a rollout stands; raises UnknownName where there is none, ConductorError."""
    executions = executions_of(conductor, rollout_id)
    newest, told = newest_told(conductor, executions)
    rollout = Rollout.from_input(newest.input)
    notes = notes_of(told, same_pass=told.id == newest.id)
    deployments = conductor.correlated(DEPLOYMENT, rollout.key)
    known = known_of(rollout, notes, deployments, executions[-1].started_at)
    asked = next((t for t in newest.tasks if _is(t, APPROVAL) and not t.status.terminal), None)
    standing, reason = _standing(newest, asked, known)
    picked_up = _next_run(conductor, rollout) if standing is Standing.PENDING else None
    return Progress(rollout, standing, reason, known, newest, picked_up, asked)


def newest_told(conductor: Conductor, executions: Sequence[Execution]) -> tuple[Execution, Execution]:
    """Return the newest execution that counts, and the newest of which a turn has told something, with tasks."""
    newest = None
    for execution in executions:
        if execution.output.get("result") == Result.ASIDE and len(executions) > 1:
            continue
        found = conductor.execution(execution.id)
        newest = newest or found
        if _told(found):
            return newest, found
    found = newest or conductor.execution(executions[-1].id)
    return found, found


def _told(execution: Execution) -> list[Task]:
    """Return the turns that have told something, oldest first."""
    turns = (task for task in execution.tasks if task.type == ADVANCE and task.status is TaskStatus.COMPLETED)
    return [task for task in turns if task.output.get("notes") and task.output.get("result") != Result.ASIDE]


def notes_of(execution: Execution, *, same_pass: bool) -> Notes:
    """Return what the turns of an execution have noted, and what people have answered in it.

    Of another pass than the one that runs, what was passed over is tried again.
    """
    told = _told(execution)
    notes = Notes.from_dict(told[-1].output["notes"]) if told else Notes()
    answers = {
        int(task.input["wave"]): _yes(task.output.get("approved"))
        for task in execution.tasks
        if _is(task, APPROVAL) and task.status is TaskStatus.COMPLETED and str(task.input.get("wave")).isdigit()
    }
    notes = replace(notes, approvals={**notes.approvals, **answers})
    return notes if same_pass else replace(notes, pending={}, skipped={})


def _yes(answer: object) -> bool:
    return answer is True or answer == "true"


def _is(task: Task, reference: str) -> bool:
    """Tell whether a task has this reference name, in whichever round of a loop."""
    return task.reference.partition("__")[0] == reference


def _standing(execution: Execution, asked: Task | None, known: Known) -> tuple[Standing, str]:
    status, output = execution.status, execution.output
    reasons = "; ".join(map(str, output.get("reasons") or ()))
    if status is ExecutionStatus.PAUSED:
        return Standing.PAUSED, "it was paused"
    if status is ExecutionStatus.RUNNING:
        if asked is not None:
            return Standing.APPROVAL, f"wave {asked.input.get('wave')} waits for approval"
        return Standing.RUNNING, _doing(execution, known)
    if status is ExecutionStatus.TERMINATED:
        return Standing.ABORTED, execution.reason or "it was terminated"
    result = output.get("result")
    if status is ExecutionStatus.COMPLETED and result in (Result.COMPLETED, Result.PENDING):
        return Standing(str(result)), reasons
    if status is ExecutionStatus.FAILED and result == Result.STOPPED:
        return Standing.STOPPED, reasons or execution.reason
    return Standing.BROKEN, execution.reason or f"its execution ended {status}"


def _doing(execution: Execution, known: Known) -> str:
    """Say what a running rollout does now."""
    told = _told(execution)
    if told and any(task.kind == "WAIT" and not task.status.terminal for task in execution.tasks):
        return "; ".join(map(str, told[-1].output.get("reasons") or ()))
    under_way, waiting = len(known.within(State.RUNNING)), len(known.within(State.WAITING))
    return f"{under_way} under way, {waiting} waiting"


def _next_run(conductor: Conductor, rollout: Rollout) -> datetime | None:
    try:
        schedule = conductor.schedule(rollout.schedule)
    except ConductorNotFound:
        return None
    return None if schedule.paused else schedule.next_run
