"""A process that takes turns at a device's routes and says when it had them; told on stdin, one job a line."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

from k1nb.device import Device
from k1nb.device._facts import Route
from k1nb.device._limiter import RateLimiter
from k1nb.paths import Paths

K1 = Device("k1", "02:4B:31:00:00:09", "127.0.0.1")


def route(window: int) -> Route:
    """Return the route that is called."""
    return Route("GET", "/called", window)


async def call(limiter: RateLimiter, window: int, duration: int) -> tuple[float, float]:
    """Take one turn for so many ms, and return when it began and ended."""
    async with limiter.turn(route(window)):
        began = time.monotonic()
        await asyncio.sleep(duration / 1000)
        return began, time.monotonic()


async def work(home: str, window: int, durations: list[int], *, together: bool) -> list[tuple[float, float]]:
    """Take turns, one after the other or all asked for together, each by a limiter of its own."""
    paths = Paths(Path(home), Path(home), Path(home))
    if together:
        return await asyncio.gather(*(call(RateLimiter(paths, K1), window, duration) for duration in durations))
    return [await call(RateLimiter(paths, K1), window, duration) for duration in durations]


def main() -> None:
    """Do one job after the other until there is no more."""
    for line in sys.stdin:
        job = json.loads(line)
        done = asyncio.run(work(job["home"], job["window"], job["durations"], together=job["together"]))
        sys.stdout.write(json.dumps(done) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
