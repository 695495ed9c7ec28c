"""Queues: what waits in them, who asks for it, and what the workers wrote."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from k1nb.conductor._connection import FOREIGN, Connection, decoded, foreign
from k1nb.conductor._executions import Task, moment
from k1nb.errors import ConductorRefused


@dataclass(frozen=True, slots=True)
class PollData:
    """When a worker last asked for tasks of a type."""

    task_type: str
    worker_id: str
    domain: str | None
    last_poll: datetime | None


@dataclass(frozen=True, slots=True)
class LogLine:
    """One entry of a task's log."""

    text: str
    at: datetime | None


class QueueCalls(Connection):
    """What is asked of task queues."""

    def queue_sizes(self) -> dict[str, int]:
        """Return how many tasks wait in each queue; the name is the task type, with `domain:` before it if any."""
        return {name: int(size) for name, size in self._object("queue sizes").items()}

    def poll_data(self, task_type: str | None = None) -> list[PollData]:
        """Return when each worker last asked for each task type, or for one."""
        if task_type is None:
            items = self._objects("poll data")
        else:
            items = self._objects("poll data of a type", params={"taskType": task_type})
        return [
            PollData(
                task_type=str(item["queueName"]),
                worker_id=item.get("workerId") or "",
                domain=item.get("domain"),
                last_poll=moment(item.get("lastPollTime")),
            )
            for item in items
        ]

    def task_log(self, task_id: str) -> list[LogLine]:
        """Return what was written into a task's log; nothing of a task that is not there."""
        response = self._call("task log", id=task_id)
        answer = decoded(response) if response.content else []
        if not isinstance(answer, list) or not all(isinstance(item, dict) for item in answer):
            raise foreign(response)
        return [LogLine(str(item.get("log", "")), moment(item.get("createdTime"))) for item in answer]

    def recent_tasks(self, since: datetime, *, size: int) -> list[Task]:
        """Return up to `size` tasks that changed since then, the latest first; search lags a little."""
        query = {"query": f"updateTime>{int(since.timestamp() * 1000)}", "sort": "updateTime:DESC", "size": str(size)}
        answer = self._object("task search", params=query)
        try:
            return [Task.from_json(item) for item in answer.get("results") or ()]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            what = f"{self.url} gave something that is no task: {type(error).__name__} {error}"
            raise ConductorRefused(what, status=200, hint=FOREIGN) from error

    def requeue(self, task_type: str) -> int:
        """Put every task of a type that has not ended into its queue again, and return how many.

        For queues that were lost. A task that a worker runs now is handed to another one as well, so the workers of
        this type must be stopped first. Seen on Conductor 3.32.1.
        """
        return int(self._call("requeue", type=task_type).text or 0)
