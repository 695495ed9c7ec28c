"""Checks and verdicts: what was asked, what was seen, what it adds up to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """The answer to one check."""

    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"
    UNKNOWN = "UNKNOWN"
    """Configured, but there was no answer."""
    NOT_CONFIGURED = "NOT_CONFIGURED"
    """Listed with its reason, not counted."""


class Verdict(StrEnum):
    """What a run adds up to; `INTERRUPTED` until it concludes."""

    OK = "OK"
    WARN = "WARN"
    UNKNOWN = "UNKNOWN"
    FAIL = "FAIL"
    INTERRUPTED = "INTERRUPTED"

    def passes(self, *, strict: bool = False) -> bool:
        """Tell whether a run with this verdict ends with exit code 0."""
        return self is Verdict.OK or (self is Verdict.WARN and not strict)


_WORST_LAST = (Status.OK, Status.WARN, Status.UNKNOWN, Status.FAIL)


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Check:
    """One question and its answer, with what was seen, when and from where."""

    name: str
    """What was asked, as `subject: aspect`, e.g. `device demo: answers`."""
    status: Status
    evidence: str
    """What was seen, in one line."""
    hint: str | None = None
    """What to do next; every check that is not OK has one."""
    source: str = ""
    """Where the evidence came from: a URL, a path, a command."""
    seen_at: datetime = field(default_factory=_now)
    values: Mapping[str, float] = field(default_factory=dict, hash=False)
    """What was measured, by name with its unit, e.g. `{"render_microseconds": 812.0}`; two runs are compared by it."""

    def as_dict(self) -> dict[str, Any]:
        """Return the check as JSON-able data."""
        return {
            "name": self.name,
            "status": self.status.value,
            "evidence": self.evidence,
            "hint": self.hint,
            "source": self.source,
            "seen_at": self.seen_at.isoformat(timespec="seconds"),
            "values": dict(self.values),
        }


def verdict(checks: Iterable[Check]) -> Verdict:
    """Return the worst of the counted checks: FAIL > UNKNOWN > WARN > OK.

    No counted check at all is UNKNOWN: nothing was seen, so nothing is known.
    """
    counted = [c.status for c in checks if c.status is not Status.NOT_CONFIGURED]
    if not counted:
        return Verdict.UNKNOWN
    return Verdict(max(counted, key=_WORST_LAST.index).value)
