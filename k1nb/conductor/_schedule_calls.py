"""The server's own scheduler: executions that start by the clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from k1nb.conductor._connection import FOREIGN, Connection, Params, decoded, foreign
from k1nb.conductor._executions import moment
from k1nb.errors import ConductorNotFound, ConductorRefused, UsageError

MOST_RUNS = 5
"""Next runs that the server tells of. Source: Conductor 3.32.1."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A workflow that is started by the clock."""

    name: str
    cron: str
    """Six fields: second, minute, hour, day of the month, month, day of the week."""
    workflow: str
    input: Mapping[str, Any] = field(default_factory=dict)
    version: int | None = None
    correlation_id: str | None = None
    zone: str = "UTC"
    """Name of the time zone that the fields are read in, such as Europe/Berlin."""
    description: str = ""
    catch_up: bool = False
    """Whether runs that were missed while the server was down are started when it is back."""
    paused: bool = False
    paused_reason: str = ""
    next_run: datetime | None = None
    """What the server tells, which Conductor 3.32.1 does not always; ignored in what it is given."""
    changed_at: datetime | None = field(default=None, compare=False)
    """When it was put there, paused or resumed last; ignored in what the server is given."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Schedule:
        """Read the server's JSON; raises KeyError or TypeError where it is no schedule."""
        started = data["startWorkflowRequest"]
        return cls(
            name=data["name"],
            cron=data.get("cronExpression") or "",
            workflow=started["name"],
            input=started.get("input") or {},
            version=started.get("version"),
            correlation_id=started.get("correlationId"),
            zone=data.get("zoneId") or "UTC",
            description=data.get("description") or "",
            catch_up=bool(data.get("runCatchupScheduleInstances")),
            paused=bool(data.get("paused")),
            paused_reason=data.get("pausedReason") or "",
            next_run=moment(data.get("nextRunTime")),
            changed_at=moment(data.get("updatedTime") or data.get("createTime")),
        )

    def as_json(self, owner: str = "") -> dict[str, Any]:
        """Return the body that the server is given."""
        started = {"name": self.workflow, "version": self.version, "input": dict(self.input), "createdBy": owner}
        return {
            "name": self.name,
            "cronExpression": self.cron,
            "zoneId": self.zone,
            "description": self.description,
            "runCatchupScheduleInstances": self.catch_up,
            "paused": self.paused,
            "pausedReason": self.paused_reason or None,
            "startWorkflowRequest": {**started, "correlationId": self.correlation_id},
        }

    def as_dict(self) -> dict[str, Any]:
        """Return the schedule as JSON-able data."""
        return {
            "name": self.name,
            "cron": self.cron,
            "zone": self.zone,
            "workflow": self.workflow,
            "version": self.version,
            "input": dict(self.input),
            "correlation_id": self.correlation_id,
            "description": self.description,
            "catch_up": self.catch_up,
            "paused": self.paused,
            "paused_reason": self.paused_reason,
            "next_run": self.next_run.isoformat() if self.next_run else None,
        }


@dataclass(frozen=True, slots=True)
class FailedStart:
    """A time at which a schedule was to start an execution, and could not."""

    planned_at: datetime
    reason: str


class ScheduleCalls(Connection):
    """What is asked of the scheduler and given to it."""

    def schedules(self, workflow: str | None = None) -> list[Schedule]:
        """Return every schedule, or those of one workflow."""
        params: Params = {} if workflow is None else {"workflowName": workflow}
        return [self._schedule(item) for item in self._objects("schedules", params=params)]

    def schedule(self, name: str) -> Schedule:
        """Return one schedule."""
        return self._schedule(self._object("schedule", name=name))

    def put_schedule(self, schedule: Schedule) -> Schedule:
        """Create or replace a schedule and return it as the server keeps it.

        Raises UsageError for times that are none and for an empty name: Conductor 3.32.1 keeps a paused schedule with
        such, and fails when it is to run.
        """
        if not schedule.name.strip():
            raise UsageError("a schedule needs a name", hint="name it after what it is for")
        self.next_runs(schedule.cron, count=1)
        return self._schedule(self._object("put schedule", json=schedule.as_json(self._owner)))

    def pause_schedule(self, name: str, reason: str = "") -> None:
        """Let a schedule start nothing until it is resumed."""
        self._call("pause schedule", name=name, params={"reason": reason} if reason else None)

    def resume_schedule(self, name: str) -> None:
        """Let a paused schedule start executions again; one that is not paused stays as it is."""
        try:
            self._call("resume schedule", name=name)
        except ConductorNotFound:  # which Conductor 3.32.1 says of one that is not paused, too
            if self.schedule(name).paused:
                raise

    def remove_schedule(self, name: str) -> None:
        """Remove a schedule; one that is not there is not missed."""
        self._call("remove schedule", name=name)

    def next_runs(self, cron: str, count: int = MOST_RUNS) -> list[datetime]:
        """Return when a schedule in UTC would run next, five times at most; raises UsageError for what is no cron.

        The server knows no other zone here; `Schedule.next_run` is in the schedule's own.
        """
        try:
            response = self._call("next runs", params={"cronExpression": cron, "limit": str(count)})
        except ConductorRefused as error:
            if "cron" not in error.message.lower():
                raise
            raise UsageError(
                f"{cron!r} is no time to run at: {error.message}",
                hint="six fields are wanted, seconds first: 0 0 3 * * ? is every day at three",
            ) from error
        answer = decoded(response)
        if not isinstance(answer, list):
            raise foreign(response)
        return [at for at in map(moment, answer[:count]) if at is not None]

    def failed_starts(self, name: str, since: datetime) -> list[FailedStart]:
        """Return when a schedule could start nothing, and why in the server's words; it keeps the newest alone."""
        after = f"scheduledTime>{int(since.timestamp() * 1000)}"
        params: Params = {"query": f"scheduleName IN ({name}) AND state IN (FAILED) AND {after}", "size": "100"}
        found = self._object("schedule starts", params=params).get("results") or []
        starts = ((moment(item.get("scheduledTime")), item.get("reason") or "") for item in found)
        return [FailedStart(at, reason) for at, reason in starts if at is not None]

    def _schedule(self, item: Mapping[str, Any]) -> Schedule:
        try:
            return Schedule.from_json(item)
        except (KeyError, TypeError) as error:
            raise ConductorRefused(
                f"{self.url} gave something that is no schedule: {error}", status=200, hint=FOREIGN
            ) from error
