"""Applying a rollback, and what it has shown."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from k1nb._http import run
from k1nb.checks import Check, Status
from k1nb.conductor import Conductor, Execution
from k1nb.config import Settings
from k1nb.delivery._consent import grant
from k1nb.delivery._deployment import Progress, try_readings
from k1nb.delivery._following import Follower, OnChange, follow
from k1nb.delivery._last_good import outcome_after_rollback
from k1nb.delivery._remarks import HANDLER
from k1nb.delivery.rollback._direct import directly
from k1nb.delivery.rollback._facts import RollbackFacts, Way, observe
from k1nb.delivery.rollback._plan import plan, unreachable
from k1nb.delivery.rollback._result import Rollback
from k1nb.delivery.rollback._serial import serial_recovery
from k1nb.errors import ConductorUnreachable
from k1nb.firmware import Grade, Ledger, Outcome
from k1nb.plan import Plan


def apply(
    settings: Settings,
    facts: RollbackFacts,
    planned: Plan,
    *,
    consent: str = "",
    direct: bool = False,
    since: datetime | None = None,
    on_change: OnChange | None = None,
    follower: Follower | None = None,
    on_progress: Progress | None = None,
) -> Rollback | None:
    """Carry out a rollback that was consented to and follow it to its end; None where nothing is to be done.

    A device that takes nothing over the air gives `needs_usb`, and nothing is sent. With `direct` the work is done
    in this process, without Conductor; otherwise the same rollback that is under way, or that has begun at `since` or
    after it, is followed. Raises ConsentError where the consent is for another plan, also when what was observed has
    changed since.
    """
    # A device that restarts in the middle of its rollback is silent too, or proves nothing: that rollback is followed.
    begun = None if direct or not consent or facts.way is Way.OTA else _begun(settings, facts, since)
    if facts.way is Way.USB and begun is None:
        return Rollback(Outcome.needs_usb, Grade.NONE, facts.target.id, [unreachable(facts), _sent(facts, since)])
    if not consent or not (planned.steps or begun):
        return None
    if direct:
        _still(settings, facts, planned, consent)
        done = run(directly, settings, facts, on_progress)
    else:
        with Conductor.from_settings(settings) as conductor:
            execution_id, joined = _start_or_join(conductor, settings, facts, planned, consent, since)
            if follower is not None:
                follower.begun(execution_id, joined=joined)
            done = _read(follow(conductor, execution_id, settings.timings, on_change, follower), facts)
    return _verified(settings, facts, done)


def _still(settings: Settings, facts: RollbackFacts, planned: Plan, consent: str) -> None:
    """Raise ConsentError unless what was consented to is what would be planned now."""
    planned.require(consent)
    planned.require_same(plan(observe(settings, device=facts.device.name, to=facts.to)))


def _begun(settings: Settings, facts: RollbackFacts, since: datetime | None) -> str | None:
    try:
        with Conductor.from_settings(settings) as conductor:
            return conductor.begun(HANDLER, facts.key, since)
    except ConductorUnreachable:
        if since and facts.way is Way.USB:  # the device may be silent because of what the broken run has begun
            raise
        return None


def _sent(facts: RollbackFacts, since: datetime | None) -> str:
    """Say what a broken run has sent, which the ledger knows, also where it did that without the server."""
    newest = next(iter(facts.past.rows), None)
    if since is None or newest is None or newest.started_at < since:
        return "nothing was sent"
    return f"{newest.artifact_id[:12]} was sent to it at {newest.started_at:%H:%M:%S}, grade {newest.grade.name}"


def _start_or_join(
    conductor: Conductor,
    settings: Settings,
    facts: RollbackFacts,
    planned: Plan,
    consent: str,
    since: datetime | None,
) -> tuple[str, bool]:
    """Return the execution that does the work, and whether it was under way already."""
    try:
        if begun := conductor.begun(HANDLER, facts.key, since):  # to follow it needs no consent
            return begun, True
        _still(settings, facts, planned, consent)
        undone = facts.replaced
        words = {
            "device": facts.device.mac,  # a name may come to mean another device meanwhile
            "to_artifact_id": facts.target.id,
            "failed_artifact_id": facts.runs.artifact_id,
            "failed_workflow_id": undone and undone.execution_id,
            "reason": "operator",
            "allow_production": True,  # the plan that was consented to names the device and its role
            "consent": grant(settings.paths, planned, {facts.device.mac: facts.target.id}).source,
        }
        return conductor.start(HANDLER, words, correlation_id=facts.key), False
    except ConductorUnreachable as error:
        planned.require(consent)  # what cannot be applied anyway is said first
        hint = f"start it with `k1nb up conductor`, or go without it: k1nb rollback {facts.device.name} --direct"
        raise ConductorUnreachable(error.message, hint=hint) from error


def _read(execution: Execution, facts: RollbackFacts) -> Rollback:
    output = execution.output
    verified, needed = output.get("status"), output.get("needed")
    outcome = Outcome.no_op if needed == "none" else outcome_after_rollback("", needed=needed, verified=verified)
    reasons = [f"{t.reference}: {t.reason}" for t in execution.tasks if t.reason and not t.status.successful]
    seen = [str(line) for line in output.get("evidence") or [execution.reason or str(output.get("why") or "")]]
    return Rollback(
        outcome=outcome,
        grade=Grade[str(output.get("grade") or "NONE")],
        artifact_id=str(output.get("artifact_id") or facts.target.id),
        evidence=[line for line in seen + reasons if line],
        execution_id=execution.id,
        execution=execution,
    )


def _verified(settings: Settings, facts: RollbackFacts, done: Rollback) -> Rollback:
    """Look at the device once more: whoever says that it is back may be wrong."""
    if not done.good:
        return done
    row = Ledger(settings.paths).current(facts.device.mac)
    seen = run(try_readings, settings, facts.device)
    if seen is None:
        return _doubted(done, "the device does not answer now")
    if seen.mac != facts.device.mac:
        return _doubted(done, f"a device with MAC {seen.mac} answers at its address")
    if seen.stamp != facts.target.stamp:
        return _doubted(done, f"the device shows the stamp {seen.stamp}, not {facts.target.stamp}")
    if row is None or row.artifact_id != facts.target.id:
        return _doubted(done, "the ledger does not have the rollback as what the device accepted last")
    shows = f"shows {seen.stamp}, " if seen.stamp else ""
    line = f"the device {shows}up for {seen.uptime_seconds:.0f} s, {seen.fps:.1f} FPS"
    return replace(done, grade=max(done.grade, row.grade), evidence=[*done.evidence, line])


def _doubted(done: Rollback, why: str) -> Rollback:
    return replace(done, outcome=Outcome.failed, evidence=[*done.evidence, why])


def checks(facts: RollbackFacts, planned: Plan, done: Rollback | None) -> list[Check]:
    """Answer what a rollback has to show: does the device run the target, and how is that known."""
    name = f"device {facts.device.name}: runs {facts.target.id[:12]}"
    if done is None and facts.way is Way.NONE:
        seen = f"{facts.chosen.why}, nothing done: {facts.runs.how}" if facts.chosen.settled else facts.runs.how
        return [Check(name, Status.OK, seen, source="ledger and device")]
    if done is None:
        hint = f"look at the plan, then {planned.how_to_apply}"
        return [Check(name, Status.WARN, "a rollback is planned, not applied", hint)]
    seen = f"{done.outcome}, grade {done.grade.name}: {'; '.join(done.evidence)}"
    if done.good:
        return [Check(name, Status.OK, seen, source=f"execution {done.execution_id}")]
    remedy = f"k1nb executions show {done.execution_id}" if done.execution else f"k1nb rollback {facts.device.name}"
    if done.outcome is Outcome.needs_usb:
        remedy = "; ".join(serial_recovery(facts))
    return [Check(name, Status.FAIL, seen, remedy, f"execution {done.execution_id}" if done.execution_id else "")]
