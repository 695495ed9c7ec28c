"""How durations and states read."""

from __future__ import annotations

_WORDS = {"COMPLETED_WITH_ERRORS": "failed, but optional", "FAILED_WITH_TERMINAL_ERROR": "failed for good"}


def words(status: str) -> str:
    """Return a status as people read it."""
    return _WORDS.get(status) or status.replace("_", " ").lower()


def duration(seconds: float) -> str:
    """Return a duration in its two largest units that matter, e.g. `0.4 s`, `2 min 05 s`, `3 h 10 min`."""
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"
