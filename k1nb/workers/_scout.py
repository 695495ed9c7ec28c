"""What waits at the server: asked for once for all task types, so that only those with something waiting are polled.

A poll that waits makes the server query its database ten times a second, for each task type; one look at all its
queues is a single query. After each result the next look follows at once, for the server has queued what comes next
by the time it answers.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Protocol

from k1nb.conductor import TaskClient
from k1nb.errors import ConductorError, ConductorRefused
from k1nb.timings import Timings
from k1nb.workers._link import Link, pauses


class Listener(Protocol):
    """What is told how many tasks wait in its queue."""

    queue: str

    def told(self, waiting: int | None, asked_at: float) -> None:
        """Hear what waited after `asked_at`, by the loop's clock; None means that the server does not say."""


class Scout:
    """Looks at the server's queues and tells the listeners: often while there is work, now and then while not."""

    def __init__(self, client: TaskClient, link: Link, timings: Timings) -> None:
        self._client = client
        self._link = link
        self._timings = timings
        self._nudged = asyncio.Event()
        self._worked_at = 0.0
        self._looks = 0
        self._running = False
        self.answered_at: float | None = None
        """When the server last told what waits, by time.monotonic()."""

    def age(self) -> float:
        """Return the seconds since the server last told what waits; NaN before it first did."""
        return math.nan if self.answered_at is None else time.monotonic() - self.answered_at

    def running_looks(self) -> int | None:
        """Return how many looks have ended, answered or not; None while none is made."""
        return self._looks if self._running else None

    def nudge(self) -> None:
        """Look again at once: something has happened that may have put a task into a queue."""
        self._worked_at = asyncio.get_running_loop().time()
        self._nudged.set()

    async def run(self, listeners: Sequence[Listener], stopped: asyncio.Task[float]) -> None:
        """Look until `stopped` is done."""
        stopped.add_done_callback(lambda _: self._nudged.set())
        loop, delays = asyncio.get_running_loop(), pauses(self._timings)
        self._running = True
        while not stopped.done():
            self._nudged.clear()
            asked = loop.time()
            answered = await self._look(listeners, asked)
            self._looks += 1
            if answered:
                self.answered_at = time.monotonic()
                delays = pauses(self._timings)
                await self._rest(took=loop.time() - asked, stopped=stopped)
            else:
                await asyncio.wait({stopped}, timeout=next(delays))
        self._running = False

    async def _look(self, listeners: Sequence[Listener], asked: float) -> bool:
        sizes: Mapping[str, int] | None = None
        try:
            with self._link.request():
                sizes = await self._client.queue_sizes()
        except ConductorRefused as error:
            if not _withheld(error):
                return False
        except ConductorError:
            return False
        for listener in listeners:
            listener.told(None if sizes is None else sizes.get(listener.queue, 0), asked)
        return True

    async def _rest(self, *, took: float, stopped: asyncio.Task[float]) -> None:
        """Wait for a nudge or the next time; a server that is slow to answer is asked less often."""
        if not self._nudged.is_set():
            try:
                async with asyncio.timeout(self._interval()):
                    await self._nudged.wait()
            except TimeoutError:
                return
        await asyncio.wait({stopped}, timeout=min(3 * took, self._timings.look_busy))

    def _interval(self) -> float:
        worked = asyncio.get_running_loop().time() - self._worked_at < self._timings.look_calm
        return self._timings.look_busy if worked else self._timings.look_idle


def _withheld(error: ConductorRefused) -> bool:
    """Tell whether this server never says what waits, to us at least: every type is polled then."""
    return error.status in (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)
