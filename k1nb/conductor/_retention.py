"""Executions that ended long ago: planned, consented to, removed from the server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from k1nb._plain import counted
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
    """Why not, by id; None where nothing was applied."""

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome as JSON-able data."""
        refused = self.refused or {}
        return {
            "plan": self.plan.as_dict(),
            "applied": self.refused is not None,
            "removed": list(self.removed),
            "refused": refused,
        }


def plan_pruning(executions: Sequence[Execution], before: datetime, gone: Collection[str] = ()) -> Plan:
    """Plan to remove those that ended before a moment; what runs, and what ended later, stays.

    A sub-workflow's execution stays with the one that started it, unless that is removed as well or among `gone`, the
    ids of those that the server does not have any more.
    """
    old = _removable(executions, before, gone)
    counts = Counter(execution.name for execution in old)
    steps = tuple(
        Step(
            "remove", f"{counted(count, 'execution')} of {name}", "all that the server knows of them", destructive=True
        )
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
    clear_index: Callable[[], object] | None = None,
    on_plan: Callable[[Plan], None] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Pruned:
    """Remove up to AT_ONCE executions that ended before a moment, oldest first; without consent only plan.

    `clear_index` takes what was removed out of the server's index. Raises ConsentError where the
    consent is to another plan, ConductorError, and what `clear_index` raises.
    """
    found = conductor.find(status=_ENDED, name=name, before=before, size=AT_ONCE, oldest_first=True)
    gone = _gone_parents(conductor, _ended_before(found, before))
    plan = plan_pruning(found, before, gone)
    if on_plan is not None:
        on_plan(plan)
    if not consent or not plan.steps:
        return Pruned(plan)
    plan.require(consent)
    try:
        return _removed(conductor, plan, _removable(found, before, gone), on_progress)
    finally:
        if clear_index is not None:
            clear_index()


def _removed(
    conductor: Conductor, plan: Plan, old: Sequence[Execution], on_progress: Callable[[int, int], None] | None
) -> Pruned:
    removed: list[str] = []
    refused: dict[str, str] = {}
    for number, one in enumerate(old, 1):
        why = f"{one.parent_id}, which started it, stays" if one.parent_id in refused else _remove(conductor, one.id)
        if why:
            refused[one.id] = why
        else:
            removed.append(one.id)
        if on_progress is not None:
            on_progress(number, len(old))
    return Pruned(plan, tuple(removed), refused)


def _remove(conductor: Conductor, execution_id: str) -> str:
    """Remove an execution that still is at its end; return why not, empty where it is gone."""
    try:
        status = conductor.execution(execution_id, tasks=False).status
        if not status.terminal:
            return f"it was begun again and is {status}"
        conductor.remove(execution_id)
    except ConductorNotFound:  # another pruning was quicker
        return ""
    except ConductorRefused as error:
        return error.message
    return ""


def _removable(executions: Sequence[Execution], before: datetime, gone: Collection[str]) -> list[Execution]:
    """Return what may be removed, each after the one that started it: what is cut short leaves nothing torn."""
    old = {execution.id: execution for execution in _ended_before(executions, before)}
    while held := [e.id for e in old.values() if e.parent_id and e.parent_id not in old and e.parent_id not in gone]:
        for one in held:
            del old[one]

    def depth(execution: Execution) -> int:
        parent = old.get(execution.parent_id or "")
        return 0 if parent is None else 1 + depth(parent)

    return sorted(old.values(), key=depth)


def _gone_parents(conductor: Conductor, executions: Sequence[Execution]) -> set[str]:
    """Return which of those that started these the server does not have any more: one request for each not here."""
    here = {execution.id for execution in executions}
    parents = {execution.parent_id for execution in executions if execution.parent_id} - here
    return {parent for parent in parents if not _there(conductor, parent)}


def _there(conductor: Conductor, execution_id: str) -> bool:
    try:
        conductor.execution(execution_id, tasks=False)
    except ConductorNotFound:
        return False
    return True


def _ended_before(executions: Sequence[Execution], before: datetime) -> list[Execution]:
    return [e for e in executions if e.status.terminal and e.ended_at is not None and e.ended_at < before]
