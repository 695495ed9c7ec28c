"""How rarely an idle worker host asks, and how soon it notices work."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from k1nb.workers import RetryableFailure
from tests.workers.scratch import Scratch, answering, hosting, settings_for, unique
from tests.workers.test_host import Gate, gated, raising
from tests.workers.test_lane import Proxy, counting, serving

pytestmark = pytest.mark.anyio


class Counting(Proxy):
    """A proxy that keeps the request lines it has passed on."""

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        self.lines: list[str] = []

    async def _answer(self, fault: str | int, request: bytes) -> bytes:
        self.lines.append(request.split(b" HTTP/")[0].decode())
        return await super()._answer(fault, request)

    def polls(self, task_type: str = "") -> int:
        """Tell how many polls were passed on."""
        return sum(f"/tasks/poll/batch/{task_type}" in line for line in self.lines)


async def test_an_idle_host_asks_once_for_all_types(conductor_url: str, tmp_path: Path) -> None:
    """Twenty idle types are polled once each, at the start, and then there is one request for all of them."""
    gate = Gate()
    async with (
        serving(Counting(conductor_url)) as (url, proxy),
        hosting(settings_for(url, tmp_path), *(gated(unique(f"idle{n}"), gate) for n in range(20))),
    ):
        async with asyncio.timeout(60):
            while proxy.polls() < 20:  # noqa: ASYNC110 - the proxy has no events
                await asyncio.sleep(0.05)
        proxy.lines.clear()
        await asyncio.sleep(3)
        idle = list(proxy.lines)
    assert not [line for line in idle if not line.startswith("GET /api/tasks/queue/all")]
    assert 2 <= len(idle) <= 8


async def test_only_the_type_that_has_work_is_polled(scratch: Scratch, conductor_url: str, tmp_path: Path) -> None:
    """A task is fetched by a poll for its own type; the others are left in peace."""
    name, other, gate = await scratch.define(unique("working")), unique("resting"), Gate()
    gate.opened.set()
    async with (
        serving(Counting(conductor_url)) as (url, proxy),
        hosting(settings_for(url, tmp_path), gated(name, gate), gated(other, gate)),
    ):
        for _ in range(3):
            execution = await scratch.ended(await scratch.start(name, text="x"))
            assert execution["status"] == "COMPLETED"
    assert proxy.polls(other) == 1
    assert 3 <= proxy.polls(name) <= 12


async def test_what_waits_for_its_next_try_does_not_hide_new_work(
    scratch: Scratch, conductor_url: str, tmp_path: Path
) -> None:
    """While a failed task waits a minute for its next try, its type is polled now and then, and new tasks are run."""
    name = await scratch.define(unique("later"), retryCount=1, retryDelaySeconds=60)
    async with (
        serving(Counting(conductor_url)) as (url, proxy),
        hosting(settings_for(url, tmp_path), raising(name, RetryableFailure("not yet"))),
    ):
        waiting = await scratch.start(name, text="x")
        async with asyncio.timeout(60):
            while len(await scratch.tasks(waiting)) < 2:  # noqa: ASYNC110 - the server sends no events
                await asyncio.sleep(0.05)
        before = proxy.polls(name)
        await asyncio.sleep(3)
        assert 1 <= proxy.polls(name) - before <= 8
        following = await scratch.ended(await scratch.start(name, text="y"))
    assert following["status"] == "COMPLETED"
    await scratch.terminate(waiting)


async def test_where_the_server_keeps_its_queues_to_itself_every_type_is_polled(tmp_path: Path) -> None:
    """A server that refuses to say what waits is polled for each type instead, as often as it would be asked."""
    async with (
        answering(b'{"message": "no"}', 403) as (url, seen),
        hosting(settings_for(url, tmp_path, timings_scale=0.2), counting("one", []), counting("two", [])),
    ):
        await asyncio.sleep(2)
    polls = [sum(f"/tasks/poll/batch/{name}" in line for line in seen) for name in ("one", "two")]
    assert min(polls) >= 3
