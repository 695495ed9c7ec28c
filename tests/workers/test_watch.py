"""The worker host's look for executions that the server has really lost sight of."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from k1nb.conductor import Conductor, Repair
from k1nb.config import Settings
from k1nb.timings import Timings
from tests.conductor.forgetting import forget
from tests.workers.scratch import Scratch, hosting, unique
from tests.workers.test_host import Gate, gated

pytestmark = pytest.mark.anyio


class Watchful(Settings):
    """Settings of a host that looks for forgotten executions all the time."""

    @property
    def timings(self) -> Timings:
        """The waits and deadlines in force."""
        return replace(super().timings, forgotten_look=0.05)


async def test_a_look_that_breaks_ends_no_host(
    scratch: Scratch, host_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong within a look is logged with where it happened, and the host goes on with its tasks."""
    looked = threading.Event()

    def broken(*_: object, **__: object) -> list[Repair]:
        looked.set()
        raise ValueError("nobody thought of this")

    monkeypatch.setattr("k1nb.workers._watch.repair", broken)
    name, gate = unique("broken-look").replace("-", "_"), Gate()
    gate.opened.set()
    await scratch.define(name)
    with capture_logs() as lines:
        async with hosting(Watchful(**host_settings.model_dump()), gated(name, gate)):
            assert await asyncio.to_thread(looked.wait, 20)
            execution = await scratch.ended(await scratch.start(name, text="x"))
    assert execution["status"] == "COMPLETED"
    told = [line for line in lines if line["event"] == "the look for forgotten executions failed"]
    assert told
    assert all(line["exc_info"] and line["log_level"] == "error" for line in told)


async def test_a_host_continues_what_the_server_forgot(
    scratch: Scratch, host_settings: Settings, conductor_database: Path
) -> None:
    """A forgotten execution goes on to its end by itself, and the log says which and how many."""
    name, gate = unique("forgotten"), Gate()
    gate.opened.set()
    await scratch.define_workflow(name, [f"{name}_first", f"{name}_second"])
    execution_id = await scratch.start(name, text="x")
    with Conductor.from_settings(host_settings) as conductor:
        forget(conductor_database, await asyncio.to_thread(conductor.execution, execution_id))
    with capture_logs() as lines:
        async with hosting(host_settings, gated(f"{name}_second", gate)):
            execution = await scratch.ended(execution_id)
            await asyncio.sleep(0.5)
    assert (execution["status"], gate.runs) == ("COMPLETED", 1)
    (told,) = [line for line in lines if line["event"] == "forgotten executions continued"]
    assert execution_id in told["executions"]
    assert told["since_start"] == len(told["executions"])
