"""Many devices, of which several are dead or none of ours: what is told of each, and how fast."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psutil
import pytest

from k1nb.config import Settings
from k1nb.device import Device, Inventory, flash_lock
from k1nb.device._uptime import SLACK_MS
from tests.conftest import FreePort
from tests.exporter.conftest import FIGURES, Exporter, add_device, exporting, quick_home, simulating, state_of
from tests.impostors import ANSWERS, listening

DEAD = {
    "html": "bad_json",
    "html-404": "http_error",
    "nonsense": "bad_json",
    "10-mb": "bad_json",
    "closes": "refused",
    "silent": "timeout",
    "trickle": "timeout",
}
"""What answers in a device's place, and the reason that is counted."""
LIVE, MANY, SCRAPES = 41, 50, 20


@contextmanager
def impostors(settings: Settings, free_port: FreePort) -> Iterator[None]:
    """Add what is no device, or no longer one, to the inventory, for as long as the block lasts."""
    with ExitStack() as stack:
        for number, kind in enumerate(DEAD, 1):
            port = stack.enter_context(listening(ANSWERS[kind][0]))
            add_device(settings, free_port, kind, number, http_port=port, kind="device")
        add_device(settings, free_port, "off", 40, kind="device")
        add_device(settings, free_port, "nameless", 41, kind="device", address="nowhere.invalid")
        yield


@pytest.fixture(scope="module")
def exporter(home: Settings, free_port: FreePort) -> Iterator[Exporter]:
    """Run an exporter with one live device, one that refuses, one that is another, and all that are none."""
    add_device(home, free_port, "live", 50)
    refusing = add_device(home, free_port, "refusing", 51)
    moved = add_device(home, free_port, "moved", 52)
    with (
        impostors(home, free_port),
        simulating(home, "live", "moved"),
        simulating(home, "refusing", faults=("refuses",)),
    ):
        # The inventory is wrong about one MAC from here on.
        Inventory(home.paths).remove("moved")
        Inventory(home.paths).add(Device("moved", "02:4B:31:00:09:09", "127.0.0.1", moved.http_port, moved.ota_port))
        with exporting(home) as running:
            running.await_page(lambda page: page.value("k1_device_up", device="live") == 1)
            yield running
        assert state_of(refusing)["refused_429"] > 0


@pytest.mark.parametrize(("kind", "reason"), [*DEAD.items(), ("off", "refused"), ("refusing", "rate_limited")])
def test_what_is_no_device_is_down_for_a_reason(exporter: Exporter, kind: str, reason: str) -> None:
    """It is down, that is counted by route and reason, and it has no figures."""
    count = {"device": kind, "route": "/api/health", "reason": reason}
    page = exporter.await_page(lambda page: page.value("k1_device_poll_errors_total", **count))
    assert page.value("k1_device_up", device=kind) == 0
    assert not [name for name in FIGURES if page.value(name, device=kind) is not None]


def test_a_name_that_means_nothing_is_down(exporter: Exporter) -> None:
    """A host name that cannot be resolved holds up nobody."""
    page = exporter.await_page(lambda page: page.total("k1_device_poll_errors_total", device="nameless"))
    assert page.value("k1_device_up", device="nameless") == 0


def test_another_device_at_the_address_is_told_apart(exporter: Exporter) -> None:
    """It answers like a K1, but its MAC is not the inventory's: it is down, foreign, and has no figures."""
    page = exporter.await_page(lambda page: page.value("k1_device_foreign", device="moved") == 1)
    assert page.value("k1_device_up", device="moved") == 0
    assert not [name for name in FIGURES if page.value(name, device="moved") is not None]
    assert page.value("k1_device_foreign", device="live") == 0


def test_a_device_that_is_flashed_is_left_alone(exporter: Exporter, home: Settings) -> None:
    """While its lock is held it counts as being flashed, is only asked how it is, and its figures grow old."""
    device = Inventory(home.paths).get("live")
    with flash_lock(home.paths, device, home.timings):
        page = exporter.scrape()
        assert page.value("k1_device_ota_in_progress", device="live") == 1
        assert page.value("k1_device_ota_in_progress", device="off") == 0
        page = exporter.await_page(lambda page: page.value("k1_device_free_heap_bytes", device="live") is None)
        assert page.value("k1_device_up", device="live") == 1
        assert page.value("k1_device_fps", device="live")
    exporter.await_page(lambda page: page.value("k1_device_free_heap_bytes", device="live"))


