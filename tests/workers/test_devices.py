"""One device never occupies all slots of a task type."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from k1nb.conductor import PolledTask
from k1nb.config import Settings
from k1nb.device import Device, Inventory
from k1nb.paths import Paths
from k1nb.workers._devices import PER_DEVICE, Devices
from tests.workers.scratch import Scratch, hosting, unique, until
from tests.workers.test_host import Gate, gated

pytestmark = pytest.mark.anyio


def naming(**named: object) -> PolledTask:
    """Return a task with that input."""
    return PolledTask("id1", "build", "ex1", "step", named, 0, 1, 60.0, "firmware-build")


async def test_a_name_a_mac_and_an_address_are_one_device(tmp_path: Path) -> None:
    """However a device is named, it has the same places; who names none, or another one, is not bound by them."""
    paths = Paths(tmp_path, tmp_path, tmp_path)
    Inventory(paths).add(Device("bench", "02:4B:31:00:00:07", "127.0.0.1", 8001, 8002))
    devices = Devices(paths, limit=1)
    with devices.slot(naming(device="bench")) as first:
        with devices.slot(naming(device_ip="02:4B:31:00:00:07")) as second, devices.slot(naming(device="x")) as other:
            assert (first, second, other) == (True, False, True)
        with devices.slot(naming(device=None)) as unnamed, devices.slot(naming(device=["bench"])) as odd:
            assert (unnamed, odd) == (True, True)
    with devices.slot(naming(device="bench")) as again:
        assert again


async def test_a_busy_device_leaves_room_for_others(scratch: Scratch, host_settings: Settings) -> None:
    """With many tasks for one device, two of them run; a task for another device runs beside them, and all end."""
    name, gate = await scratch.define(unique("crowd"), keys={"device": "${workflow.input.device}"}), Gate()
    async with hosting(host_settings, gated(name, gate)):
        crowd = [await scratch.start(name, text="x", device="one") for _ in range(5)]
        await gate.reached()
        other = await scratch.start(name, text="y", device="other")

        async def three() -> bool:
            return gate.runs == PER_DEVICE + 1

        async def three_wait() -> bool:
            waiting = [task for e in crowd for task in await scratch.tasks(e) if task["status"] == "SCHEDULED"]
            return len([task for task in waiting if task["outputData"].get("k1nb_put_off", 0) >= 1]) == 3

        await until(three)
        await asyncio.sleep(1)
        await until(three_wait)
        assert gate.runs == PER_DEVICE + 1
        assert (await scratch.tasks(other))[0]["status"] == "IN_PROGRESS"
        gate.opened.set()
        ended = [await scratch.ended(execution) for execution in (*crowd, other)]
    assert {execution["status"] for execution in ended} == {"COMPLETED"}
    assert all(execution["tasks"][0]["outputData"] == {"text": execution["input"]["text"]} for execution in ended)
    assert gate.runs == 6
