"""A worker host that serves a task domain."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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


def test_the_command_line_hands_the_domain_on(tmp_path: Path) -> None:
    """`k1nb workers --domain` with a wrong name ends with 2, the name and a hint."""
    command = [sys.executable, "-m", "k1nb", "workers", "--domain", "a:b"]
    environment = {**os.environ, "K1NB_HOME": str(tmp_path)}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "'a:b' is no task domain" in ended.stderr
    assert "hint: " in ended.stderr