def test_the_inventory_may_change_meanwhile(exporter: Exporter, home: Settings, free_port: FreePort) -> None:
    """What is added, renamed or removed is noticed; an inventory that cannot be read is kept, and that is told."""
    inventory = Inventory(home.paths)
    device = add_device(home, free_port, "late", 60)
    with simulating(home, "late"):
        exporter.await_page(lambda page: page.value("k1_device_up", device="late") == 1)
        good = inventory.file.read_text(encoding="utf-8")
        inventory.file.write_text("{", encoding="utf-8")
        page = exporter.await_page(lambda page: page.value("k1_exporter_inventory_readable") == 0)
        assert page.value("k1_device_up", device="late") == 1
        health = exporter.get("/health")
        assert (health.status_code, health.json()["status"]) == (503, "degraded")
        inventory.file.write_text(good, encoding="utf-8")
        inventory.remove("late")
        page = exporter.await_page(lambda page: page.value("k1_device_up", device="late") is None)
        assert not [name for name in page.names if page.samples(name) and page.total(name, device="late")]
    assert state_of_refusals(device, home) == 0


def state_of_refusals(device: Device, settings: Settings) -> int:
    """Return how often a simulated device that is off now has refused a call."""
    flash = settings.paths.simulators / device.name / "otadata.json"
    return int(json.loads(flash.read_text(encoding="utf-8"))["refused_429"])


def test_a_device_that_goes_and_comes_back_has_restarted(
    tmp_path_factory: pytest.TempPathFactory, free_port: FreePort
) -> None:
    """It is down at the next look, its figures are told until they are too old, and its restart is counted once."""
    settings = quick_home(tmp_path_factory.mktemp("gone") / "home", free_port)
    add_device(settings, free_port, "bench", 1)
    with exporting(settings) as running:
        with simulating(settings, "bench"):  # for longer than what an answer may be late
            running.await_page(lambda page: (page.value("k1_device_uptime_seconds") or 0) > SLACK_MS / 1000)
        page = running.await_page(lambda page: page.value("k1_device_up") == 0)
        assert page.value("k1_device_fps")
        page = running.await_page(lambda page: not FIGURES & page.names)
        assert (page.value("k1_device_reading_age_seconds") or 0) >= settings.timings.exporter_stale
        assert page.value("k1_device_reboots_total") == 0
        with simulating(settings, "bench"):
            page = running.await_page(lambda page: page.value("k1_device_fps"))
            assert page.value("k1_device_reboots_total") == 1


def test_fifty_devices_of_which_nine_are_dead_are_told_of_at_once(
    tmp_path_factory: pytest.TempPathFactory, free_port: FreePort
) -> None:
    """A scrape takes less than 100 ms of work and waits for nobody; the live ones are up, and refuse nothing."""
    settings = quick_home(tmp_path_factory.mktemp("fleet") / "home", free_port, scale=1)
    live = [add_device(settings, free_port, f"k1-{number}", 60 + number) for number in range(LIVE)]
    with impostors(settings, free_port), simulating(settings, *(d.name for d in live)), exporting(settings) as running:
        page = running.await_page(lambda page: page.total("k1_device_up") == LIVE, within=60)
        assert len(page.samples("k1_device_up")) == MANY
        # Other work of this machine is none of the exporter's: what counts is its own, and that it waits for nobody.
        before = _busy(running)
        took = [_seconds(running) for _ in range(SCRAPES)]
        assert (_busy(running) - before) / SCRAPES < 0.1
        assert min(took) < 1
        page = running.await_page(lambda page: len(page.samples("k1_device_tempo_confidence")) == LIVE, within=60)
        assert page.total("k1_device_poll_errors_total", reason="rate_limited") == 0
        assert {state_of(device)["refused_429"] for device in live} == {0}


def _busy(running: Exporter) -> float:
    """Return the seconds that the exporter has computed so far, for scrapes and for looks at all its devices."""
    assert running.process is not None
    times = psutil.Process(running.process.pid).cpu_times()
    return float(times.user + times.system)


def _seconds(running: Exporter) -> float:
    began = time.perf_counter()
    running.get()
    return time.perf_counter() - began
