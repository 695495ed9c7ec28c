"""Who asks for which tasks, what waits, and how fast it goes: one look at the queues of a server."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

from k1nb.conductor._client import Conductor
from k1nb.conductor._definitions import Definitions, load
from k1nb.conductor._executions import Task, TaskStatus
from k1nb.conductor._forgotten import running_executions
from k1nb.conductor._queue_calls import PollData

_MOST = 500
"""Recent tasks that one look takes in."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A task that waits for a worker, and how long it may."""

    execution_id: str
    seconds: float
    allowed: float
    """What its retry's delay and its definition's pollTimeoutSeconds allow; 0 where neither says anything."""


@dataclass(frozen=True, slots=True)
class Work:
    """One task type: who asks for it, what waits, what was done lately."""

    task_type: str
    defined: bool
    """A workflow of the definitions uses it."""
    polled_at: datetime | None = None
    """When a worker last asked; one that is at work, or has nothing to ask for, does not."""
    workers: tuple[str, ...] = ()
    queued: int = 0
    """Tasks in its queues, of all domains."""
    queued_before: int = 0
    """The same, some seconds earlier."""
    running: int = 0
    waiting: tuple[Waiting, ...] = ()
    """The tasks that wait, of the executions that run."""
    completed: int = 0
    failed: int = 0
    seconds: tuple[float, ...] = ()
    """How long each completed task took, shortest first."""

    @property
    def median(self) -> float | None:
        """Seconds that a task of this type usually takes; None where none was done lately."""
        return median(self.seconds) if self.seconds else None

    def as_dict(self) -> dict[str, Any]:
        """Return the look as JSON-able data."""
        return {
            "task_type": self.task_type,
            "defined": self.defined,
            "polled_at": self.polled_at.isoformat(timespec="milliseconds") if self.polled_at else None,
            "workers": list(self.workers),
            "queued": self.queued,
            "running": self.running,
            "longest_wait_seconds": max((one.seconds for one in self.waiting), default=None),
            "completed": self.completed,
            "failed": self.failed,
            "median_seconds": self.median,
        }


@dataclass(frozen=True, slots=True)
class Queues:
    """What a server tells of its task types, at one moment."""

    url: str
    at: datetime
    watched: float
    """Seconds between the two looks at the queues' sizes."""
    hours: int
    """How far back the recent tasks reach."""
    work: tuple[Work, ...] = field(default_factory=tuple)
    truncated: bool = False
    """There were more recent tasks than one look takes in."""


def look_at_queues(
    conductor: Conductor, definitions: Definitions | None = None, *, hours: int = 24, watch: float = 5.0
) -> Queues:
    """Look at the queues twice, `watch` seconds apart, and at the tasks of the last hours.

    Raises as every method of the client does. No task is taken: the poll route is never called.
    """
    known = definitions or load()
    before = conductor.queue_sizes()
    time.sleep(watch)
    now = datetime.now(UTC)
    polls, sizes = conductor.poll_data(), conductor.queue_sizes()
    open_tasks = [(e.id, t) for e in running_executions(conductor).executions for t in e.tasks if not t.status.terminal]
    recent = conductor.recent_tasks(now - timedelta(hours=hours), size=_MOST)
    names = known.task_types() | {poll.task_type for poll in polls}
    work = [
        work_of(name, known, polls=polls, sizes=(before, sizes), open_tasks=open_tasks, recent=recent, now=now)
        for name in sorted(names)
    ]
    return Queues(conductor.url, now, watch, hours, tuple(work), truncated=len(recent) >= _MOST)


def work_of(
    name: str,
    definitions: Definitions,
    *,
    polls: Iterable[PollData],
    sizes: tuple[Mapping[str, int], Mapping[str, int]],
    open_tasks: Iterable[tuple[str, Task]],
    recent: Iterable[Task],
    now: datetime,
) -> Work:
    """Sum up what is known of one task type."""
    asked = [poll for poll in polls if poll.task_type == name]
    tasks = [(execution, task) for execution, task in open_tasks if task.type == name]
    ended = [task for task in recent if task.type == name and task.status.terminal]
    done = [task for task in ended if task.status is TaskStatus.COMPLETED]
    before, after = (_queued(name, each) for each in sizes)
    definition = definitions.tasks.get(name, {})
    return Work(
        task_type=name,
        defined=name in definitions.task_types(),
        polled_at=max((poll.last_poll for poll in asked if poll.last_poll), default=None),
        workers=tuple(sorted({poll.worker_id for poll in asked if poll.worker_id})),
        queued=after,
        queued_before=before,
        running=sum(task.status is TaskStatus.IN_PROGRESS for _, task in tasks),
        waiting=tuple(
            Waiting(execution, (now - task.scheduled_at).total_seconds(), allowed_wait(definition, task.retry_count))
            for execution, task in tasks
            if task.status is TaskStatus.SCHEDULED and task.scheduled_at is not None
        ),
        completed=len(done),
        failed=sum(not task.status.successful and task.status is not TaskStatus.CANCELED for task in ended),
        seconds=tuple(sorted(task.seconds for task in done if task.seconds is not None)),
    )


def allowed_wait(definition: Mapping[str, Any], retry: int) -> float:
    """Return the seconds that a task may wait by its definition: its pollTimeoutSeconds, and a retry's delay."""
    delay = float(definition.get("retryDelaySeconds", 0)) if retry else 0.0
    if definition.get("retryLogic") == "EXPONENTIAL_BACKOFF":
        delay *= 2 ** (retry - 1) if retry else 1
    if definition.get("retryLogic") == "LINEAR_BACKOFF":
        delay *= float(definition.get("backoffScaleFactor", 1)) * max(retry, 1)
    longest = float(definition.get("maxRetryDelaySeconds") or 0)
    return float(definition.get("pollTimeoutSeconds") or 0) + (min(delay, longest) if longest else delay)


def _queued(name: str, sizes: Mapping[str, int]) -> int:
    """Return how many tasks wait in the queues of a type; `domain:` stands before the name of some."""
    return sum(size for queue, size in sizes.items() if queue.rpartition(":")[2] == name)
