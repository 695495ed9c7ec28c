"""Which records keep their files, and the removal of those of the others: a manifest stays, so the chain does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from k1nb.config import Settings
from k1nb.errors import UnknownName
from k1nb.plan import Plan, Step
from k1nb.records._archive import Archive
from k1nb.records._record import Record
from k1nb.records._staging import Staging

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Limits:
    """How long files of records stay."""

    count: int
    """Newest records of each notebook that keep theirs."""
    age: timedelta
    """After which none of those does, but the newest one of its notebook."""
    failed: timedelta
    """For which a record that did not pass keeps them whatever the other two say."""

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """Return the limits that the settings give."""
        return cls(
            settings.records_keep,
            timedelta(days=settings.records_keep_days),
            timedelta(days=settings.records_keep_failed_days),
        )


@dataclass(frozen=True, slots=True)
class RecordsPruned:
    """What became of a pruning."""

    plan: Plan
    pruned: tuple[str, ...] = ()
    """Ids of the runs whose files are gone."""

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome as JSON-able data."""
        return {"plan": self.plan.as_dict(), "pruned": list(self.pruned)}


def prunable(records: Iterable[Record], limits: Limits, now: datetime) -> list[Record]:
    """Return the sealed records whose files need not stay, oldest first."""
    found: list[Record] = []
    newer: Counter[str] = Counter()
    for record in sorted(records, key=lambda record: record.started_at, reverse=True):
        if record.running or record.manifest.seal is None:
            continue
        age = now - record.started_at
        held = newer[record.notebook] == 0 or (not record.passes and age < limits.failed)
        if not held and record.files and (newer[record.notebook] >= limits.count or age > limits.age):
            found.append(record)
        newer[record.notebook] += 1
    return found[::-1]


def plan_pruning(records: Sequence[Record]) -> Plan:
    """Plan to remove the files of these records."""
    counts = Counter(record.notebook for record in records)
    steps = tuple(
        Step(
            "remove", f"the files of {count} records of {notebook}", "their manifests and seals stay", destructive=True
        )
        for notebook, count in sorted(counts.items())
    )
    return Plan("pruning of records", steps, {"runs": sorted(record.id for record in records)})


def prune_records(
    settings: Settings, *, notebook: str = "", consent: str = "", on_progress: Progress | None = None
) -> RecordsPruned:
    """Remove the files that need not stay, if that is consented to; without consent only plan.

    Raises ConsentError where the consent is to another plan, UnknownName for a notebook without records, RecordError
    and StorageError.
    """
    every = [r for r in Archive(settings.paths).list() if not notebook or r.notebook == notebook]
    if notebook and not every:
        raise UnknownName(f"there is no record of a notebook {notebook!r}", hint="k1nb records list")
    old = prunable(every, Limits.of(settings), datetime.now(UTC))
    plan = plan_pruning(old)
    if not consent or not plan.steps:
        return RecordsPruned(plan)
    plan.require(consent)
    staging, pruned = Staging(settings), []
    for number, record in enumerate(old, 1):
        staging.prune(record)
        pruned.append(record.id)
        if on_progress is not None:
            on_progress(number, len(old))
    return RecordsPruned(plan, tuple(pruned))
