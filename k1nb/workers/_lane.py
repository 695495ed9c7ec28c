"""One task type in a worker host: polled for when something waits, run up to its concurrency, drained."""

from __future__ import annotations

import asyncio
from typing import Any
from zlib import crc32

import structlog

from k1nb.conductor import PolledTask
from k1nb.errors import ConductorError
from k1nb.workers._attempt import Attempts
from k1nb.workers._link import pauses
from k1nb.workers._shared import Shared
from k1nb.workers._task import TaskFunction


class Lane:
    """Polls for one task type and runs what comes, up to the function's concurrency.

    It polls when the scout says that something waits, after an answer that left something, and every
    `timings.poll_anyway` at the latest. No poll waits at the server, so a host that dies leaves none behind.
    """

    def __init__(self, function: TaskFunction[Any, Any], shared: Shared) -> None:
        self._function = function
        self._shared = shared
        self._timings = shared.timings
        self._attempts = Attempts(function, shared)
        self._running: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._wake.set()
        self._more = False
        """Whether the last poll was answered with all it asked for, so that more may wait."""
        self._polled_at = 0.0
        self._waiting = 0
        """What the scout saw waiting, and made this type poll for."""
        self._withheld = 0
        """How many waited at the last poll that brought nothing: they wait for their time."""
        # Each type has its own rhythm, or all would ask in the same moment.
        self._patience = self._timings.poll_anyway * (0.75 + crc32(function.name.encode()) / 2**34)
        self._log = structlog.get_logger("k1nb.workers").bind(task_type=function.name)
        self.queue = f"{shared.domain}:{function.name}" if shared.domain else function.name

    def told(self, waiting: int | None, asked_at: float) -> None:
        """Hear from the scout how many tasks wait, and poll if that can bring one."""
        if asked_at < self._polled_at:
            if waiting:
                self._shared.scout.nudge()  # counted before the last poll took some away
            return
        known, self._withheld = self._withheld, min(self._withheld, waiting or 0)
        due = asked_at - self._polled_at >= self._timings.look_idle
        if waiting is None or waiting > known or (waiting and due):
            self._waiting = waiting or 0
            self._wake.set()

    async def run(self) -> None:
        """Serve until `stopped` is done; give what runs until `timings.drain` after that, and hand the rest back."""
        self._shared.stopped.add_done_callback(lambda _: self._wake.set())
        try:
            await self._poll_until_stopped()
            if self._running:
                left = self._shared.stopped.result() + self._timings.drain - asyncio.get_running_loop().time()
                self._log.info("draining", tasks=len(self._running), seconds=round(left))
                await asyncio.wait(self._running, timeout=max(left, 0.0))
        finally:
            late = list(self._running)
            for running in late:
                running.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _poll_until_stopped(self) -> None:
        """Poll while there is room; what a poll still brings after the stop is handed back."""
        stopped, delays = self._shared.stopped, pauses(self._timings)
        while not stopped.done():
            if len(self._running) >= self._function.concurrency:
                await asyncio.wait({*self._running, stopped}, return_when=asyncio.FIRST_COMPLETED)
                continue
            if not self._more:
                await self._until_due()
            if stopped.done():
                return
            room = self._function.concurrency - len(self._running)
            if not await self._poll(room):
                await asyncio.wait({stopped}, timeout=next(delays))
                continue
            delays = pauses(self._timings)

    async def _until_due(self) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _poll(self, room: int) -> bool:
        """Take up to `room` tasks, and tell whether the server answered."""
        self._wake.clear()
        expected, self._waiting = self._waiting, 0
        try:
            with self._shared.link.request(), self._shared.in_hand.asking():
                tasks = await self._shared.client.poll(
                    self._function.name, worker_id=self._shared.worker_id, domain=self._shared.domain, count=room
                )
        except ConductorError as error:
            self._shared.in_hand.answer_lost(error)
            self._more = False
            return False
        self._polled_at = asyncio.get_running_loop().time()
        self._more = len(tasks) == room
        if not tasks:
            self._withheld = expected
        for task in tasks:
            if self._shared.stopped.done():
                await self._attempts.hand_back(task)
            else:
                self._start(task)
        return True

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
            with self._shared.in_hand.holding(current.id):
                with self._shared.devices.slot(current) as free, self._shared.metrics.in_flight(task.type):
                    if not free:
                        await self._attempts.put_off(current)
                        return
                    result = await self._attempts.attend(current)
                take_next = self._more
                current = await self._attempts.deliver(result, take_next=take_next) if result is not None else None
            self._more = self._more and (current is not None or not take_next)
            self._shared.scout.nudge()
            if current is not None and self._shared.stopped.done():
                await self._attempts.hand_back(current)
                return
