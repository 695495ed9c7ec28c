"""Tests of what is asked of a device in a daily check."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from k1nb.checks import Check, Status, verdict
from k1nb.config import Settings
from k1nb.device import Device, Fault, Faults, Readings, checks
from k1nb.device import _checks as asked
from k1nb.firmware import Grade, Ledger
from tests.device import _images
from tests.device.conftest import running
from tests.device.test_ota import send

SEEN = Readings(
    at=datetime(2026, 1, 2, 12, tzinfo=UTC),
    mac="02:4B:31:00:00:01",
    uptime_seconds=100_000.0,
    fps=118.0,
    free_heap_bytes=145_408,
    avg_render_time_ms=4.9,
    stamp="k1-0123456789ab",
    pattern="prism",
    status="ok",
)


def test_a_healthy_device_after_an_explained_restart_is_ok(demo: Device, settings: Settings) -> None:
    """A simulator that was just flashed, as the ledger knows, passes every check."""
    with running([demo], settings.paths) as simulation:
        send(demo, _images.sample(), settings.paths)
        ledger = Ledger(settings.paths)
        ledger.raise_grade(ledger.begin(demo.mac, "a" * 64, "e1", "test").id, Grade.ACCEPTED, "OK")
        simulation.wait_until_up(boots=2)
        found = asyncio.run(checks(demo, settings))
    assert [check.status for check in found] == [Status.OK] * 6
    assert all(check.source.startswith(demo.base_url) for check in found)
    assert "an OTA explains the restart" in found[4].evidence
    assert "k1-0123456789ab" in found[2].evidence


def test_a_restart_that_nothing_explains_is_a_warning(demo: Device, settings: Settings) -> None:
    """A device that booted a moment ago, with no OTA in the ledger, is worth a look."""
    with running([demo], settings.paths):
        found = asyncio.run(checks(demo, settings))
    assert {check.name: check.status for check in found if check.status is not Status.OK} == {
        "device demo: uptime": Status.WARN
    }


def test_a_silent_device_fails_with_its_next_step(demo: Device, settings: Settings) -> None:
    """Without an answer the first check fails and names the device, and the others are unknown."""
    found = asyncio.run(checks(demo, settings))
    assert [check.status for check in found] == [Status.FAIL] + [Status.UNKNOWN] * 5
    assert verdict(found) == "FAIL"
    assert "demo" in found[0].evidence
    assert all("k1nb up simulator" in (check.hint or "") for check in found)


def test_a_device_that_refuses_is_not_called_silent(demo: Device, settings: Settings) -> None:
    """One that answers every call with 429 fails with that, and what was not learnt of it is called refused."""
    with running([demo], settings.paths, faults=Faults(refuses=Fault())):
        first, *rest = asyncio.run(checks(demo, settings))
    assert (first.status, "429" in first.evidence) == (Status.FAIL, True)
    assert {(check.status, check.evidence) for check in rest} == {(Status.UNKNOWN, "the device refused to answer")}
    assert {check.hint for check in rest} == {first.hint}


def test_an_unhealthy_image_fails_where_it_is_unhealthy(demo: Device, settings: Settings) -> None:
    """Status, heap and frame rate of the image fail their checks."""
    with running([demo], settings.paths) as simulation:
        send(demo, _images.sample(status="degraded", fps=12.0, memory_free_kb=40), settings.paths)
        simulation.wait_until_up(boots=2)
        found = asyncio.run(checks(demo, settings))
    failed = [check.name for check in found if check.status is Status.FAIL]
    assert failed == ["device demo: health status", "device demo: free heap", "device demo: frame rate"]


def answered(check: Check) -> tuple[Status, bool]:
    """Return the status and whether there is a hint."""
    return check.status, check.hint is not None


@pytest.mark.parametrize(
    ("check", "changes", "status"),
    [
        (asked._identity, {}, Status.OK),
        (asked._identity, {"mac": "02:4B:31:00:00:99"}, Status.FAIL),
        (asked._state, {}, Status.OK),
        (asked._state, {"status": "error"}, Status.FAIL),
        (asked._heap, {"free_heap_bytes": 50_000}, Status.OK),
        (asked._heap, {"free_heap_bytes": 49_999}, Status.FAIL),
        (asked._frame_rate, {"fps": 30.0}, Status.OK),
        (asked._frame_rate, {"fps": 29.9}, Status.FAIL),
    ],
)
def test_each_limit_has_two_sides(demo: Device, check: Any, changes: dict[str, Any], status: Status) -> None:
    """At the limit a device is OK, beyond it it fails, and only then there is a hint."""
    assert answered(check(demo, replace(SEEN, **changes))) == (status, status is not Status.OK)


@pytest.mark.parametrize(
    ("uptime", "again", "explained", "status"),
    [
        (100_000.0, 100_001.0, False, Status.OK),
        (60.0, 60.3, False, Status.WARN),
        (60.0, 60.3, True, Status.OK),
        (100_000.0, 0.5, True, Status.FAIL),
    ],
)
def test_uptime_tells_restarts(demo: Device, uptime: float, again: float, explained: bool, status: Status) -> None:
    """A recent restart without an OTA is a warning; one while it is looked at is a failure."""
    seen = replace(SEEN, at=datetime.now(UTC), uptime_seconds=uptime)
    assert answered(asked._uptime(demo, seen, again, explained=explained)) == (status, status is not Status.OK)


@pytest.mark.parametrize(("after", "explained"), [(-10, False), (0, True), (60, True), (120, False)])
def test_an_ota_explains_the_boot_that_follows_it(settings: Settings, after: int, explained: bool) -> None:
    """A boot counts as explained from the moment of acceptance until the reboot's deadline."""
    ledger = Ledger(settings.paths)
    row = ledger.raise_grade(ledger.begin(SEEN.mac, "a" * 64, "e1", "test").id, Grade.ACCEPTED, "OK")
    assert row.accepted_at is not None
    seen = replace(SEEN, at=row.accepted_at + timedelta(seconds=after + 7), uptime_seconds=7.0)
    assert asked._explained(settings, seen) is explained


def test_without_a_ledger_nothing_is_explained(settings: Settings) -> None:
    """A device that was never deployed to, or a damaged ledger, explains no restart."""
    assert not asked._explained(settings, SEEN)
    settings.paths.ledger.write_bytes(b"no database, but long enough to be read as one " * 10)
    assert not asked._explained(settings, SEEN)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59, "59 s"), (61, "1 min"), (3_700, "1 h 1 min"), (200_000, "2 d 7 h")]
)
def test_a_span_is_told_in_two_units(seconds: float, text: str) -> None:
    """Uptimes are told as people say them."""
    assert asked._span(seconds) == text
