"""Tests of the rate windows as this host keeps them, for all its processes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from k1nb.device import Device
from k1nb.device._facts import Route
from k1nb.device._limiter import AT_ONCE, LONGEST_REFUSAL, MARGIN, RateLimiter
from k1nb.paths import Paths
from tests.device import _caller

QUICK = Route("GET", "/quick", 100)
FREE = Route("GET", "/free", 0)
K1 = Device("k1", "02:4B:31:00:00:09", "127.0.0.1")
Make = Callable[[], RateLimiter]


@pytest.fixture
def limiter(paths: Paths) -> Make:
    """Return a function that makes another limiter of one device, as each process and client has its own."""
    return lambda: RateLimiter(paths, K1)


async def turned(limiter: RateLimiter, route: Route) -> float:
    """Take a turn, and return the moment at which it was had."""
    async with limiter.turn(route):
        return time.monotonic()


async def waited(limiter: RateLimiter, route: Route) -> float:
    """Return how long a turn was waited for."""
    started = time.monotonic()
    return await turned(limiter, route) - started


def windows_of(paths: Paths, route: Route) -> Path:
    """Return the file of a route, after one turn of it."""
    asyncio.run(turned(RateLimiter(paths, K1), route))
    return next(paths.devices.glob(f"windows/*/{route.method}.*"))


def test_calls_of_one_route_are_spaced_by_its_window(limiter: Make) -> None:
    """Between the end of one call and the start of the next lie the window and a fifth more, whoever calls."""

    async def moments() -> list[float]:
        return [await turned(limiter(), QUICK) for _ in range(3)]

    first, second, third = asyncio.run(moments())
    assert second - first >= 0.1 * MARGIN
    assert third - second >= 0.1 * MARGIN


def test_routes_do_not_wait_for_each_other(limiter: Make) -> None:
    """Another route is free at once, an alias of the same path too."""

    async def both() -> float:
        await turned(limiter(), Route("GET", "/slow/one", 60_000))
        return await waited(limiter(), Route("GET", "/slow-one", 60_000))

    assert asyncio.run(both()) < 5


def test_devices_do_not_wait_for_each_other(paths: Paths) -> None:
    """The same route of another device is free at once."""

    async def both() -> float:
        await turned(RateLimiter(paths, K1), Route("GET", "/slow", 60_000))
        return await waited(RateLimiter(paths, Device("k2", "02:4B:31:00:00:10", "127.0.0.1")), Route("GET", "/slow"))

    assert asyncio.run(both()) < 5


@pytest.mark.parametrize("limiters", [1, 4])
def test_a_device_gets_two_requests_at_once_at_most(limiter: Make, limiters: int) -> None:
    """Further calls wait for a place, whatever their routes and whoever makes them."""

    async def most() -> int:
        made = [limiter() for _ in range(limiters)]
        now = seen = 0

        async def call(number: int) -> None:
            nonlocal now, seen
            async with made[number % limiters].turn(Route("GET", f"/{number}", 0)):
                now += 1
                seen = max(seen, now)
                await asyncio.sleep(0.01)
                now -= 1

        await asyncio.gather(*(call(number) for number in range(8)))
        return seen

    assert asyncio.run(most()) == AT_ONCE == 2


def test_a_refusal_sets_the_wait(limiter: Make) -> None:
    """After a refusal the next turn comes when the device said, even if the window is shorter."""

    async def after_refusal() -> float:
        async with limiter().turn(FREE) as turn:
            turn.free_in(0.15)
        return await waited(limiter(), FREE)

    assert asyncio.run(after_refusal()) >= 0.14


def test_a_call_that_fails_uses_its_window_too(limiter: Make) -> None:
    """The device may have counted a call whose answer was lost."""

    async def after_failure() -> float:
        with pytest.raises(OSError, match="cut"):
            async with limiter().turn(QUICK):
                raise OSError("cut")
        return await waited(limiter(), QUICK)

    assert asyncio.run(after_failure()) >= 0.1


def test_a_cancelled_wait_holds_nothing(limiter: Make) -> None:
    """Whoever gives up waiting leaves route and places to the others."""

    async def abandoned() -> float:
        async with limiter().turn(QUICK):
            waiting = asyncio.create_task(turned(limiter(), QUICK))
            await asyncio.sleep(0.01)
            waiting.cancel()
        return await waited(limiter(), QUICK)

    assert 0.1 <= asyncio.run(abandoned()) < 5


def test_a_clock_that_started_anew_is_noticed(paths: Paths, limiter: Make) -> None:
    """After a boot of the host the clock starts at 0: what was noted before keeps nobody waiting longer than once."""
    file = windows_of(paths, QUICK)
    asyncio.run(_far_ahead(limiter()))
    assert asyncio.run(waited(limiter(), QUICK)) < LONGEST_REFUSAL
    file.write_bytes(b"\x00\x01")
    assert asyncio.run(waited(limiter(), QUICK)) < LONGEST_REFUSAL


async def _far_ahead(limiter: RateLimiter) -> None:
    async with limiter.turn(QUICK) as turn:
        turn.free_in(40 * 24 * 3600.0)


def test_an_uncontended_turn_costs_less_than_a_millisecond(limiter: Make) -> None:
    """The windows may be asked for in front of every call."""

    async def fastest() -> float:
        one = limiter()
        await turned(one, FREE)
        return min([await _cost(one) for _ in range(50)])

    assert asyncio.run(fastest()) < 0.001


async def _cost(limiter: RateLimiter) -> float:
    started = time.perf_counter()
    async with limiter.turn(FREE):
        pass
    return time.perf_counter() - started


def test_windows_that_cannot_be_kept_end_no_call(paths: Paths, limiter: Make) -> None:
    """Where its file cannot be had a call is made all the same, spaced by what this client alone knows."""
    windows_of(paths, QUICK).unlink()
    next(paths.devices.glob("windows/*/")).joinpath("GET.quick").mkdir()

    async def twice() -> tuple[float, float]:
        one = limiter()
        return await waited(one, QUICK), await waited(one, QUICK)

    first, second = asyncio.run(twice())
    assert first < 0.05 < QUICK.window / 1000 <= second


class Caller:
    """Another process of this host that takes turns when it is told to."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.device._caller"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def tell(self, **job: Any) -> None:
        """Give it a job."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()

    def said(self) -> Any:
        """Wait for what it says."""
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def end(self) -> None:
        """End it and wait until it is."""
        self.process.kill()
        self.process.communicate()


@pytest.fixture(scope="module")
def callers() -> Iterator[list[Caller]]:
    """Return three further processes."""
    made = [Caller() for _ in range(3)]
    yield made
    for caller in made:
        caller.end()


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    window=st.integers(min_value=20, max_value=60),
    calls=st.lists(st.lists(st.sampled_from([0, 5, 30]), min_size=1, max_size=4), min_size=3, max_size=3),
    together=st.booleans(),
)
def test_no_two_calls_of_any_processes_fall_into_one_window(
    tmp_path_factory: pytest.TempPathFactory,
    callers: list[Caller],
    window: int,
    calls: list[list[int]],
    together: bool,
) -> None:
    """However many processes call, for however long each call lasts: no window ever holds two of them."""
    home = str(tmp_path_factory.mktemp("windows"))
    for caller, durations in zip(callers, calls, strict=True):
        caller.tell(home=home, window=window, durations=durations, together=together)
    moments = sorted(tuple(moment) for caller in callers for moment in caller.said())
    assert len(moments) == sum(map(len, calls))
    for (_, ended), (started, _) in pairwise(moments):
        assert started - ended >= window / 1000


def test_a_caller_that_is_killed_frees_its_route_after_one_window(paths: Paths) -> None:
    """The device may have taken the call of a process that died in it: one window later the route is free."""
    caller = Caller()
    try:
        route = _caller.route(300)
        caller.tell(home=str(paths.home), window=300, durations=[60_000], together=False)
        file = paths.devices / "windows" / _caller.K1.mac.replace(":", "") / f"GET{route.path.replace('/', '.')}"
        deadline = time.monotonic() + 20
        while not file.exists() or not file.stat().st_size:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.kill(caller.process.pid, signal.SIGKILL)
        caller.process.wait()
        found = asyncio.run(waited(RateLimiter(paths, _caller.K1), route))
    finally:
        caller.end()
    assert 0.3 <= found < 5
