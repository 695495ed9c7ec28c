"""Worker hosts that are killed, on a real Conductor server."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from k1nb.config import Settings
from k1nb.errors import ServiceError, StorageError
from k1nb.workers import WorkerHost, worker_id
from k1nb.workers._recovery import BEGUN_AT_MOST
from tests.workers.scratch import Scratch, hosting, unique, until
from tests.workers.test_host import Gate, gated

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def victim(home: Path, url: str, name: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a worker host in a process of its own; at the end it is killed if it lives."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.workers.victim", str(home), url, name)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.timeout(180)  # two hosts are started
async def test_a_killed_hosts_task_goes_on_at_once(scratch: Scratch, conductor_url: str, tmp_path: Path) -> None:
    """After kill -9 the next host of the home takes the same attempt up: begun twice, no retry spent, completed."""
    name = await scratch.define(unique("killed"), responseTimeoutSeconds=600)
    runs = tmp_path / "runs"

    async def begun() -> bool:
        return runs.exists() and runs.read_text().endswith("\n")

    async with victim(tmp_path, conductor_url, name) as host:
        execution_id = await scratch.start(name, text="x")
        await until(begun)
        host.kill()
        await host.wait()
    assert (tmp_path / "workers.pid").read_text() == f"{host.pid}\n"
    (tmp_path / "open").touch()
    async with victim(tmp_path, conductor_url, name) as host:
        execution = await scratch.ended(execution_id)
        host.terminate()
        assert await host.wait() == 0
    (only,) = execution["tasks"]
    assert (execution["status"], only["pollCount"], only["retryCount"]) == ("COMPLETED", 2, 0)
    assert runs.read_text() == f"{only['taskId']}\n" * 2
    assert any("whose host was killed" in line for line in await scratch.task_log(only["taskId"]))
    assert not (tmp_path / "workers.pid").exists()


async def test_what_an_abandoned_poll_was_handed_comes_back(scratch: Scratch, host_settings: Settings) -> None:
    """A task that the server hands to a dead host's open poll is taken up as soon as that poll is over."""
    name, gate = await scratch.define(unique("abandoned"), responseTimeoutSeconds=600), Gate()
    (host_settings.home / "workers.pid").write_text("1\n")
    gate.opened.set()
    async with hosting(host_settings, gated(name, gate)):
        poll = asyncio.create_task(scratch.take(name, worker_id(host_settings)))
        execution_id = await scratch.start(name, text="x")
        taken = await poll
        execution = await scratch.ended(execution_id)
    (only,) = execution["tasks"]
    assert (only["taskId"], only["pollCount"], gate.runs) == (taken, 2, 1)


async def test_the_tasks_of_others_are_left_alone(scratch: Scratch, host_settings: Settings) -> None:
    """A task that another home's host works on is none of ours."""
    name, gate = await scratch.define(unique("others"), responseTimeoutSeconds=600), Gate()
    execution_id = await scratch.start(name, text="x")
    await scratch.take(name, "somebody:else")
    async with hosting(host_settings, gated(name, gate)):
        await asyncio.sleep(1)
    (only,) = await scratch.tasks(execution_id)
    assert (only["status"], only["workerId"], gate.runs) == ("IN_PROGRESS", "somebody:else", 0)
    await scratch.terminate(execution_id)


async def test_a_task_that_kills_its_hosts_spends_its_retries(scratch: Scratch, host_settings: Settings) -> None:
    """What was begun too often without an end counts as a failed attempt, so that it cannot go on for ever."""
    name, gate = await scratch.define(unique("deadly"), responseTimeoutSeconds=600, retryCount=1), Gate()
    gate.opened.set()
    execution_id = await scratch.start(name, text="x")
    for number in range(BEGUN_AT_MOST):
        task_id = await scratch.take(name, worker_id(host_settings))
        if number < BEGUN_AT_MOST - 1:
            await scratch.give_back(execution_id, task_id, worker_id(host_settings))
    async with hosting(host_settings, gated(name, gate)):
        execution = await scratch.ended(execution_id)
    assert [task["status"] for task in execution["tasks"]] == ["FAILED", "COMPLETED"]
    assert execution["tasks"][0]["reasonForIncompletion"] == "begun 5 times, and its worker was lost each time"


async def test_a_home_that_cannot_be_locked_is_named(host_settings: Settings) -> None:
    """Where the lock cannot be made, the error names its file."""
    (host_settings.home / "workers.lock").mkdir()
    with pytest.raises(StorageError, match=r"workers\.lock"):
        await WorkerHost(host_settings, []).run(asyncio.Event())


async def test_a_home_has_one_host(scratch: Scratch, host_settings: Settings) -> None:
    """A second host of the same home is refused, by the first one's pid, and disturbs nothing."""
    name, gate = await scratch.define(unique("first")), Gate()
    gate.opened.set()
    with capture_logs() as lines:
        async with hosting(host_settings, gated(name, gate)):
            await asyncio.sleep(0.2)
            with pytest.raises(ServiceError, match=rf"another worker host .* \(pid {os.getpid()}\)") as caught:
                await WorkerHost(host_settings, [gated(name, gate)]).run(asyncio.Event())
            assert "k1nb down workers" in (caught.value.hint or "")
            assert (await scratch.ended(await scratch.start(name, text="x")))["status"] == "COMPLETED"
    assert [line["event"] for line in lines].count("worker host started") == 1
    async with hosting(host_settings, gated(name, gate)):
        await asyncio.sleep(0.2)
