"""Readings: what a device says of itself at one moment, in the units of the metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from k1nb.device._client import DeviceClient


@dataclass(frozen=True, slots=True)
class Readings:
    """One look at a device."""

    at: datetime
    """When `uptime_seconds` was read."""
    mac: str
    uptime_seconds: float
    fps: float
    free_heap_bytes: int
    """In steps of 1 KiB, rounded down."""
    avg_render_time_ms: float
    stamp: str | None
    """The build stamp, where the firmware serves one."""
    pattern: str
    """Id of the pattern that is shown."""
    status: str

    def as_dict(self) -> dict[str, Any]:
        """Return the readings as JSON-able data."""
        return {**asdict(self), "at": self.at.isoformat()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Readings:
        """Read what as_dict wrote."""
        return cls(**{**data, "at": datetime.fromisoformat(data["at"])})


async def readings(client: DeviceClient) -> Readings:
    """Look at the device: info, performance, pattern, and health last, so that `at` belongs to the uptime."""
    info = await client.info()
    performance = await client.performance()
    pattern = await client.current_pattern()
    health = await client.health()
    return Readings(
        at=datetime.now(UTC),
        mac=info.mac.upper(),
        uptime_seconds=health.uptime_ms / 1000,
        fps=health.fps,
        free_heap_bytes=performance.memory_free_kb * 1024,
        avg_render_time_ms=performance.render_avg_us / 1000,
        stamp=info.stamp,
        pattern=pattern.id,
        status=health.status,
    )
