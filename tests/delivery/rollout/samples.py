"""Rollouts and deployments made by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from k1nb.conductor import Execution, ExecutionStatus, Task, TaskStatus
from k1nb.delivery.rollout import Notes, Policy, Progress, Rollout, Standing, known_of
from k1nb.device import Device

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def device(number: int, **changes: Any) -> Device:
    """Return an inventory entry."""
    ports = {"http_port": 10_000 + number, "ota_port": 20_000 + number, "kind": "simulator"}
    return Device(f"sim-{number:02}", f"02:4B:31:00:00:{number:02X}", "127.0.0.1", **{**ports, **changes})


def a_rollout(*sizes: int, **policy: Any) -> Rollout:
    """Return a rollout whose waves have these sizes."""
    devices = iter([device(number) for number in range(sum(sizes))])
    waves = tuple(tuple(next(devices) for _ in range(size)) for size in sizes)
    return Rollout("plan-0123456789ab", "f" * 64, "c" * 40, waves, policy=Policy(**policy))


def deployment(
    number: int,
    outcome: str | None = "succeeded",
    *,
    status: ExecutionStatus | None = None,
    began: datetime = NOON,
    ended: datetime = NOON,
    **output: Any,
) -> Execution:
    """Return the deployment to a device; `None` for one that is under way."""
    good = outcome in ("succeeded", "no_op")
    chosen = status or (
        ExecutionStatus.RUNNING if outcome is None else ExecutionStatus.COMPLETED if good else ExecutionStatus.FAILED
    )
    said = {"outcome": outcome, "grade": "IDENTIFIED" if good else "REBOOTED", "evidence": ["seen"], **output}
    return Execution(
        f"execution-{number}",
        "device-deployment",
        1,
        chosen,
        input={"device": device(number).mac},
        output=said if chosen.terminal else {},
        reason="" if good else "the device is unhealthy",
        started_at=began,
        ended_at=ended if chosen.terminal else None,
    )


def a_turn(rollout: Rollout, next_: str = "go_on", number: int = 1, **said: Any) -> Task:
    """Return a turn that has told something."""
    notes = said.pop("notes", Notes())
    output = {"next": next_, "wave": 1, "reasons": ["why"], "result": None, "notes": notes.as_dict(), **said}
    reference = f"advance_rollout__{number}"
    given = {"rollout": rollout.id}
    return Task(f"turn-{number}", reference, "advance_rollout", "SIMPLE", TaskStatus.COMPLETED, given, output)


def an_execution(
    rollout: Rollout, status: str = "RUNNING", *tasks: Task, number: int = 1, reason: str = "", **output: Any
) -> Execution:
    """Return an execution of a rollout."""
    return Execution(
        f"rollout-{number}",
        "fleet-rollout",
        1,
        ExecutionStatus(status),
        rollout.key,
        rollout.as_input(),
        output,
        reason,
        started_at=NOON,
        ended_at=None if status in ("RUNNING", "PAUSED") else NOON,
        tasks=tasks,
    )


def a_progress(
    rollout: Rollout, standing: Standing, *deployments: Execution, notes: Notes | None = None, **more: Any
) -> Progress:
    """Return how a rollout stands."""
    known = known_of(rollout, notes or Notes(), deployments, NOON)
    ended = "COMPLETED" if standing.ended else "RUNNING"
    return Progress(rollout, standing, "why", known, an_execution(rollout, ended), **more)
