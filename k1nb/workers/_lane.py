"""One task type in a worker host: polled for, run, kept alive, reported, drained."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from k1nb.conductor import PolledTask, ResultStatus, TaskClient, TaskResult
from k1nb.config import Settings
from k1nb.errors import ConductorError, ConductorNotFound, ConductorRefused, K1Error, RetryableFailure
from k1nb.workers._link import Link, pauses
from k1nb.workers._result import Results, read_input
from k1nb.workers._task import TaskContext, TaskFunction


class Lane:
    """Polls for one task type and runs what comes, up to the function's concurrency."""

    def __init__(
        self,
        function: TaskFunction[Any, Any],
        settings: Settings,
        client: TaskClient,
        link: Link,
        *,
        worker_id: str,
        stopped: asyncio.Task[float],
    ) -> None:
        self._function = function
        self._settings = settings
        self._timings = settings.timings
        self._client = client
        self._link = link
        self._worker_id = worker_id
        self._stopped = stopped
        self._results = Results(worker_id, settings.redact)
        self._running: set[asyncio.Task[None]] = set()
        self._log = structlog.get_logger("k1nb.workers").bind(task_type=function.name)

    async def run(self) -> None:
        """Serve until `stopped` is done; give what runs until `timings.drain` after that, and hand the rest back."""
        try:
            await self._poll_until_stopped()
            if self._running:
                left = self._stopped.result() + self._timings.drain - asyncio.get_running_loop().time()
                self._log.info("draining", tasks=len(self._running), seconds=round(left))
                await asyncio.wait(self._running, timeout=max(left, 0.0))
        finally:
            late = list(self._running)
            for running in late:
                running.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _poll_until_stopped(self) -> None:
        """Poll while there is room.

        The open poll is waited out at the end, for a task that the server hands to an abandoned one would be
        lost until its response timeout; what such a poll still brings is handed back.
        """
        loop, delays = asyncio.get_running_loop(), pauses(self._timings)
        wait = min(self._timings.long_poll, TaskClient.LONGEST_WAIT)
        while not self._stopped.done():
            if len(self._running) >= self._function.concurrency:
                await asyncio.wait({*self._running, self._stopped}, return_when=asyncio.FIRST_COMPLETED)
                continue
            asked = loop.time()
            tasks = await self._poll(wait)
            if not tasks and loop.time() - asked < wait / 2:
                # No answer, or "nothing" far too soon, which is what a server says whose database fails.
                await asyncio.wait({self._stopped}, timeout=next(delays))
                continue
            delays = pauses(self._timings)
            for task in tasks:
                if self._stopped.done():
                    await self._hand_back(task)
                else:
                    self._start(task)

    async def _poll(self, wait: float) -> list[PolledTask]:
        try:
            with self._link.request():
                return await self._client.poll(self._function.name, worker_id=self._worker_id, wait=wait)
        except ConductorError:
            return []

    def _start(self, task: PolledTask) -> None:
        running = asyncio.create_task(self._serve(task), name=f"{task.type} {task.id}")
        self._running.add(running)
        running.add_done_callback(self._ended)

    def _ended(self, running: asyncio.Task[None]) -> None:
        self._running.discard(running)
        if not running.cancelled() and (error := running.exception()) is not None:
            self._log.error("a task was dropped by a fault of the host", exc_info=error)

    async def _serve(self, task: PolledTask) -> None:
        """Run a task, and then those that the server answers its result with."""
        current: PolledTask | None = task
        while current is not None:
            result = await self._attend(current)
            current = await self._deliver(result) if result is not None else None
            if current is not None and self._stopped.done():
                await self._hand_back(current)
                return

    async def _attend(self, task: PolledTask) -> TaskResult | None:
        """Run the function with heartbeats; return its result, or None where nobody waits for one any more.

        A heartbeat is always waited for before the result is sent: the server writes a task back as it read
        it, so a heartbeat that crosses the result could undo it.
        """
        work = asyncio.create_task(self._perform(task))
        wanted = True
        try:
            while not (await asyncio.wait({work}, timeout=self._beat(task)))[0]:
                wanted = wanted and await self._heartbeat(task)
                if not wanted and self._function.cancellable:
                    await self._cancel(task, work)
                    return None
        except asyncio.CancelledError:
            await self._abandon(task, work)
            raise
        if work.cancelled():
            return self._results.failed(task, RetryableFailure(f"{task.type} cancelled itself"))
        return work.result()

    def _beat(self, task: PolledTask) -> float:
        """Return the seconds to the next heartbeat; shorter while the server is away, so that it soon hears."""
        limits = [self._timings.heartbeat]
        if task.response_timeout:
            limits.append(task.response_timeout / 3)
        if not self._link.up:
            limits.append(self._timings.reconnect_last)
        return min(limits)

    async def _heartbeat(self, task: PolledTask) -> bool:
        try:
            with self._link.request():
                wanted = await self._client.heartbeat(task)
        except ConductorError:
            return True
        if not wanted:
            self._log.warning("the server has ended a running task", task=task.id, execution=task.execution_id)
        return wanted

    async def _perform(self, task: PolledTask) -> TaskResult:
        context = TaskContext(self._settings, task, self._client)
        log = self._log.bind(task=task.id, execution=task.execution_id, retry=task.retry_count)
        log.info("task started")
        try:
            output = await self._function(read_input(self._function.input_model, task), context)
            result = self._results.completed(task, output)
        except K1Error as error:
            result = self._results.failed(task, error)
            log.warning("task failed", status=result.status.value, reason=result.reason)
        except Exception as error:  # a fault in one task function must fail its task, never the host
            result = self._results.failed(task, error)
            log.exception("task failed unexpectedly", reason=result.reason)
        else:
            log.info("task completed")
        return result

    async def _deliver(self, result: TaskResult) -> PolledTask | None:
        """Report a result for as long as it takes; return the next task if the answer carries one."""
        delays = pauses(self._timings)
        try:
            while True:
                try:
                    with self._link.request():
                        return await self._client.update(result, take_next=not self._stopped.done())
                except ConductorNotFound:
                    self._log.warning("the execution is gone; its result is dropped", task=result.task.id)
                    return None
                except ConductorError as error:
                    following = await self._after_refusal(result, error)
                if following is None:
                    return None
                result = following
                await asyncio.sleep(next(delays))
        except asyncio.CancelledError:
            self._log.error("stopped before a result was delivered", task=result.task.id, status=result.status.value)
            raise

    async def _after_refusal(self, result: TaskResult, error: ConductorError) -> TaskResult | None:
        """Return what to try next: the same result, a failure in its place, or nothing any more."""
        if not isinstance(error, ConductorRefused):
            return result
        if not await self._heartbeat(result.task):
            return None
        if error.status >= 500 or error.status in (408, 429):
            return result
        if result.output:
            return self._results.refused(result, error)
        self._log.error("the server refuses a result", task=result.task.id, error=error.message)
        return None

    async def _cancel(self, task: PolledTask, work: asyncio.Task[TaskResult]) -> bool:
        """Cancel a function and tell whether it has ended: it gets twice what its child processes get."""
        work.cancel()
        ended, _ = await asyncio.wait({work}, timeout=2 * self._timings.child_stop)
        if not ended:
            self._log.error("a task function does not end when cancelled", task=task.id)
        return bool(ended)

    async def _abandon(self, task: PolledTask, work: asyncio.Task[TaskResult]) -> None:
        """Cancel a function at the end of the drain; hand its task back unless it completed meanwhile.

        One that does not end is not handed back, or it would run twice at once.
        """
        if not await self._cancel(task, work):
            return
        if not work.cancelled() and (result := work.result()).status is ResultStatus.COMPLETED:
            await self._report_once(result)
        else:
            await self._hand_back(task)

    async def _hand_back(self, task: PolledTask) -> None:
        if await self._report_once(self._results.handed_back(task)):
            self._log.info("task handed back", task=task.id, execution=task.execution_id)

    async def _report_once(self, result: TaskResult) -> bool:
        """Report without another try: a hand-back that was heard must not be repeated once others run the task."""
        try:
            with self._link.request():
                await self._client.update(result, take_next=False)
        except ConductorError as error:
            self._log.warning(
                "a task comes back only after its response timeout", task=result.task.id, error=error.message
            )
            return False
        return True
