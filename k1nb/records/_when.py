"""Moments as people type them, and durations as they read them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from k1nb.errors import ParameterError

_BACK = re.compile(r"(\d{1,6})\s*(min|h|d|w)")
_UNITS = {"min": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DAYS = {"today": 0, "yesterday": 1}


def moment(text: str, *, end: bool = False, now: datetime | None = None) -> datetime:
    """Return the moment that is meant by `2026-11-01`, `2026-11-01T14:30`, `7d`, `24h`, `today` or `yesterday`.

    UTC where no offset is given. A whole day means its beginning, or with `end` its end; `24h` is so long ago. Raises
    ParameterError.
    """
    now = now or datetime.now(UTC)
    word = text.strip().lower()
    try:
        if back := _BACK.fullmatch(word):
            return now - timedelta(**{_UNITS[back[2]]: int(back[1])})
        if word in _DAYS:
            day = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=_DAYS[word])
            return day + timedelta(days=end)
        when = datetime.fromisoformat(text.strip())
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        return when + timedelta(days=end and len(word) <= len("2026-11-01"))
    except (ValueError, OverflowError):
        raise ParameterError(
            f"{text!r} is no moment", hint="give 2026-11-01, 2026-11-01T14:30, 7d, 24h, today or yesterday"
        ) from None


NOT_KNOWN = "not known, for its clock was set back while it ran"
"""How long a run took that ended before it began."""


def duration(seconds: float) -> str:
    """Return a duration in its two largest units that matter, e.g. `0.4 s`, `2 min 05 s`, `3 h 10 min`."""
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"
