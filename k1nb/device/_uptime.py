"""Restarts of a device, told from its uptime."""

from __future__ import annotations

from dataclasses import dataclass

from k1nb.device._facts import UPTIME_WRAP_MS

SLACK_MS = 5_000
"""What an answer may be late."""
DRIFT = 0.001
"""What two clocks may differ, as a share of the time between two looks."""


@dataclass(frozen=True, slots=True)
class Uptime:
    """What a device said of its uptime, and when by the host's clock."""

    ms: int
    at: float
    """Seconds of time.monotonic()."""


def restarted(before: Uptime, after: Uptime) -> bool:
    """Tell whether a device started anew between two looks, however long it was away.

    That its uptime wraps after 49.7 days is no restart; one within some seconds of the wrap passes for it.
    """
    passed = (after.at - before.at) * 1000
    expected, tolerance = before.ms + passed, SLACK_MS + passed * DRIFT
    wrapped = abs(after.ms + UPTIME_WRAP_MS - expected) <= tolerance
    return after.ms < expected - tolerance and not wrapped
