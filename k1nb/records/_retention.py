"""Which records keep their files, and the removal of those of the others: a manifest stays, so the chain does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import ValidationError

from k1nb.config import Settings
from k1nb.errors import UnknownName
from k1nb.plan import Plan, Step
from k1nb.records._archive import Archive
from k1nb.records._record import Manifest, Record, Seal, earlier_manifest
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
    """Return the sealed records whose files need not stay, oldest first.

    Which one is newer is told by the order in which they were first sealed, for clocks go wrong; how old one is, by the
    clock.
    """
    found: list[Record] = []
    newer: Counter[str] = Counter()
    for record in reversed(in_order(records)):
        age = now - record.started_at
        held = newer[record.notebook] == 0 or (not record.passes and age < limits.failed)
        if not held and record.files and (newer[record.notebook] >= limits.count or age > limits.age):
            found.append(record)
        newer[record.notebook] += 1
    return found[::-1]


def in_order(records: Iterable[Record]) -> list[Record]:
    """Return the records that are sealed, in the order in which they were.

    A chain comes after those that it names as the ones before it.
    """
    seals = [(record, seal) for record in records if not record.staged and (seal := _first(record)) is not None]
    before = {seal.chain: len(seal.after) for _, seal in seals if seal.number == 1}
    begun: dict[str, datetime] = {}
    for _, seal in seals:
        begun[seal.chain] = min(seal.at, begun.get(seal.chain, seal.at))

    def place(each: tuple[Record, Seal]) -> tuple[int, datetime, str, int]:
        seal = each[1]
        return before.get(seal.chain, 0), begun[seal.chain], seal.chain, seal.number

    return [record for record, _ in sorted(seals, key=place)]


def _first(record: Record) -> Seal | None:
    """Return the first seal of a record, for it is sealed again where a notebook joins it, or its files are pruned."""
    seal = record.manifest.seal
    while seal is not None and seal.earlier is not None:
        try:
            file = record.folder / earlier_manifest(seal.earlier)
            earlier = Manifest.model_validate_json(file.read_bytes()).seal
        except (OSError, ValidationError):
            earlier = None
        if earlier is None or earlier.number != seal.earlier:
            return seal.model_copy(update={"number": seal.earlier})
        seal = earlier
    return seal


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
    every = Archive(settings.paths).list()
    if notebook and not any(record.notebook == notebook for record in every):
        raise UnknownName(f"there is no record of a notebook {notebook!r}", hint="k1nb records list")
    found = prunable(every, Limits.of(settings), datetime.now(UTC))
    old = [record for record in found if notebook in ("", record.notebook)]
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
