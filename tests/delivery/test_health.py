"""From readings to grades, as a table."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1nb.config import Settings
from k1nb.delivery import HealthLimits, HealthStatus, assess, complaints, rebooted, regressions
from k1nb.device import Readings
from k1nb.firmware import Grade

ACCEPTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
STAMP = "k1-0123456789ab"
MAC = "AA:BB:CC:DD:EE:FF"


def reading(after: float, uptime: float, **changes: object) -> Readings:
    """Make a healthy reading taken `after` seconds after the device accepted the image."""
    healthy = Readings(
        at=ACCEPTED + timedelta(seconds=after),
        mac=MAC,
        uptime_seconds=uptime,
        fps=120.0,
        free_heap_bytes=180_000,
        avg_render_time_ms=4.0,
        stamp=STAMP,
        pattern="prism",
        status="ok",
    )
    return replace(healthy, **changes)  # type: ignore[arg-type]


FIRST = reading(8, 3)
SECOND = reading(18, 13)


@pytest.mark.parametrize(
    ("first", "second", "stamp", "status", "grade"),
    [
        (FIRST, SECOND, STAMP, HealthStatus.HEALTHY, Grade.IDENTIFIED),
        (replace(FIRST, stamp=None), replace(SECOND, stamp=None), None, HealthStatus.HEALTHY, Grade.HEALTHY),
        (FIRST, SECOND, None, HealthStatus.VERSION_MISMATCH, Grade.REBOOTED),
        (FIRST, replace(SECOND, stamp="k1-ffffffffffff"), STAMP, HealthStatus.VERSION_MISMATCH, Grade.REBOOTED),
        (replace(FIRST, mac="02:00:00:00:00:01"), SECOND, STAMP, HealthStatus.FOREIGN, Grade.ACCEPTED),
        (FIRST, replace(SECOND, mac="02:00:00:00:00:01"), STAMP, HealthStatus.FOREIGN, Grade.ACCEPTED),
        (FIRST, reading(18, 7), STAMP, HealthStatus.UNHEALTHY, Grade.REBOOTED),
        (None, None, STAMP, HealthStatus.OFFLINE, Grade.ACCEPTED),
        (FIRST, None, STAMP, HealthStatus.OFFLINE, Grade.REBOOTED),
        (reading(8, 5000), None, STAMP, HealthStatus.NOT_REBOOTED, Grade.ACCEPTED),
        (reading(8, 3, stamp=None), SECOND, STAMP, HealthStatus.VERSION_MISMATCH, Grade.REBOOTED),
        (reading(8, 3, stamp="k1-ffffffffffff"), SECOND, STAMP, HealthStatus.VERSION_MISMATCH, Grade.REBOOTED),
        (FIRST, reading(18, 2), STAMP, HealthStatus.UNHEALTHY, Grade.REBOOTED),
        (FIRST, reading(18, 13, fps=3.0), STAMP, HealthStatus.UNHEALTHY, Grade.REBOOTED),
        (FIRST, reading(18, 13, free_heap_bytes=49_000), STAMP, HealthStatus.UNHEALTHY, Grade.REBOOTED),
        (FIRST, reading(18, 13, status="degraded"), STAMP, HealthStatus.UNHEALTHY, Grade.REBOOTED),
    ],
)
def test_each_thing_a_device_may_do_has_its_grade(
    first: Readings | None, second: Readings | None, stamp: str | None, status: HealthStatus, grade: Grade
) -> None:
    """The grade is the highest thing that the two readings prove, and evidence says why."""
    found = assess(mac=MAC, accepted_at=ACCEPTED, first=first, second=second, stamp=stamp, limits=HealthLimits())
    assert (found.status, found.grade) == (status, grade)
    assert found.evidence


def test_a_missing_identity_is_said() -> None:
    """HEALTHY without a stamp says that the device does not show what it runs."""
    first, second = replace(FIRST, stamp=None), replace(SECOND, stamp=None)
    found = assess(mac=MAC, accepted_at=ACCEPTED, first=first, second=second, stamp=None, limits=HealthLimits())
    assert "identity not shown by the device" in found.evidence[-1]


times = st.floats(min_value=0, max_value=5_000_000, allow_nan=False)


@given(times, times, times, times, st.sampled_from([STAMP, None, "k1-ffffffffffff"]), st.booleans())
def test_healthy_needs_a_reboot_after_the_ok(
    after: float, uptime: float, later: float, uptime_later: float, shown: str | None, stamped: bool
) -> None:
    """Whatever a device answers, HEALTHY is never said of one that did not boot after it accepted the image."""
    first = reading(after, uptime, stamp=shown)
    second = reading(after + later, uptime_later, stamp=shown)
    stamp = STAMP if stamped else None
    found = assess(mac=MAC, accepted_at=ACCEPTED, first=first, second=second, stamp=stamp, limits=HealthLimits())
    if found.grade >= Grade.HEALTHY:
        assert uptime <= after + 1
        assert uptime_later > uptime
        assert stamp is None or shown == stamp
    assert (found.status is HealthStatus.HEALTHY) == (found.grade >= Grade.HEALTHY)


def test_the_boot_lies_behind_the_acceptance() -> None:
    """A device that was up before the image was accepted has not rebooted."""
    assert rebooted(reading(8, 3), ACCEPTED)
    assert not rebooted(reading(8, 20), ACCEPTED)


def test_every_breach_is_named() -> None:
    """Each figure beyond its limit is one complaint with figure and limit."""
    bad = reading(1, 1, fps=1.0, free_heap_bytes=10, status="error")
    assert len(complaints(bad, HealthLimits())) == 3
    assert complaints(FIRST, HealthLimits()) == []


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({}, ""),
        ({"fps": 84.1}, ""),
        ({"fps": 83.9}, "83.9 FPS, 120.0 before: down more than 30 %"),
        ({"free_heap_bytes": 126_000}, ""),
        ({"free_heap_bytes": 125_999}, "125,999 B free heap, 180,000 before: down more than 30 %"),
        ({"avg_render_time_ms": 8.0}, ""),
        ({"avg_render_time_ms": 8.1}, "8.10 ms render, 4.00 before: up more than 100 %"),
        ({"fps": 240.0, "free_heap_bytes": 300_000, "avg_render_time_ms": 0.1}, ""),
    ],
)
def test_a_device_is_held_to_how_it_was_before(changes: dict[str, object], wrong: str) -> None:
    """One that is well by itself but far worse than before is unhealthy, and the evidence gives both figures."""
    second = reading(18, 13, **changes)
    found = assess(
        mac=MAC, accepted_at=ACCEPTED, first=FIRST, second=second, stamp=STAMP, limits=HealthLimits(), before=FIRST
    )
    assert found.status is (HealthStatus.UNHEALTHY if wrong else HealthStatus.HEALTHY)
    assert wrong in found.evidence if wrong else "no worse than before" in " ".join(found.evidence)


def test_what_renders_in_no_time_is_not_called_slow() -> None:
    """Twice nothing is nothing: a render time below a millisecond is never too long."""
    before = replace(FIRST, avg_render_time_ms=0.1)
    assert regressions(replace(FIRST, avg_render_time_ms=0.9), before, HealthLimits()) == []
    assert len(regressions(replace(FIRST, avg_render_time_ms=1.1), before, HealthLimits())) == 1


def test_another_pattern_is_no_measure_of_speed() -> None:
    """A device that showed a lighter pattern before is not called slow for the one that it starts with; heap counts."""
    before = replace(FIRST, pattern="solid", fps=166.0, avg_render_time_ms=0.3)
    second = reading(18, 13, fps=90.0)
    found = assess(
        mac=MAC, accepted_at=ACCEPTED, first=FIRST, second=second, stamp=STAMP, limits=HealthLimits(), before=before
    )
    assert found.status is HealthStatus.HEALTHY
    assert "not compared for speed, for it showed solid before and shows prism" in " ".join(found.evidence)
    assert len(regressions(replace(second, free_heap_bytes=100_000), before, HealthLimits())) == 1


def test_without_readings_before_nothing_is_compared_and_that_is_said() -> None:
    """A device that showed nothing before its deployment is judged by itself."""
    found = assess(mac=MAC, accepted_at=ACCEPTED, first=FIRST, second=SECOND, stamp=STAMP, limits=HealthLimits())
    assert "not compared: no readings from before the deployment" in found.evidence


def test_limits_are_those_of_the_settings(settings: Settings) -> None:
    """Each limit has a setting of its name, with the same default."""
    assert HealthLimits.of(settings) == HealthLimits()
    strict = settings.model_copy(update={"health_min_fps": 60, "health_max_fps_drop_percent": 5})
    assert HealthLimits.of(strict) == HealthLimits(min_fps=60, max_fps_drop_percent=5)
