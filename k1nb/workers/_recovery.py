"""Tasks that the server takes for running here and that do not: what a killed host left, what a lost answer brought."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable

import structlog

from k1nb.conductor import Conductor, Execution, PolledTask, Task, TaskStatus, running_executions, times_put_off
from k1nb.errors import ConductorError, ConductorUnreachable, RetryableFailure
from k1nb.firmware import end_left_over_builds
from k1nb.workers._link import pauses
from k1nb.workers._shared import Shared

BEGUN_AT_MOST = 5
"""An attempt that was begun so often and never ended counts as failed: its own work may be what kills the host."""
_POLL_END = 1.0
"""Seconds that the server may take to answer the polls that a killed host sent last."""


def lost_tasks(executions: Iterable[Execution], worker_id: str) -> list[PolledTask]:
    """Return the tasks that the server takes for running under this name."""
    return [
        _polled(execution, task)
        for execution in executions
        for task in execution.tasks
        if task.status is TaskStatus.IN_PROGRESS and task.worker_id == worker_id
    ]


def _polled(execution: Execution, task: Task) -> PolledTask:
    return PolledTask(
        id=task.id,
        type=task.type,
        execution_id=execution.id,
        reference=task.reference,
        input=task.input,
        retry_count=task.retry_count,
        poll_count=task.poll_count,
        response_timeout=0.0,
        workflow_type=execution.name,
        put_off=times_put_off(task.output),
    )


class Recovery:
    """Hands back what is lost.

    As the host starts, that is all that runs in its name: it holds its home's lock and has polled for nothing.
    Later it is what the answer to a poll would have brought, had it not been lost with the server or on its way.
    """

    def __init__(self, shared: Shared) -> None:
        self._settings = shared.settings
        self._client = shared.client
        self._link = shared.link
        self._worker_id = shared.worker_id
        self._results = shared.results
        self._stopped = shared.stopped
        self._in_hand = shared.in_hand
        self._log = structlog.get_logger("k1nb.workers")

    async def run(self, *, crashed: bool) -> None:
        """End left-over builds, wait for the server, and hand the lost tasks back, or fail what was begun too often."""
        timings = self._settings.timings
        ended = await asyncio.to_thread(end_left_over_builds, self._settings.paths, timings)
        if ended:
            self._log.warning("ended builds that a killed worker host left behind", pids=ended)
        if crashed:
            await asyncio.wait({self._stopped}, timeout=_POLL_END)
        for task in await self._find():
            await self._give_up(task, "whose host was killed")

    async def follow(self) -> None:
        """Look, until the host is stopped, for what an answer would have brought that was lost."""
        doubt = self._in_hand.doubt
        self._stopped.add_done_callback(lambda _: doubt.set())
        while not self._stopped.done():
            await doubt.wait()
            doubt.clear()
            await self._look_again()

    async def _look_again(self) -> None:
        """Hand back what runs in our name and is not in hand, neither before nor after we ask."""
        with self._in_hand.noting() as noted:
            await asyncio.wait({self._stopped}, timeout=_POLL_END)
            found = await self._find()
            await self._in_hand.answers()  # what was polled meanwhile may be on its way
            await asyncio.wait({self._stopped}, timeout=_POLL_END)
            for task in found:
                if task.id not in noted and not self._stopped.done():
                    await self._give_up(task, "which the answer to its poll did not reach")

    async def _find(self) -> list[PolledTask]:
        delays = pauses(self._settings.timings)
        while not self._stopped.done():
            try:
                with self._link.request():
                    executions = await asyncio.to_thread(self._running)
            except ConductorUnreachable:
                await asyncio.wait({self._stopped}, timeout=next(delays))
            except ConductorError as error:
                self._log.warning("cannot look for lost tasks: they come back late", error=error.message)
                break
            else:
                return lost_tasks(executions, self._worker_id)
        return []

    def _running(self) -> Iterable[Execution]:
        """Return all of them: whatever is not seen now comes back only after its response timeout."""
        with Conductor.from_settings(self._settings) as conductor:
            return running_executions(conductor, size=sys.maxsize).executions

    async def _give_up(self, task: PolledTask, why: str) -> None:
        result = self._results.handed_back(task, why)
        begun = task.poll_count - task.put_off
        if begun >= BEGUN_AT_MOST:
            result = self._results.failed(
                task, RetryableFailure(f"begun {begun} times, and its worker was lost each time")
            )
        log = self._log.bind(task=task.id, task_type=task.type, execution=task.execution_id, begun=begun)
        try:
            with self._link.request():
                await self._client.update(result, take_next=False)
        except ConductorError as error:
            log.warning("a lost task comes back only after its response timeout", error=error.message)
        else:
            log.warning("lost task reported", status=result.status.value)
