"""Tests of readings."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime

import pytest

from k1nb.device import DeviceClient, Readings, readings
from tests.device import _images
from tests.device.conftest import QUICK, Running
from tests.device.test_ota import send


def look(simulator: Running) -> Readings:
    """Take the simulator's readings."""

    async def taken() -> Readings:
        async with DeviceClient(simulator.device, simulator.paths, QUICK) as client:
            return await readings(client)

    return asyncio.run(taken())


def test_readings_are_in_the_metrics_units(simulator: Running) -> None:
    """KiB become bytes, microseconds milliseconds, milliseconds of uptime seconds."""
    seen = look(simulator)
    assert seen.mac == simulator.device.mac
    assert seen.free_heap_bytes == 142 * 1024
    assert seen.avg_render_time_ms == pytest.approx(4.9, rel=0.01)
    assert 0 < seen.uptime_seconds < 60
    assert (seen.pattern, seen.status, seen.stamp) == ("prism", "ok", None)
    assert abs((datetime.now(UTC) - seen.at).total_seconds()) < 30


def test_readings_survive_json(simulator: Running) -> None:
    """as_dict and from_dict are each other's inverse, through JSON."""
    seen = look(simulator)
    assert Readings.from_dict(json.loads(json.dumps(seen.as_dict()))) == seen


def test_an_unhealthy_image_shows_in_the_readings(simulator: Running) -> None:
    """What the image says about its health is what the device then measures."""
    send(simulator.device, _images.sample("k1-00000000beef", status="degraded", fps=12.0), simulator.paths)
    simulator.wait_until_up(boots=2)
    seen = look(simulator)
    assert (seen.status, seen.stamp, seen.pattern) == ("degraded", "k1-00000000beef", "echo")
    assert seen.fps == pytest.approx(12.0, rel=0.01)
