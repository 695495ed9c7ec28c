"""From what was observed to the steps of a rollback."""

from __future__ import annotations

from k1nb.delivery._past import is_rollback
from k1nb.delivery._remarks import HANDLER, told
from k1nb.delivery.rollback._facts import RollbackFacts, Way
from k1nb.firmware import Grade
from k1nb.plan import Plan, Step


def plan(facts: RollbackFacts) -> Plan:
    """Plan a rollback; a device that provably runs its target, or has gone back already, needs no step."""
    purpose = f"rollback of {facts.device.label} to {facts.target.id[:12]}"
    current = facts.past.current
    newest = next(iter(facts.past.rows), None)
    preconditions = {
        "device": facts.device.mac,
        "address": facts.device.place,
        "role": facts.device.role,
        "runs now": _named(facts, facts.runs.artifact_id),
        "known because": facts.runs.how,
        "accepted last": current and f"{current.artifact_id[:12]} by {current.execution_id}, {current.reason}",
        "last entry": newest and f"{newest.id}, grade {newest.grade.name}, outcome {newest.outcome or 'none yet'}",
        "goes back to": _named(facts, facts.target.id),
        "artifact": facts.target.id,
    }
    steps = _steps(facts)
    remarks = told(facts.under_way, HANDLER, facts.key, joins=bool(steps))
    return Plan(purpose, steps, preconditions, in_notebook=True, remarks=tuple(remarks))


def _steps(facts: RollbackFacts) -> tuple[Step, ...]:
    if facts.way is Way.NONE:
        return ()
    if facts.way is Way.USB:
        return (Step("flash over USB", facts.device.label, unreachable(facts), destructive=True),)
    why = facts.chosen.why
    if not _proven_here(facts):
        why += "; it was never proven healthy on this device"
    if facts.past.seen is None:
        why += f"; the device does not answer HTTP: make sure that {facts.device.address} is still its own"
    if under_way := _under_way(facts):
        why += f"; the deployment by execution {under_way} has not concluded: while workers run it may roll back itself"
    return (Step("flash", facts.device.label, why, destructive=True),)


def _under_way(facts: RollbackFacts) -> str:
    newest = next(iter(facts.past.rows), None)
    return newest.execution_id if newest and newest.outcome is None and not is_rollback(newest) else ""


def unreachable(facts: RollbackFacts) -> str:
    """Say why nothing can be sent over the air."""
    if facts.past.seen is None:
        return "the device answers neither HTTP nor OTA"
    return "the device answers HTTP, its OTA service does not answer"


def _proven_here(facts: RollbackFacts) -> bool:
    return any(row.artifact_id == facts.target.id and row.grade >= Grade.HEALTHY for row in facts.past.rows)


def _named(facts: RollbackFacts, artifact_id: str | None) -> str | None:
    if artifact_id is None:
        return None
    artifact = facts.past.artifacts.get(artifact_id)
    when = next((row.accepted_at for row in facts.past.accepted if row.artifact_id == artifact_id), None)
    built = f", {artifact.repo}@{artifact.version[:12]}" if artifact else ""
    return f"{artifact_id[:12]}{built}" + (f", accepted {when:%Y-%m-%d %H:%M:%S} UTC" if when else "")
