"""What the worker host says about itself to Prometheus."""

from __future__ import annotations

import asyncio
import socket

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from k1nb.config import Settings
from k1nb.workers import TerminalFailure
from k1nb.workers._metrics import HOST, STATUSES, Metrics
from tests.workers.scratch import Scratch, hosting, unique, until
from tests.workers.test_host import Gate, gated, raising

pytestmark = pytest.mark.anyio


async def scrape(port: int) -> dict[tuple[str, ...], float]:
    """Return each sample by its name and the values of its labels, the task's before the status."""
    async with httpx.AsyncClient(trust_env=False) as client:
        text = (await client.get(f"http://{HOST}:{port}/metrics")).text
    families = text_string_to_metric_families(text)
    samples = [sample for family in families for sample in family.samples]
    return {(s.name, *(v for _, v in sorted(s.labels.items(), reverse=True))): s.value for s in samples}


async def test_tasks_are_counted_and_timed(scratch: Scratch, host_settings: Settings) -> None:
    """Each task type is there with 0 from the start; what ends is counted by its status, and timed."""
    good, bad, idle, gate = await scratch.define(unique("good")), unique("bad"), unique("idle"), Gate()
    await scratch.define(bad)
    port = host_settings.metrics_port
    failing = raising(bad, TerminalFailure("no"))
    async with hosting(host_settings, gated(good, gate), failing, gated(idle, gate)):
        execution = await scratch.start(good, text="x")
        await gate.reached()
        during = await scrape(port)
        gate.opened.set()
        await scratch.ended(execution)
        await scratch.ended(await scratch.start(bad, text="x"))

        async def counted() -> bool:
            return (await scrape(port))["conductor_task_executions_total", bad, STATUSES[2]] == 1

        await until(counted)
        after = await scrape(port)
    assert {during["conductor_task_executions_total", idle, status] for status in STATUSES} == {0}
    assert (during["k1nb_worker_tasks_in_flight", good], after["k1nb_worker_tasks_in_flight", good]) == (1, 0)
    assert after["conductor_task_executions_total", good, "COMPLETED"] == 1
    assert after["conductor_task_duration_seconds_count", good] == 1
    assert after["k1nb_forgotten_executions_continued_total",] == 0
    assert 0 <= after["k1nb_worker_last_poll_age_seconds",] < 10
    with pytest.raises(httpx.ConnectError):
        await scrape(port)


async def test_builds_are_counted_by_their_end() -> None:
    """A build that returns is a success, one that raises failed, one that is cut cancelled."""
    metrics = Metrics([])
    for error in (None, ValueError(), asyncio.CancelledError()):
        try:
            with metrics.build("esp32"):
                if error:
                    raise error
        except (ValueError, asyncio.CancelledError):
            pass
    for status in ("success", "failed", "cancelled"):
        labels = {"status": status, "environment": "esp32"}
        assert metrics.registry.get_sample_value("k1_firmware_builds_total", labels) == 1
    assert metrics.registry.get_sample_value("k1_firmware_build_duration_seconds_count") == 3


async def test_a_taken_port_is_said_and_the_host_serves(scratch: Scratch, host_settings: Settings) -> None:
    """Where the port is taken, one error names it and the setting, and tasks are served all the same."""
    name, gate = await scratch.define(unique("portless")), Gate()
    gate.opened.set()
    with socket.socket() as holder, capture_logs() as lines:
        holder.bind((HOST, host_settings.metrics_port))
        holder.listen()
        async with hosting(host_settings, gated(name, gate)):
            execution = await scratch.ended(await scratch.start(name, text="x"))
    assert execution["status"] == "COMPLETED"
    (error,) = [line for line in lines if line["log_level"] == "error"]
    assert error["address"] == f"{HOST}:{host_settings.metrics_port}"
    assert "METRICS_PORT" in error["hint"]
