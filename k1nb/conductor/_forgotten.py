"""Executions that the server has lost sight of: found, and continued."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from k1nb.conductor._client import Conductor
from k1nb.conductor._executions import Execution, ExecutionStatus
from k1nb.conductor._search import LARGEST_PAGE
from k1nb.errors import ConductorNotFound
from k1nb.timings import Timings


@dataclass(frozen=True, slots=True)
class Running:
    """What one look at the running executions took in."""

    executions: tuple[Execution, ...]
    """With their tasks, oldest first."""
    looked_at: int
    """How many were found; those that moved just now, or have ended since, are not among `executions`."""
    cut: bool
    """There may be more, which are newer."""


@dataclass(frozen=True, slots=True)
class Repair:
    """What became of one execution that was looked at."""

    execution: Execution
    """As it is after the look."""
    found: str
    """What was found: why it needs the server's attention, or why it does not."""
    forgotten: bool
    continued: bool
    """Whether the server has gone on with it since."""

    def as_dict(self) -> dict[str, Any]:
        """Return the repair as JSON-able data."""
        return {
            "id": self.execution.id,
            "name": self.execution.name,
            "status": self.execution.status.value,
            "forgotten": self.forgotten,
            "continued": self.continued,
            "found": self.found,
        }


def forgotten(execution: Execution, now: datetime, after: float) -> bool:
    """Tell whether the server has lost sight of an execution: RUNNING, and nothing to do for `after` seconds.

    Whatever waits for a worker, a person or a time has an open task and is not forgotten; a loop is open around its
    tasks and waits for nothing itself. `Conductor.decide` continues it. Source: Conductor drops a workflow whose lock
    it could not get in time.
    """
    is_open = any(not task.status.terminal and task.kind != "DO_WHILE" for task in execution.tasks)
    if execution.status is not ExecutionStatus.RUNNING or is_open:
        return False
    latest = _latest(execution)
    return latest is not None and now - latest > timedelta(seconds=after)


def running_executions(
    conductor: Conductor, *, quiet_for: float = 0.0, size: int = LARGEST_PAGE, paused: bool = False
) -> Running:
    """Return the `size` oldest running executions; those that moved within `quiet_for` seconds are not fetched.

    With `paused` those that somebody has paused are among them.

    One search for each LARGEST_PAGE, one request for each workflow that is defined, and one for each execution that is
    left. Raises ConductorError.
    """
    wanted = (ExecutionStatus.RUNNING, *((ExecutionStatus.PAUSED,) if paused else ()))
    limit = datetime.now(UTC) - timedelta(seconds=quiet_for) if quiet_for else datetime.max.replace(tzinfo=UTC)
    found = conductor.find(status=wanted, size=size, oldest_first=True)
    cut = len(found) >= size
    unlisted = [] if cut else _unlisted(conductor, {execution.id for execution in found})
    looked = [_attempt(conductor, one) for one in (*(each.id for each in found if _quiet(each, limit)), *unlisted)]
    running = (one for one in looked if one and one.status in wanted and _quiet(one, limit))
    return Running(tuple(sorted(running, key=_begin)), len(found) + len(unlisted), cut)


def _unlisted(conductor: Conductor, listed: Container[str]) -> list[str]:
    """Return the ids of the running executions that no search finds.

    A server that is killed as it starts one may leave it without tasks, queue and entry in the index.
    """
    names = conductor.workflow_names()
    return [one for name in names for one in conductor.all_running_ids(name) if one not in listed]


def _quiet(execution: Execution, limit: datetime) -> bool:
    return execution.updated_at is None or execution.updated_at <= limit


def _begin(execution: Execution) -> float:
    return execution.started_at.timestamp() if execution.started_at else 0.0


def find_forgotten(
    conductor: Conductor, timings: Timings, *, on_cut: Callable[[int], None] | None = None
) -> list[Execution]:
    """Return the executions that the server has lost sight of; raises ConductorError.

    `on_cut` is told how many, the oldest, were looked at where there are more running.
    """
    quiet = running_executions(conductor, quiet_for=timings.forgotten_after)
    if quiet.cut and on_cut is not None:
        on_cut(quiet.looked_at)
    now = datetime.now(UTC)
    return [execution for execution in quiet.executions if forgotten(execution, now, timings.forgotten_after)]


def repair(
    conductor: Conductor, timings: Timings, ids: Iterable[str] = (), *, on_cut: Callable[[int], None] | None = None
) -> list[Repair]:
    """Let the server look at the executions it has forgotten, of all or of the given ones; raises ConductorError.

    Nothing is ended or begun again, and what is not forgotten is left alone. `on_cut` as of `find_forgotten`.
    """
    given = [conductor.execution(execution_id) for execution_id in ids]
    looked = given or find_forgotten(conductor, timings, on_cut=on_cut)
    return [_repair(conductor, timings, execution) for execution in looked]


def _repair(conductor: Conductor, timings: Timings, execution: Execution) -> Repair:
    if not forgotten(execution, datetime.now(UTC), timings.forgotten_after):
        return Repair(execution, _why_not(execution), forgotten=False, continued=False)
    latest = _latest(execution)
    found = f"nothing to do since {latest:%Y-%m-%d %H:%M:%S}Z" if latest else "nothing to do"
    conductor.decide(execution.id)
    after = conductor.execution(execution.id)
    return Repair(after, found, forgotten=True, continued=after.state != execution.state)


def _why_not(execution: Execution) -> str:
    if execution.status is not ExecutionStatus.RUNNING:
        return f"it is {execution.status}"
    waiting = [f"{task.reference} is {task.status}" for task in execution.tasks if not task.status.terminal]
    return ", ".join(waiting) or "it moved just now"


def _latest(execution: Execution) -> datetime | None:
    """Return when an execution was last seen to move."""
    moments = (execution.started_at, execution.updated_at, *(task.updated_at for task in execution.tasks))
    return max((at for at in moments if at is not None), default=None)


def _attempt(conductor: Conductor, execution_id: str) -> Execution | None:
    try:
        return conductor.execution(execution_id)
    except ConductorNotFound:  # removed since the search
        return None
