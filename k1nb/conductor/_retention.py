"""Executions that ended long ago: planned, consented to, removed from the server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from k1nb.conductor._client import Conductor
from k1nb.conductor._executions import Execution, ExecutionStatus
from k1nb.errors import ConductorNotFound, ConductorRefused
from k1nb.plan import Plan, Step

AT_ONCE = 1000
"""Executions that one plan removes; the server takes some 10 ms for each."""
_ENDED = tuple(status for status in ExecutionStatus if status.terminal)


@dataclass(frozen=True, slots=True)
class Pruned:
    """What became of a pruning."""

    plan: Plan
    removed: tuple[str, ...] = ()
    """Ids of what is gone."""
    refused: dict[str, str] | None = None
    """By id, in the server's own words; None where nothing was applied."""

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome as JSON-able data."""
        refused = self.refused or {}
        return {
            "plan": self.plan.as_dict(),
            "applied": self.refused is not None,
            "removed": list(self.removed),
            "refused": refused,
        }


def plan_pruning(executions: Sequence[Execution], before: datetime) -> Plan:
    """Plan to remove those that ended before a moment; what runs, and what ended later, stays."""
    old = _ended_before(executions, before)
    counts = Counter(execution.name for execution in old)
    steps = tuple(
        Step("remove", f"{count} executions of {name}", "all that the server knows of them", destructive=True)
        for name, count in sorted(counts.items())
    )
    # The moment is no part of it, or the plan would be another one at every look.
    return Plan("pruning of executions", steps, {"executions": sorted(execution.id for execution in old)})


def prune(
    conductor: Conductor,
    *,
    before: datetime,
    name: str | None = None,
    consent: str = "",
    on_plan: Callable[[Plan], None] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Pruned:
    """Remove up to AT_ONCE executions that ended before a moment, oldest first; without consent only plan.

    Raises ConsentError where the consent is to another plan, ConductorError.
    """
    found = conductor.find(status=_ENDED, name=name, before=before, size=AT_ONCE, oldest_first=True)
    plan = plan_pruning(found, before)
    if on_plan is not None:
        on_plan(plan)
    if not consent or not plan.steps:
        return Pruned(plan)
    plan.require(consent)
    return _removed(conductor, plan, plan.preconditions["executions"], on_progress)


def _removed(
    conductor: Conductor, plan: Plan, ids: Collection[str], on_progress: Callable[[int, int], None] | None
) -> Pruned:
    removed, refused = [], {}
    for number, one in enumerate(ids, 1):
        try:
            conductor.remove(one)
        except ConductorNotFound:  # another pruning was quicker
            removed.append(one)
        except ConductorRefused as error:
            refused[one] = error.message
        else:
            removed.append(one)
        if on_progress is not None:
            on_progress(number, len(ids))
    return Pruned(plan, tuple(removed), refused)


def _ended_before(executions: Sequence[Execution], before: datetime) -> list[Execution]:
    return [e for e in executions if e.status.terminal and e.ended_at is not None and e.ended_at < before]
