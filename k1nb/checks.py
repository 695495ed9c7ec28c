"""Checks and verdicts: what was asked, what was seen, what it adds up to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from numbers import Real
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


def spelt(text: str) -> str:
    """Return a text with letters that UTF-8 has not, halves of surrogate pairs, spelt out as `\\udcff`."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _is_finite(value: object) -> bool:
    """Tell whether a value is a number that JSON has."""
    try:
        return isinstance(value, Real) and math.isfinite(value)
    except OverflowError:  # a whole number that no float holds
        return False


@dataclass(frozen=True, slots=True)
class Check:
    """One question and its answer, with what was seen, when and from where.

    It is kept as JSON in UTF-8. A measured value that is no finite number is told in the evidence instead, and letters
    that UTF-8 has not are spelt out as `\\udcff`: neither is a reason to break a run, nor to lose what was seen.
    """

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

    def __post_init__(self) -> None:
        """Take only what can be kept."""
        finite = {name: value for name, value in self.values.items() if _is_finite(value)}
        others = [f"{name} is {value!r:.60}, no finite number" for name, value in self.values.items()
                  if name not in finite]  # fmt: skip
        evidence = "; ".join(filter(None, (self.evidence, *others)))
        for name, text in {"name": self.name, "evidence": evidence, "source": self.source}.items():
            object.__setattr__(self, name, spelt(text))
        if self.hint is not None:
            object.__setattr__(self, "hint", spelt(self.hint))
        plain = {spelt(name): value if isinstance(value, int) else float(value) for name, value in finite.items()}
        object.__setattr__(self, "values", plain)

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
