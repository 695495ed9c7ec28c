"""Executions and readings to show."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from k1nb.conductor import Execution, ExecutionStatus, Task, TaskStatus
from k1nb.device import Readings

START = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """Return the moment so many seconds after the start."""
    return START + timedelta(seconds=seconds)


def task(reference: str, status: str, *times: float, child: str | None = None) -> Task:
    """Return a task with the times at which it was scheduled, started and ended, as far as given."""
    scheduled, started, ended = [*map(at, times), None, None, None][:3]
    return Task(
        id=f"{reference}-{times}",
        reference=reference,
        type=reference,
        kind="SUB_WORKFLOW" if child else "SIMPLE",
        status=TaskStatus(status),
        scheduled_at=scheduled,
        started_at=started,
        ended_at=ended,
        child_id=child,
    )


def execution(name: str, status: str, *tasks: Task, **values: Any) -> Execution:
    """Return an execution of ten seconds with these tasks."""
    known: dict[str, Any] = {"id": f"{name}-id", "started_at": at(0), "ended_at": at(10)}
    return Execution(name=name, version=1, status=ExecutionStatus(status), tasks=tasks, **known | values)


BUILD = execution(
    "firmware-build",
    "COMPLETED",
    task("validate_commit", "COMPLETED", 0, 0.5, 1),
    task("platformio_compile", "FAILED", 1, 1.5, 3),
    task("platformio_compile", "COMPLETED", 3, 3.5, 5),
    task("decision_store_or_fail", "COMPLETED", 5, 5, 5),
)
PIPELINE = execution(
    "firmware-ci-cd-pipeline",
    "FAILED",
    task("build", "COMPLETED", 0, 0, 5, child=BUILD.id),
    task("deployment", "FAILED_WITH_TERMINAL_ERROR", 5, 5.5, 10),
    reason="the device did not answer",
)
RUNNING = execution(
    "device-deployment",
    "RUNNING",
    task("preflight_device", "COMPLETED", 0, 1, 2),
    task("deploy_firmware_ota", "IN_PROGRESS", 2, 3),
    task("device_health_check", "SCHEDULED", 4),
    ended_at=None,
)


def readings(**values: Any) -> Readings:
    """Return readings of a healthy device, with these values instead."""
    known: dict[str, Any] = {
        "at": START,
        "mac": "02:4B:31:00:00:01",
        "uptime_seconds": 93_784.0,
        "fps": 118.4,
        "free_heap_bytes": 212_992,
        "avg_render_time_ms": 4.31,
        "stamp": "k1-0123456789ab",
        "pattern": "lava",
        "status": "ok",
    }
    return Readings(**known | values)
