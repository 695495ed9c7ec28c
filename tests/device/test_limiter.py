"""Tests of the rate windows as this process keeps them."""

from __future__ import annotations

import asyncio
import time

import pytest

from k1nb.device._facts import Route
from k1nb.device._limiter import AT_ONCE, MARGIN, RateLimiter

QUICK = Route("GET", "/quick", 100)
FREE = Route("GET", "/free", 0)


def test_calls_of_one_route_are_spaced_by_its_window() -> None:
    """Between the end of one call and the start of the next lie the window and a fifth more."""

    async def moments() -> list[float]:
        limiter, seen = RateLimiter(), []
        for _ in range(3):
            async with limiter.turn(QUICK):
                seen.append(time.monotonic())
        return seen

    first, second, third = asyncio.run(moments())
    assert second - first >= 0.1 * MARGIN
    assert third - second >= 0.1 * MARGIN


def test_routes_do_not_wait_for_each_other() -> None:
    """Another route is free at once."""

    async def waited() -> float:
        limiter = RateLimiter()
        async with limiter.turn(Route("GET", "/slow", 60_000)):
            pass
        started = time.monotonic()
        async with limiter.turn(FREE):
            return time.monotonic() - started

    assert asyncio.run(waited()) < 5


def test_a_device_gets_two_requests_at_once_at_most() -> None:
    """Further calls wait for a place, whatever their routes."""

    async def most() -> int:
        limiter = RateLimiter()
        now = seen = 0

        async def call(number: int) -> None:
            nonlocal now, seen
            async with limiter.turn(Route("GET", f"/{number}", 0)):
                now += 1
                seen = max(seen, now)
                await asyncio.sleep(0.01)
                now -= 1

        await asyncio.gather(*(call(number) for number in range(8)))
        return seen

    assert asyncio.run(most()) == AT_ONCE == 2


def test_a_refusal_sets_the_wait() -> None:
    """After a refusal the next turn comes when the device said, even if the window is shorter."""

    async def waited() -> float:
        limiter = RateLimiter()
        async with limiter.turn(FREE):
            pass
        limiter.free_in(FREE, 0.15)
        started = time.monotonic()
        async with limiter.turn(FREE):
            return time.monotonic() - started

    assert asyncio.run(waited()) >= 0.14


def test_a_call_that_fails_uses_its_window_too() -> None:
    """The device may have counted a call whose answer was lost."""

    async def waited() -> float:
        limiter = RateLimiter()
        with pytest.raises(OSError, match="cut"):
            async with limiter.turn(QUICK):
                raise OSError("cut")
        started = time.monotonic()
        async with limiter.turn(QUICK):
            return time.monotonic() - started

    assert asyncio.run(waited()) >= 0.1
