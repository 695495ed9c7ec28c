"""Two records beside each other, by meaning: what was asked, what was answered, what was measured."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from k1nb.checks import Check, Status
from k1nb.config import Settings
from k1nb.errors import K1Error, UnknownName
from k1nb.records._archive import Archive, folders, record_in
from k1nb.records._cells import cells_of
from k1nb.records._notebook import heading_of
from k1nb.records._record import Record
from k1nb.records._verify import is_as_sealed, known_keys

# What is another one at each look, and means nothing by that: moments, processes, ids, durations of an answer.
_FLEETING = re.compile(
    r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d+)?)?)?|\b\d\d:\d\d:\d\d\b|\bpid \d+"
    r"|\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b\d{8}-\d{6}-\w+-\w+|\bin \d+ ms\b|\bafter [\d.]+ s\b"
    r"|\bup for [\d a-z]+"
)
_RANK = {Status.OK: 0, Status.NOT_CONFIGURED: 0, Status.WARN: 1, Status.UNKNOWN: 2, Status.FAIL: 3}
_NOTABLE = 0.1
"""Change of a measured value, relative to what it was, below which a summary doesn't speak of it."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is not the same in both; None where one has none."""

    name: str
    old: Any
    new: Any

    def as_dict(self) -> dict[str, Any]:
        """Return the change as JSON-able data."""
        return {"name": self.name, "old": self.old, "new": self.new}


@dataclass(frozen=True, slots=True)
class CheckChange:
    """One check that was answered otherwise, came or went."""

    name: str
    old: Check | None
    new: Check | None

    @property
    def kind(self) -> str:
        """`worse`, `better`, `other` for the same status seen otherwise, `came` or `went`."""
        if self.old is None or self.new is None:
            return "came" if self.old is None else "went"
        before, after = _RANK[self.old.status], _RANK[self.new.status]
        return "worse" if after > before else "better" if after < before else "other"

    def as_dict(self) -> dict[str, Any]:
        """Return the change as JSON-able data."""
        old, new = (check.as_dict() if check else None for check in (self.old, self.new))
        return {"name": self.name, "kind": self.kind, "old": old, "new": new}


@dataclass(frozen=True, slots=True)
class Measured:
    """One value that both runs measured, or only one of them."""

    check: str
    name: str
    """With its unit, e.g. `render_microseconds`."""
    old: float | None
    new: float | None

    @property
    def difference(self) -> float | None:
        """New less old."""
        return None if self.old is None or self.new is None else self.new - self.old

    @property
    def relative(self) -> float | None:
        """The difference by the old value; None where that is 0."""
        return self.difference / abs(self.old) if self.difference is not None and self.old else None

    @property
    def steady(self) -> bool:
        """Tell whether it would be the same if nothing had happened; an uptime would not."""
        return not self.name.startswith("uptime")

    def as_dict(self) -> dict[str, Any]:
        """Return the values as JSON-able data."""
        values = {"old": self.old, "new": self.new, "difference": self.difference, "relative": self.relative}
        return {"check": self.check, "name": self.name, **values}


@dataclass(frozen=True, slots=True)
class Difference:
    """How a run's record differs from another's."""

    old: Record
    new: Record
    facts: Sequence[Change]
    """Verdict, reason, where and by whom, the notebook's source."""
    parameters: Sequence[Change]
    versions: Sequence[Change]
    mentions: Sequence[Change]
    """Devices, artifacts and executions that only one of them names."""
    checks: Sequence[CheckChange]
    values: Sequence[Measured]
    """Every measured value that is not the same."""
    seconds: Sequence[Change]
    """How long the whole run took, and each cell, where both are known."""

    @property
    def found(self) -> bool:
        """Tell whether anything differs but measured values, timings and executions, which always do."""
        named = [change for change in self.mentions if change.name != "execution"]
        return bool(self.facts or self.parameters or self.versions or named or self.checks)

    def as_dict(self) -> dict[str, Any]:
        """Return the difference as JSON-able data."""
        groups = ("facts", "parameters", "versions", "mentions", "checks", "values", "seconds")
        lists = {name: [item.as_dict() for item in getattr(self, name)] for name in groups}
        return {"old": self.old.id, "new": self.new.id, "differ": self.found, **lists}


def difference(old: Record, new: Record) -> Difference:
    """Compare two records; of their files only the notebooks are read, for the headings of their cells."""
    return Difference(
        old,
        new,
        facts=_changes(_facts(old), _facts(new)),
        parameters=_changes(old.parameters, new.parameters),
        versions=_changes(old.manifest.versions, new.manifest.versions),
        mentions=[change for kind in ("devices", "artifacts", "executions") for change in _mentions(kind, old, new)],
        checks=_checks(old, new),
        values=_values(old, new),
        seconds=[change for change in _changes(_seconds(old), _seconds(new)) if _told(change)],
    )


def before(settings: Settings, record: Record) -> Record | None:
    """Return the newest sealed run of the same notebook that began before this one; None where there is none."""
    found = None
    for folder in reversed(folders(settings.paths.records)):  # their names begin with the time
        if f"-{record.notebook}-" not in folder.name or folder.name >= record.id:
            continue
        found = record_in(folder)
        if found.notebook == record.notebook and found.started_at < record.started_at:
            return found
    return None


