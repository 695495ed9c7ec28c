"""From readings to a grade: pure, so that each rule can be shown in a table."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from k1nb.device import Readings
from k1nb.firmware import Grade

CLOCK_SLACK = timedelta(seconds=1)
"""A device counts its uptime in whole milliseconds and answers over a network: less than this proves nothing."""


class HealthStatus(StrEnum):
    """What a look at the device after a deployment found."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    VERSION_MISMATCH = "version_mismatch"
    NOT_REBOOTED = "not_rebooted"
    OFFLINE = "offline"
    NOT_DEPLOYED = "not_deployed"
    NEEDS_USB = "needs_usb"
    """Answers, but takes no update over the air."""


@dataclass(frozen=True, slots=True)
class HealthLimits:
    """What a healthy device keeps.

    `min_fps` is the lower bound that the workflow design sets for patterns, `min_free_heap_bytes` that of its
    alert on low memory.
    """

    min_fps: float = 30.0
    min_free_heap_bytes: int = 50_000


@dataclass(frozen=True, slots=True)
class Assessment:
    """Status and highest proven grade, with one line of evidence for each thing that was looked at."""

    status: HealthStatus
    grade: Grade
    evidence: list[str] = field(default_factory=list)


def rebooted(reading: Readings, accepted_at: datetime) -> bool:
    """Tell whether the device booted after it accepted the image: its boot lies behind that moment."""
    return reading.at - timedelta(seconds=reading.uptime_seconds) >= accepted_at - CLOCK_SLACK


def complaints(reading: Readings, limits: HealthLimits) -> list[str]:
    """Return what is wrong with one reading, one text per breach."""
    found = []
    if reading.status != "ok":
        found.append(f"status is {reading.status!r}, not 'ok'")
    if reading.fps < limits.min_fps:
        found.append(f"{reading.fps:.1f} FPS, at least {limits.min_fps:.0f} wanted")
    if reading.free_heap_bytes < limits.min_free_heap_bytes:
        found.append(f"{reading.free_heap_bytes:,} B free heap, at least {limits.min_free_heap_bytes:,} wanted")
    return found


def assess(
    *,
    accepted_at: datetime,
    first: Readings | None,
    second: Readings | None,
    stamp: str | None,
    limits: HealthLimits,
) -> Assessment:
    """Return how far a deployment is proven by two readings taken after the device accepted the image.

    `first` is the first reading that proves the reboot, `second` one taken a health window later; None where
    the device did not answer. `stamp` is what the image calls itself, None where it carries no stamp.
    """
    accepted = f"accepted at {accepted_at:%H:%M:%S}"
    if first is None:
        return Assessment(HealthStatus.OFFLINE, Grade.ACCEPTED, [accepted, "the device has not answered since"])
    if not rebooted(first, accepted_at):
        up = f"up for {first.uptime_seconds:.0f} s: it has not rebooted since it accepted the image"
        return Assessment(HealthStatus.NOT_REBOOTED, Grade.ACCEPTED, [accepted, up])
    seen = [accepted, f"rebooted: up for {first.uptime_seconds:.1f} s at {first.at:%H:%M:%S}"]
    if stamp is not None and first.stamp != stamp:
        seen.append(f"shows the stamp {first.stamp or 'none'}, the image carries {stamp}")
        return Assessment(HealthStatus.VERSION_MISMATCH, Grade.REBOOTED, seen)
    return _steady(seen, first, second, stamp, limits)


def _steady(
    seen: list[str], first: Readings, second: Readings | None, stamp: str | None, limits: HealthLimits
) -> Assessment:
    if second is None:
        seen.append("stopped answering within the health window")
        return Assessment(HealthStatus.OFFLINE, Grade.REBOOTED, seen)
    if second.uptime_seconds <= first.uptime_seconds:
        seen.append(f"rebooted again within the health window: up for {second.uptime_seconds:.1f} s")
        return Assessment(HealthStatus.UNHEALTHY, Grade.REBOOTED, seen)
    wrong = complaints(second, limits)
    if wrong:
        return Assessment(HealthStatus.UNHEALTHY, Grade.REBOOTED, seen + wrong)
    seen.append(
        f"steady for {second.uptime_seconds - first.uptime_seconds:.1f} s: {second.fps:.1f} FPS, "
        f"{second.free_heap_bytes:,} B free heap, {second.avg_render_time_ms:.2f} ms render"
    )
    if stamp is None:
        seen.append("identity not shown by the device: the image carries no stamp")
        return Assessment(HealthStatus.HEALTHY, Grade.HEALTHY, seen)
    seen.append(f"shows the stamp of the image, {stamp}")
    return Assessment(HealthStatus.HEALTHY, Grade.IDENTIFIED, seen)
