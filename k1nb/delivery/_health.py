"""From readings to a grade: pure, so that each rule can be shown in a table."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from enum import StrEnum

from k1nb.config import Settings
from k1nb.device import Readings
from k1nb.firmware import Grade

CLOCK_SLACK = timedelta(seconds=1)
"""A device counts its uptime in whole milliseconds and answers over a network: less than this proves nothing."""
_QUICK = 1.0
"""Milliseconds of rendering that are never too many: a sixth of a frame at the firmware's limit of 166 FPS."""
_DRIFT = 2 * CLOCK_SLACK
"""How far two readings of one boot may lie apart in when that was; no K1 boots faster."""


class HealthStatus(StrEnum):
    """What a look at the device after a deployment found."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    VERSION_MISMATCH = "version_mismatch"
    NOT_REBOOTED = "not_rebooted"
    FOREIGN = "foreign_device"
    """Another device answers at the address."""
    SUPERSEDED = "superseded"
    """The device has accepted something else since."""
    OFFLINE = "offline"
    NOT_DEPLOYED = "not_deployed"
    NEEDS_USB = "needs_usb"
    """Answers, but takes no update over the air."""


@dataclass(frozen=True, slots=True)
class HealthLimits:
    """What a healthy device keeps: bounds of its own, and how far it may fall behind the readings before.

    `min_fps` is the lower bound that the workflow design sets for patterns, `min_free_heap_bytes` that of its
    alert on low memory.
    """

    min_fps: float = 30.0
    min_free_heap_bytes: int = 50_000
    max_fps_drop_percent: float = 30.0
    max_heap_drop_percent: float = 30.0
    max_render_growth_percent: float = 100.0

    @classmethod
    def of(cls, settings: Settings) -> HealthLimits:
        """Return the limits that are set."""
        return cls(**{field.name: getattr(settings, f"health_{field.name}") for field in fields(cls)})


@dataclass(frozen=True, slots=True)
class Assessment:
    """Status and highest proven grade, with one line of evidence for each thing that was looked at."""

    status: HealthStatus
    grade: Grade
    evidence: list[str] = field(default_factory=list)


def rebooted(reading: Readings, accepted_at: datetime) -> bool:
    """Tell whether the device booted after it accepted the image: its boot lies behind that moment."""
    return boot_of(reading) >= accepted_at - CLOCK_SLACK


def boot_of(reading: Readings) -> datetime:
    """Return when the device booted, by its uptime."""
    return reading.at - timedelta(seconds=reading.uptime_seconds)


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


def regressions(reading: Readings, before: Readings, limits: HealthLimits) -> list[str]:
    """Return in what a reading falls behind the one before by more than the limits, one text each.

    How fast a device draws depends on its pattern, so that only readings of the same one are compared for that.
    """
    found = []
    alike = reading.pattern == before.pattern
    if alike and reading.fps < before.fps * (1 - limits.max_fps_drop_percent / 100):
        found.append(
            f"{reading.fps:.1f} FPS, {before.fps:.1f} before: down more than {limits.max_fps_drop_percent:g} %"
        )
    if reading.free_heap_bytes < before.free_heap_bytes * (1 - limits.max_heap_drop_percent / 100):
        was = f"{reading.free_heap_bytes:,} B free heap, {before.free_heap_bytes:,} before"
        found.append(f"{was}: down more than {limits.max_heap_drop_percent:g} %")
    slow = max(before.avg_render_time_ms * (1 + limits.max_render_growth_percent / 100), _QUICK)
    if alike and reading.avg_render_time_ms > slow:
        was = f"{reading.avg_render_time_ms:.2f} ms render, {before.avg_render_time_ms:.2f} before"
        found.append(f"{was}: up more than {limits.max_render_growth_percent:g} %")
    return found


def assess(
    *,
    mac: str,
    accepted_at: datetime,
    first: Readings | None,
    second: Readings | None,
    stamp: str | None,
    limits: HealthLimits,
    before: Readings | None = None,
    namesake: str | None = None,
) -> Assessment:
    """Return how far a deployment is proven by two readings taken after the device with this MAC accepted the image.

    `first` is the first reading that proves the reboot, `second` one taken a health window later; None where
    the device did not answer. `stamp` is what the image calls itself, None where it carries no stamp; `namesake` is
    an artifact that the device had before and that carries the same stamp, for then the stamp identifies neither.
    `before` is how the device was before the deployment; without it nothing is compared.
    """
    accepted = f"accepted at {accepted_at:%H:%M:%S}"
    if first is None:
        return Assessment(HealthStatus.OFFLINE, Grade.ACCEPTED, [accepted, "the device has not answered since"])
    foreign = next((seen.mac for seen in (first, second) if seen is not None and seen.mac != mac), None)
    if foreign is not None:
        answers = f"a device with MAC {foreign} answers at its address: nothing is known of {mac}"
        return Assessment(HealthStatus.FOREIGN, Grade.ACCEPTED, [accepted, answers])
    if not rebooted(first, accepted_at):
        up = f"up for {first.uptime_seconds:.0f} s: it has not rebooted since it accepted the image"
        return Assessment(HealthStatus.NOT_REBOOTED, Grade.ACCEPTED, [accepted, up])
    seen = [accepted, f"rebooted: up for {first.uptime_seconds:.1f} s at {first.at:%H:%M:%S}"]
    shown = next((reading for reading in (first, second) if reading is not None and reading.stamp != stamp), None)
    if shown is not None:
        seen.append(f"shows the stamp {shown.stamp or 'none'}, the image carries {stamp or 'none'}")
        return Assessment(HealthStatus.VERSION_MISMATCH, Grade.REBOOTED, seen)
    return _steady(seen, first, second, _Bar(limits, before), _identity(stamp, namesake))


def _identity(stamp: str | None, namesake: str | None) -> tuple[Grade, str]:
    """Return the grade of a healthy device that shows `stamp`, and what is known of its identity."""
    if stamp is None:
        return Grade.HEALTHY, "identity not shown by the device: the image carries no stamp"
    if namesake is not None:
        return (
            Grade.HEALTHY,
            f"identity not shown by the device: artifact {namesake[:12]} carries the stamp {stamp} too",
        )
    return Grade.IDENTIFIED, f"shows the stamp of the image, {stamp}"


@dataclass(frozen=True, slots=True)
class _Bar:
    limits: HealthLimits
    before: Readings | None

    def missed(self, reading: Readings) -> list[str]:
        """Return what is wrong with a reading, by itself and against the one before."""
        behind = regressions(reading, self.before, self.limits) if self.before is not None else []
        return complaints(reading, self.limits) + behind


def _steady(
    seen: list[str], first: Readings, second: Readings | None, bar: _Bar, identity: tuple[Grade, str]
) -> Assessment:
    if second is None:
        seen.append("stopped answering within the health window")
        return Assessment(HealthStatus.OFFLINE, Grade.REBOOTED, seen)
    if second.uptime_seconds <= first.uptime_seconds or boot_of(second) - boot_of(first) > _DRIFT:
        seen.append(f"rebooted again within the health window: up for {second.uptime_seconds:.1f} s")
        return Assessment(HealthStatus.UNHEALTHY, Grade.REBOOTED, seen)
    wrong = bar.missed(second)
    if wrong:
        return Assessment(HealthStatus.UNHEALTHY, Grade.REBOOTED, seen + wrong)
    seen.append(
        f"steady for {second.uptime_seconds - first.uptime_seconds:.1f} s: {second.fps:.1f} FPS, "
        f"{second.free_heap_bytes:,} B free heap, {second.avg_render_time_ms:.2f} ms render"
    )
    seen.append(_compared(bar.before, second.pattern))
    grade, known_by = identity
    return Assessment(HealthStatus.HEALTHY, grade, [*seen, known_by])


def _compared(before: Readings | None, pattern: str) -> str:
    if before is None:
        return "not compared: no readings from before the deployment"
    if before.pattern != pattern:
        heap = f"no worse than before: {before.free_heap_bytes:,} B free heap"
        return f"{heap}; not compared for speed, for it showed {before.pattern} before and shows {pattern}"
    return (
        f"no worse than before: {before.fps:.1f} FPS, {before.free_heap_bytes:,} B free heap, "
        f"{before.avg_render_time_ms:.2f} ms render"
    )
