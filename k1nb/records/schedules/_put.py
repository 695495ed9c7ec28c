"""Schedules of notebooks on the server: found, put there or replaced, and removed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from k1nb.conductor import Conductor, Schedule
from k1nb.config import Settings
from k1nb.errors import ConductorNotFound, UnknownName, UsageError
from k1nb.records.schedules._wanted import WORKFLOW, refuse_name

_HASTE = 0.03
"""Factor on every wait while a shell waits for what it offers: a second for the server's answer."""
_COMPARED = ("cron", "zone", "catch_up", "correlation_id")


@dataclass(frozen=True, slots=True)
class Put:
    """What putting a schedule there came to."""

    schedule: Schedule
    created: bool
    changes: tuple[tuple[str, Any, Any], ...] = ()
    """What was replaced: its name, as it was, as it is."""

    @property
    def changed(self) -> bool:
        """Tell whether the server has something now that it had not before."""
        return self.created or bool(self.changes)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON-able data."""
        changes = [{"what": what, "old": old, "new": new} for what, old, new in self.changes]
        return {"name": self.schedule.name, "created": self.created, "changed": self.changed, "changes": changes}


def find(conductor: Conductor, name: str) -> Schedule:
    """Return a notebook's schedule by its name.

    Raises UnknownName, and UsageError for what is no name or a schedule of something else.
    """
    refuse_name(name)
    try:
        found = conductor.schedule(name)
    except ConductorNotFound:
        known = ", ".join(sorted(schedule.name for schedule in conductor.schedules(WORKFLOW)))
        hint = f"known are {known}" if known else "add one: k1nb schedule add NAME NOTEBOOK --daily 06:00"
        raise UnknownName(f"there is no schedule {name!r}", hint=hint) from None
    return _ours(found)


def _ours(schedule: Schedule) -> Schedule:
    if schedule.workflow != WORKFLOW:
        raise UsageError(
            f"the schedule {schedule.name} starts {schedule.workflow}, no notebook",
            hint="leave it to what has put it there; give another name",
        )
    return schedule


def put(conductor: Conductor, schedule: Schedule) -> Put:
    """Have the server keep a schedule; one that is the same already is left alone, another one is replaced.

    A paused one stays paused. Raises UsageError where a schedule of something else has the name.
    """
    try:
        old = _ours(conductor.schedule(schedule.name))
    except ConductorNotFound:
        return Put(conductor.put_schedule(schedule), created=True)
    changes = tuple(_changes(old, schedule))
    if not changes:
        return Put(old, created=False)
    kept = replace(schedule, paused=old.paused, paused_reason=old.paused_reason)
    return Put(conductor.put_schedule(kept), created=False, changes=changes)


def _changes(old: Schedule, new: Schedule) -> Iterator[tuple[str, Any, Any]]:
    before, after = _facts(old), _facts(new)
    yield from ((what, before[what], after[what]) for what in after if before[what] != after[what])


def _facts(schedule: Schedule) -> dict[str, Any]:
    facts = {what: getattr(schedule, what) for what in _COMPARED}
    return facts | {what: schedule.input.get(what) for what in ("notebook", "parameters", "strict")}


def remove(conductor: Conductor, name: str) -> Schedule:
    """Take a notebook's schedule off the server and return what it was; what it has started goes on."""
    found = find(conductor, name)
    conductor.remove_schedule(name)
    return found


def names(settings: Settings) -> list[str]:
    """Return the names of the notebooks' schedules from a server that answers at once; raises ConductorError."""
    hasty = settings.model_copy(update={"timings_scale": _HASTE})
    with Conductor.from_settings(hasty) as conductor:
        return sorted(schedule.name for schedule in conductor.schedules(WORKFLOW))
