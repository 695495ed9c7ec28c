"""Rate windows: the device takes one call per route and window, from all clients together."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from k1nb.device._facts import Route

MARGIN = 1.2
"""A window is waited for with a fifth more: its clock is the device's, not ours."""
AT_ONCE = 2
"""Requests that one device is given at the same time."""


@dataclass(slots=True)
class _Turn:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    free_at: float = 0.0


class RateLimiter:
    """Spaces the calls to one device, route by route; shared by all clients of that device in a process."""

    def __init__(self) -> None:
        self._turns: defaultdict[Route, _Turn] = defaultdict(_Turn)
        self._places = asyncio.Semaphore(AT_ONCE)

    @asynccontextmanager
    async def turn(self, route: Route) -> AsyncIterator[None]:
        """Wait until the route's window has passed and a place is free; the window starts anew at the end."""
        turn = self._turns[route]
        async with turn.lock:
            await asyncio.sleep(max(0.0, turn.free_at - time.monotonic()))
            async with self._places:
                try:
                    yield
                finally:
                    turn.free_at = time.monotonic() + route.window * MARGIN / 1000

    def free_in(self, route: Route, seconds: float) -> None:
        """Note what the device says of this route, or what is known: the next call may come in so many seconds."""
        self._turns[route].free_at = time.monotonic() + seconds
