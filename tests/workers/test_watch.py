"""The worker host's look for executions that the server has really lost sight of."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from k1nb.conductor import Conductor
from k1nb.config import Settings
from tests.conductor.forgetting import forget
from tests.workers.scratch import Scratch, hosting, unique
from tests.workers.test_host import Gate, gated

pytestmark = pytest.mark.anyio


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
