"""One device's watch."""

from __future__ import annotations

import asyncio
import json
from typing import SupportsIndex

import httpx
import pytest

from k1nb.config import Settings
from k1nb.device import Device, Health, Inventory, Performance
from k1nb.errors import DeviceNonsense, DeviceRefused, DeviceUnreachable, K1Error, StorageError
from k1nb.exporter._watch import HEALTH, REASONS, ROUTES, DeviceWatch, reason_of
from k1nb.firmware import Grade, Ledger
from tests.conftest import FreePort
from tests.device._witness import http, witness
from tests.exporter.conftest import add_device, simulating


def health(uptime_ms: int) -> bytes:
    """Return a device's answer about its health."""
    figures = {"uptime_ms": uptime_ms, "fps": 90, "cpu_percent": 1, "memory_free_kb": 100, "memory_total_kb": 200}
    wifi = {"ssid": "x", "rssi": -40, "ip": "192.0.2.7"}
    return http(json.dumps({"status": "ok", **figures, "connected": True, "wifi": wifi}).encode())


def info(mac: str) -> bytes:
    """Return a device's answer about who it is."""
    said = {"device": "K1.reinvented", "uptime_ms": 1000, "ip": "192.0.2.7", "mac": mac, "build": {}}
    return http(json.dumps(said).encode())


def caused(cause: Exception) -> K1Error:
    """Return a device's silence with its cause."""
    error = DeviceUnreachable("silent")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (caused(httpx.ConnectTimeout("late")), "timeout"),
        (caused(TimeoutError()), "timeout"),
        (caused(httpx.ConnectError("refused")), "refused"),
        (caused(OSError("no such host")), "refused"),
        (DeviceRefused("no", status=429), "rate_limited"),
        (DeviceRefused("no", status=404), "http_error"),
        (DeviceNonsense("html"), "bad_json"),
        (StorageError("full"), "other"),
    ],
)
def test_each_failure_has_one_of_the_reasons(error: K1Error, reason: str) -> None:
    """What is counted says whose fault it was."""
    assert reason_of(error) == reason
    assert reason in REASONS


@pytest.fixture
def bench(settings: Settings, free_port: FreePort) -> Device:
    """A simulated device of the inventory; nothing runs there yet."""
    return add_device(settings, free_port, "bench", 1)


def test_a_home_that_takes_no_windows_hides_no_device(settings: Settings, bench: Device) -> None:
    """Where the windows cannot be kept a device is looked at all the same."""
    settings.paths.devices.joinpath("windows").write_text("in the way", encoding="utf-8")
    watch = DeviceWatch(settings, bench)
    with simulating(settings, "bench"):
        asyncio.run(watch.look())
    assert watch.up
    assert not watch.errors


def test_without_a_stamp_the_ledger_says_what_runs(settings: Settings, bench: Device) -> None:
    """Firmware that names no build is known by the artifact that the device accepted last."""
    ledger = Ledger(settings.paths)
    row = ledger.begin(bench.mac, "0123456789abcdef" * 4, "execution", "test")
    watch = DeviceWatch(settings, Inventory(settings.paths).get("bench"))
    with simulating(settings, "bench"):
        asyncio.run(watch.look())
        assert (watch.up, watch.build_id) == (True, "")
        ledger.raise_grade(row.id, Grade.ACCEPTED, "accepted")
        watch = DeviceWatch(settings, bench)
        asyncio.run(watch.look())
    assert (watch.up, watch.build_id) == (True, "artifact:0123456789ab")
    assert not watch.errors


def test_a_device_that_will_not_say_who_it_is_is_up_all_the_same(settings: Settings) -> None:
    """Its health was answered: what it does not answer is counted, route by route, and left out."""
    with witness() as watched:
        watched.first, watched.answer = [health(7000)], http(b"{}", "404 Not Found")
        watch = DeviceWatch(settings, watched.device())
        asyncio.run(watch.look())
    assert (watch.up, watch.foreign, watch.info) == (True, False, None)
    assert watch.errors == dict.fromkeys([(route, "http_error") for route in ROUTES if route != HEALTH], 1)
    assert watch.fresh(Health) is not None
    assert watch.fresh(Performance) is None


@pytest.mark.parametrize("other", [False, True])
def test_what_was_said_is_not_told_before_it_is_known_who_said_it(settings: Settings, *, other: bool) -> None:
    """While a look still asks who answered, what is told is what was told before it, and no restart of another's."""
    told: list[tuple[int | None, int]] = []

    class Answers(list[bytes]):
        def pop(self, place: SupportsIndex = -1) -> bytes:
            now = watch.fresh(Health)
            told.append((now.uptime_ms if now else None, watch.reboots))
            return super().pop(place)

    with witness() as watched:
        device = watched.device()
        watch = DeviceWatch(settings, device)
        watched.first, watched.answer = [health(100_000), info(device.mac)], http(b"{}", "404 Not Found")
        asyncio.run(watch.look())
        watched.first = Answers([health(1_000), info("02:4B:31:00:09:09" if other else device.mac)])
        asyncio.run(watch.look())
    assert told == [(100_000, 0)] * 2
    now = watch.fresh(Health)
    assert (now.uptime_ms if now else None, watch.reboots, watch.up, watch.foreign) == (
        (None, 0, False, True) if other else (1_000, 1, True, False)
    )
