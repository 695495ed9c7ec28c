"""One device's watch."""

from __future__ import annotations

import asyncio
import json

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
    wifi = {"ssid": "x", "rssi": -40, "ip": "192.0.2.7"}
    figures = {"uptime_ms": 7000, "fps": 90, "cpu_percent": 1, "memory_free_kb": 100, "memory_total_kb": 200}
    health = {"status": "ok", **figures, "connected": True, "wifi": wifi}
    with witness() as watched:
        watched.first, watched.answer = [http(json.dumps(health).encode())], http(b"{}", "404 Not Found")
        watch = DeviceWatch(settings, watched.device())
        asyncio.run(watch.look())
    assert (watch.up, watch.foreign, watch.info) == (True, False, None)
    assert watch.errors == dict.fromkeys([(route, "http_error") for route in ROUTES if route != HEALTH], 1)
    assert watch.fresh(Health) is not None
    assert watch.fresh(Performance) is None