def compare(settings: Settings, one: str, other: str = "") -> Difference:
    """Compare two records by their ids: the older with the newer one, or one with the run before it.

    Raises UnknownName, also where there is no run before it.
    """
    archive = Archive(settings.paths)
    first = archive.get(one)
    second = archive.get(other) if other else before(settings, first)
    if second is None:
        raise UnknownName(f"there is no run of {first.notebook} before {first.id}", hint="k1nb records list")
    keys = known_keys(settings.paths)
    first, second = (replace(record, as_sealed=is_as_sealed(record, keys)) for record in (first, second))
    return difference(first, second) if other else difference(second, first)


def summary(change: Difference) -> str:
    """Say in one line what has changed for the better or worse, and which measured values by a tenth or more."""
    parts = [f"verdict {c.old} → {c.new}" for c in change.facts if c.name == "verdict"]
    for kind, words in (("worse", "worse"), ("better", "better"), ("came", "new"), ("went", "gone")):
        names = [check.name for check in change.checks if check.kind == kind]
        parts += [f"{words}: {_some(names)}"] if names else []
    parts += [f"{c.name} {said(c.old)} → {said(c.new)}" for c in (*change.parameters, *change.versions)]
    notable = [v for v in change.values if v.relative is not None and abs(v.relative) >= _NOTABLE and v.steady]
    parts += [f"{v.check}: {v.name} {number(v.old)} → {number(v.new)} ({percent(v.relative)})" for v in notable[:3]]
    return "; ".join(parts) or "the same verdict and answers"


def said(value: Any) -> str:
    """Return a value as people are told of it: an empty text is seen, and nothing is a dash."""
    return "–" if value is None else "''" if value == "" else str(value)


def number(value: float | None) -> str:
    """Return a measured value as people read it: four digits that count."""
    if value is None:
        return "–"
    if float(value).is_integer() or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def percent(relative: float | None) -> str:
    """Return a relative change with its sign."""
    return "" if relative is None else f"{relative * 100:+.1f} %".replace("-", "−")


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _facts(record: Record) -> dict[str, Any]:
    manifest = record.manifest
    return {
        "verdict": manifest.verdict.value,
        "reason": manifest.reason or None,
        "notebook": manifest.notebook,
        "notebook's source": manifest.source[:12] or None,
        "target": manifest.target or None,
        "host": manifest.host,
        "user": manifest.user,
    }


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    names = dict.fromkeys((*old, *new))
    return [Change(name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)]


def _mentions(kind: str, old: Record, new: Record) -> list[Change]:
    was, now = getattr(old.manifest, kind), getattr(new.manifest, kind)
    name = kind.removesuffix("s")
    gone = [Change(name, item, None) for item in was if item not in now]
    return gone + [Change(name, None, item) for item in now if item not in was]


def _by_name(checks: Iterable[Check]) -> dict[str, Check]:
    """Return checks by name; one that was asked again under the same name is told apart by its turn."""
    named: dict[str, Check] = {}
    for check in checks:
        turn, name = 1, check.name
        while name in named:
            turn += 1
            name = f"{check.name} ({turn})"
        named[name] = check
    return named


def _checks(old: Record, new: Record) -> list[CheckChange]:
    was, now = _by_name(old.checks), _by_name(new.checks)
    changes = [CheckChange(name, was.get(name), now.get(name)) for name in dict.fromkeys((*was, *now))]
    order = ("worse", "came", "went", "better", "other")
    return sorted((c for c in changes if _differ(c.old, c.new)), key=lambda c: order.index(c.kind))


def _differ(old: Check | None, new: Check | None) -> bool:
    """Tell whether a check was answered otherwise; what it measured is told apart from that."""
    if old is None or new is None or old.status is not new.status:
        return True
    if old.values or new.values:
        return False
    return _lasting(old.evidence) != _lasting(new.evidence)


def _lasting(evidence: str) -> str:
    return _FLEETING.sub("*", evidence)


def _values(old: Record, new: Record) -> list[Measured]:
    was, now = _by_name(old.checks), _by_name(new.checks)
    found = []
    for name in dict.fromkeys((*was, *now)):
        before_, after = (side[name].values if name in side else {} for side in (was, now))
        found += [Measured(name, c.name, c.old, c.new) for c in _changes(before_, after)]
    return found


def _seconds(record: Record) -> dict[str, float]:
    """Return how long a run and those of its parts took that ran: in tenths of a second, short ones in two digits."""
    manifest = record.manifest
    parts: dict[str, float] = {}
    for name, took in zip(_parts(record), manifest.cell_seconds, strict=False):
        if took is not None and took >= 0:  # the clock was not set back while it ran
            parts[name] = parts.get(name, 0.0) + took
    named = {**({} if manifest.seconds is None else {"run": manifest.seconds}), **parts}
    return {name: round(seconds, 1) if seconds >= 1 else float(f"{seconds:.2g}") for name, seconds in named.items()}


def _told(change: Change) -> bool:
    """Tell whether times differ by a tenth of a second; what did not run took none."""
    return round(change.old or 0, 1) != round(change.new or 0, 1)


def _parts(record: Record) -> Iterator[str]:
    """Yield for each cell the heading that it stands under, for numbers shift with what papermill adds."""
    heading = ""
    try:
        cells = cells_of(record)
    except K1Error:
        cells = []
    for cell in cells:
        if cell.kind == "markdown":
            heading = heading_of(cell.source) or heading
        yield heading or f"cell {cell.number}"
