"""A worker host that hangs ends itself."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from k1nb.timings import Timings
from k1nb.workers._watchdog import EXIT_CODE, Watchdog
from tests.workers.scratch import PATIENCE, Scratch, unique

pytestmark = pytest.mark.anyio

SHORT = replace(Timings(), loop_hang=0.4, poll_hang=0.4)


async def test_a_blocked_loop_ends_the_process(scratch: Scratch, conductor_url: str, tmp_path: Path) -> None:
    """A blocked loop ends the host with 1, the reason and the stacks; its pid stays, so that the next host recovers."""
    name = await scratch.define(unique("blocking"))
    command = (sys.executable, "-m", "tests.workers.victim", str(tmp_path), conductor_url, name, "block")
    pipe = asyncio.subprocess.PIPE
    host = await asyncio.create_subprocess_exec(*command, stderr=pipe, stdout=pipe)
    await scratch.start(name, text="x")
    async with asyncio.timeout(PATIENCE):
        out, err = await host.communicate()
    text = (out + err).decode()
    assert host.returncode == EXIT_CODE
    assert "the worker host hangs and ends itself" in text
    assert "its event loop has not run for" in text
    assert "in block" in text
    assert (tmp_path / "workers.pid").exists()


async def test_requests_that_never_end_are_noticed() -> None:
    """A host whose requests neither succeed nor fail any more is ended, however lively its loop."""
    ended, why = asyncio.Event(), list[str]()
    loop = asyncio.get_running_loop()

    def end(reason: str) -> None:
        why.append(reason)
        loop.call_soon_threadsafe(ended.set)

    with Watchdog(SHORT, lambda: 3, end):
        async with asyncio.timeout(PATIENCE):
            await ended.wait()
    assert "its own requests" in why[0]


async def test_a_lively_host_is_left_alone() -> None:
    """While the loop runs and requests end, or none is expected, nothing happens."""
    why, looks = list[str](), 0
    began = time.monotonic()
    with (
        Watchdog(replace(Timings(), loop_hang=10, poll_hang=10), lambda: looks, why.append),
        Watchdog(replace(SHORT, loop_hang=10), lambda: None, why.append),
    ):
        while time.monotonic() - began < 1:
            looks += 1
            await asyncio.sleep(0.05)
    assert why == []
    assert not [thread for thread in threading.enumerate() if thread.name == "watchdog" and thread.is_alive()]
