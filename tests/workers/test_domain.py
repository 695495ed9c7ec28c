"""A worker host that serves a task domain."""

from __future__ import annotations

import pytest

from k1nb.config import Settings
from k1nb.errors import UsageError
from k1nb.workers import serve
from tests.workers.scratch import Scratch, hosting, settings_for, unique
from tests.workers.test_host import Gate, gated

pytestmark = pytest.mark.anyio


async def test_a_site_gets_its_own_tasks_only(scratch: Scratch, host_settings: Settings, conductor_url: str) -> None:
    """Executions started for a domain go to that domain's host, all others to the host without one."""
    name, north, plain = await scratch.define(unique("site")), Gate(), Gate()
    north.opened.set()
    plain.opened.set()
    elsewhere = settings_for(conductor_url, host_settings.home / "plain", timings_scale=0.2)
    async with (
        hosting(host_settings, gated(name, north, concurrency=1), domain="north"),
        hosting(elsewhere, gated(name, plain)),
    ):
        sited = [await scratch.start_in("north", name, text="x") for _ in range(4)]
        other = await scratch.ended(await scratch.start(name, text="y"))
        ended = [await scratch.ended(execution) for execution in sited]
    assert {execution["status"] for execution in (*ended, other)} == {"COMPLETED"}
    assert (north.runs, plain.runs) == (4, 1)


async def test_a_domain_that_is_none_is_refused(host_settings: Settings) -> None:
    """A name that a queue cannot carry is refused before anything is polled."""
    with pytest.raises(UsageError, match="'a:b' is no task domain"):
        await serve(host_settings, [], domain="a:b")
