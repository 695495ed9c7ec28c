"""Tests of taking and putting back a device's look."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from k1nb.device import DeviceClient, Snapshot, restore_snapshot, take_snapshot
from k1nb.device._facts import PARAMETERS
from k1nb.device._snapshot import differences
from k1nb.errors import DeviceNonsense, DeviceUnreachable
from k1nb.paths import Paths
from tests.device import _images
from tests.device._witness import http, witness
from tests.device.conftest import QUICK, Running
from tests.device.test_ota import send

LOOK = Snapshot(
    "02:4B:31:00:00:01",
    datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    {name: allowed.default for name, allowed in PARAMETERS.items()},
    "prism",
    {"microphone_gain": 1.0, "vu_floor_pct": 0.9},
    {"enabled": True, "default_type": "fade", "default_duration_ms": 800, "default_easing": "linear"},
)


def with_client(simulator: Running, work: Callable[[DeviceClient], Awaitable[Any]]) -> Any:
    """Do something with a client of the simulator."""

    async def done() -> Any:
        async with DeviceClient(simulator.device, simulator.paths, QUICK) as client:
            return await work(client)

    return asyncio.run(done())


def test_a_look_survives_a_restart_by_its_snapshot(simulator: Running) -> None:
    """All 23 parameters, pattern, audio and transitions are as before, after a restart that forgot them."""

    async def change_and_take(client: DeviceClient) -> Snapshot:
        await client.set_params({"speed": 0.8, "color": 0.123456, "dithering": 0, "custom_param_3": 0.9})
        await client.select("lava")
        await client.set_audio_config({"microphone_gain": 1.7, "vu_floor_pct": 0.66})
        await client.set_transitions_config({"enabled": False, "default_duration_ms": 1234})
        return await take_snapshot(client)

    before = with_client(simulator, change_and_take)
    assert len(before.params) == 23
    assert before.pattern == "lava"
    send(simulator.device, _images.image(), simulator.paths)
    simulator.wait_until_up(boots=2)
    forgotten = with_client(simulator, take_snapshot)
    assert "pattern: 'lava' was wanted, 'prism' is there" in differences(before, forgotten)
    assert with_client(simulator, lambda client: restore_snapshot(client, before)) == []
    after = with_client(simulator, take_snapshot)
    assert replace(after, taken_at=before.taken_at) == before


def test_a_pattern_that_is_gone_is_a_difference(simulator: Running) -> None:
    """Where the new firmware lacks the pattern, the rest is put back and the pattern is named."""
    before = replace(with_client(simulator, take_snapshot), params={**LOOK.params, "speed": 0.9})
    send(simulator.device, _images.sample(), simulator.paths)
    simulator.wait_until_up(boots=2)
    left = with_client(simulator, lambda client: restore_snapshot(client, before))
    assert len(left) == 2
    assert "pattern prism" in left[0]
    assert "Pattern not found" in left[0]
    assert left[1] == "pattern: 'prism' was wanted, 'echo' is there"
    assert with_client(simulator, take_snapshot).params["speed"] == pytest.approx(0.9)


def test_a_device_that_is_gone_is_an_error(simulator: Running) -> None:
    """Nothing is called a difference where there was no answer."""
    simulator.end()
    with pytest.raises(DeviceUnreachable):
        with_client(simulator, lambda client: restore_snapshot(client, LOOK))


def test_a_snapshot_survives_json() -> None:
    """as_dict and from_dict are each other's inverse, through JSON."""
    assert Snapshot.from_dict(json.loads(json.dumps(LOOK.as_dict()))) == LOOK


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"params": {**LOOK.params, "speed": 0.5009}}, []),
        ({"params": {**LOOK.params, "speed": 0.502}}, ["speed: 0.5 was wanted, 0.502 is there"]),
        ({"params": {**LOOK.params, "mirror_mode": False}}, ["mirror_mode: True was wanted, False is there"]),
        ({"params": {}}, [f"{name}: {value!r} was wanted, None is there" for name, value in LOOK.params.items()]),
        ({"pattern": "lava"}, ["pattern: 'prism' was wanted, 'lava' is there"]),
        (
            {"transitions": {**LOOK.transitions, "default_type": "wipe"}},
            ["default_type: 'fade' was wanted, 'wipe' is there"],
        ),
        ({"taken_at": datetime(2027, 1, 1, tzinfo=UTC), "mac": "02:4B:31:00:00:02"}, []),
    ],
)
def test_differences_are_told_one_by_one(changes: dict[str, Any], found: list[str]) -> None:
    """Numbers may differ by a thousandth, everything else must be the same; when and where does not matter."""
    assert differences(LOOK, replace(LOOK, **changes)) == found


def test_an_answer_without_the_parameters_is_no_snapshot(paths: Paths) -> None:
    """A device that leaves a parameter out is DeviceNonsense; no default is made up."""

    async def taken() -> None:
        async with DeviceClient(watched.device(), paths, QUICK) as client:
            await take_snapshot(client)

    with witness() as watched:
        watched.answer = http(b'{"brightness": 1.0}')
        with pytest.raises(DeviceNonsense, match="softness"):
            asyncio.run(taken())
