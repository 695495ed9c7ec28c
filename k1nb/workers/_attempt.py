"""One attempt at one task: run, kept alive, reported or handed back."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import structlog

from k1nb.conductor import LONGEST_REASON, PolledTask, ResultStatus, TaskResult
from k1nb.errors import ConductorError, ConductorNotFound, ConductorRefused, K1Error, RetryableFailure
from k1nb.workers._link import pauses
from k1nb.workers._metrics import CANCELLED
from k1nb.workers._result import read_input
from k1nb.workers._shared import Shared
from k1nb.workers._task import TaskContext, TaskFunction


class Attempts:
    """Attends the tasks of one type; knows nothing of when they are polled."""

    def __init__(self, function: TaskFunction[Any, Any], shared: Shared) -> None:
        self._function = function
        self._shared = shared
        self._timings = shared.timings
        self._log = structlog.get_logger("k1nb.workers").bind(task_type=function.name)

    async def attend(self, task: PolledTask) -> TaskResult | None:
        """Run the function with heartbeats; return its result, or None where nobody waits for one any more.

        A heartbeat is always waited for before the result is sent: the server writes a task back as it read
        it, so a heartbeat that crosses the result could undo it.
        """
        began = time.monotonic()
        work = asyncio.create_task(self._perform(task))
        wanted, introduced = True, False
        try:
            if task.retry_count or task.poll_count > 1:
                introduced = await self._introduce(task)
            while not (await asyncio.wait({work}, timeout=self._beat(task)))[0]:
                introduced = introduced or await self._introduce(task)
                wanted = wanted and await self._heartbeat(task)
                if not wanted and self._function.cancellable:
                    await self._cancel(task, work)
                    self._shared.metrics.ended(task.type, CANCELLED, time.monotonic() - began)
                    return None
        except asyncio.CancelledError:
            await self._abandon(task, work)
            raise
        result = self._result(task, work)
        self._shared.metrics.ended(task.type, result.status.value, time.monotonic() - began)
        return result

    def _result(self, task: PolledTask, work: asyncio.Task[TaskResult]) -> TaskResult:
        if work.cancelled():
            return self._shared.results.failed(task, RetryableFailure(f"{task.type} cancelled itself"))
        return work.result()

    async def _introduce(self, task: PolledTask) -> bool:
        """Write into the task's log who works on it: of those that take long or were begun before, and no others."""
        try:
            text = f"attempt {task.retry_count + 1}, delivery {task.poll_count}, by {self._shared.worker_id}"
            await self._shared.client.log(task.id, text)
        except ConductorError:  # a line less in a log
            return False
        return True

    async def deliver(self, result: TaskResult, *, take_next: bool) -> PolledTask | None:
        """Report a result for as long as it takes; return the next task if it is wanted and the answer carries one."""
        delays = pauses(self._timings)
        try:
            while True:
                take = take_next and not self._shared.stopped.done()
                try:
                    with self._shared.link.request(), self._shared.in_hand.asking():
                        return await self._shared.client.update(result, take_next=take)
                except ConductorNotFound:
                    self._log.warning("the execution is gone; its result is dropped", task=result.task.id)
                    return None
                except ConductorError as error:
                    if take:
                        self._shared.in_hand.answer_lost(error)
                    following = await self._after_refusal(result, error)
                except Exception as error:  # noqa: BLE001 - a result that cannot be sent must end its task, or it would hang
                    self._log.exception("a result cannot be sent", task=result.task.id)
                    await self._report_once(self._shared.results.failed(result.task, error))
                    return None
                if following is None:
                    return None
                result = following
                await asyncio.sleep(next(delays))
        except asyncio.CancelledError:
            self._log.error("stopped before a result was delivered", task=result.task.id, status=result.status.value)
            raise

    async def hand_back(self, task: PolledTask) -> None:
        """Put a task back into its queue, its retries unspent."""
        self._shared.metrics.handed_back(task.type)
        if await self._report_once(self._shared.results.handed_back(task)):
            self._log.info("task handed back", task=task.id, execution=task.execution_id)

    async def put_off(self, task: PolledTask) -> None:
        """Put a task back whose device is occupied, for ever longer, so that others get its place meanwhile."""
        self._shared.metrics.handed_back(task.type)
        seconds = min(self._timings.device_turn * 2 ** min(task.put_off, 10), self._timings.device_turn_last)
        if await self._report_once(self._shared.results.put_off(task, max(1, round(seconds)))):
            self._log.info("task put off: its device is occupied", task=task.id, seconds=round(seconds))

    def _beat(self, task: PolledTask) -> float:
        """Return the seconds to the next heartbeat; shorter while the server is away, so that it soon hears."""
        limits = [self._timings.heartbeat]
        if task.response_timeout:
            limits.append(task.response_timeout / 3)
        if not self._shared.link.up:
            limits.append(self._timings.reconnect_last)
        return min(limits)

    async def _heartbeat(self, task: PolledTask) -> bool:
        try:
            with self._shared.link.request():
                wanted = await self._shared.client.heartbeat(task)
        except ConductorError:
            return True
        if not wanted:
            self._log.warning("the server has ended a running task", task=task.id, execution=task.execution_id)
        return wanted

    async def _perform(self, task: PolledTask) -> TaskResult:
        results = self._shared.results
        shared = self._shared
        context = TaskContext(shared.settings, task, shared.client, shared.effects, shared.metrics)
        log = self._log.bind(task=task.id, execution=task.execution_id, retry=task.retry_count)
        log.info("task started")
        try:
            output = await self._function(self._input(task), context)
            result = results.completed(task, output)
        except K1Error as error:
            result = results.failed(task, error)
            log.warning("task failed", status=result.status.value, reason=result.reason)
        except Exception as error:  # a fault in one task function must fail its task, never the host
            result = results.failed(task, error)
            log.exception("task failed unexpectedly", reason=result.reason)
        else:
            log.info("task completed")
        return result

    def _input(self, task: PolledTask) -> Any:
        return read_input(self._function.input_model, task, self._shared.outputs)

    async def _after_refusal(self, result: TaskResult, error: ConductorError) -> TaskResult | None:
        """Return what to try next: the same result, a failure in its place, or nothing any more."""
        if not isinstance(error, ConductorRefused):
            return result
        if not await self._heartbeat(result.task):
            return None
        if error.status >= 500 or error.status in (408, 429):
            return result
        if result.output or len(result.log) > LONGEST_REASON:
            return self._shared.results.refused(result, error)
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
            await self.hand_back(task)

    async def _report_once(self, result: TaskResult) -> bool:
        """Report without another try: a hand-back that was heard must not be repeated once others run the task."""
        try:
            with self._shared.link.request():
                await self._shared.client.update(result, take_next=False)
        except ConductorError as error:
            self._log.warning(
                "a task comes back only after its response timeout", task=result.task.id, error=error.message
            )
            return False
        return True
