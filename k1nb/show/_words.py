"""How durations and states read."""

from __future__ import annotations

from k1nb.records import duration

__all__ = ["duration", "words"]

_WORDS = {"COMPLETED_WITH_ERRORS": "failed, but optional", "FAILED_WITH_TERMINAL_ERROR": "failed for good"}


def words(status: str) -> str:
    """Return a status as people read it."""
    return _WORDS.get(status) or status.replace("_", " ").lower()
