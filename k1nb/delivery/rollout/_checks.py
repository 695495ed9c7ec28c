"""What a rollout has shown, as checks."""

from __future__ import annotations

from collections.abc import Iterable

from k1nb.checks import Check, Status
from k1nb.delivery.rollout._facts import RolloutFacts
from k1nb.delivery.rollout._known import Decision, State
from k1nb.delivery.rollout._progress import Progress, Standing
from k1nb.plan import Plan

_GATES = {Decision.GO_ON: Status.OK, Decision.STOP: Status.FAIL, Decision.HOLD: Status.WARN, Decision.WAIT: Status.WARN}


def checks(facts: RolloutFacts, planned: Plan, progress: Progress | None) -> list[Check]:
    """Answer what a rollout has to show: do the devices run the artifact, and where not, why."""
    name = f"rollout of {facts.artifact.id[:12]}: "
    if progress is None and not planned.steps:
        seen = f"nothing to do: {len(facts.current)} of {len(facts.devices)} devices are proven to run it"
        return [Check(f"{name}done", Status.OK, seen, source="ledger and devices")]
    if progress is None:
        steps = "; ".join(f"{step.action} {step.subject}" for step in planned.steps)
        hint = f"look at the plan, then {planned.how_to_apply}"
        return [Check(f"{name}planned", Status.WARN, f"planned, not applied: {steps}", hint)]
    return [*_whole(name, progress), *_waves(name, progress), *_devices(name, progress), *_strayed(name, progress)]


def _whole(name: str, progress: Progress) -> list[Check]:
    standing, rollout = progress.standing, progress.rollout
    counts = ", ".join(f"{count} {state.replace('_', ' ')}" for state, count in progress.counts().items())
    seen = f"{rollout.id} is {standing.replace('_', ' ')}: {progress.reason}; {counts}"
    status = Status.FAIL if standing.failed else Status.OK if standing is Standing.COMPLETED else Status.WARN
    return [Check(f"{name}done", status, seen, _hint(progress), f"execution {progress.execution.id}")]


def _hint(progress: Progress) -> str | None:
    rollout_id = progress.rollout.id
    hints = {
        Standing.RUNNING: f"it goes on by itself: k1nb rollout status {rollout_id} --follow",
        Standing.PAUSED: f"k1nb rollout resume {rollout_id}",
        Standing.APPROVAL: f"look at it, then approve: k1nb rollout resume {rollout_id}",
        Standing.PENDING: f"they are tried again by themselves, or now: k1nb rollout resume {rollout_id}",
        Standing.BROKEN: f"mend what is said, then k1nb rollout resume {rollout_id}",
        Standing.STOPPED: f"k1nb rollout status {rollout_id}",
        Standing.ABORTED: f"plan another: k1nb rollout plan {progress.rollout.artifact_id[:12]}",
    }
    return hints.get(progress.standing)


def _waves(name: str, progress: Progress) -> Iterable[Check]:
    for number, wave in enumerate(progress.rollout.waves, 1):
        gate = progress.known.gate(number)
        subject = f"{name}gate of wave {number}"
        if gate is not None:
            status = _GATES[gate.decision]
            hint = None if status is Status.OK else f"k1nb rollout status {progress.rollout.id}"
            yield Check(subject, status, "; ".join(gate.reasons), hint, seen_at=gate.at)
        elif progress.standing.ended:
            yield Check(subject, Status.NOT_CONFIGURED, f"not reached: {len(wave)} devices")
        else:
            yield Check(subject, Status.WARN, "not decided yet", f"k1nb rollout status {progress.rollout.id}")


def _devices(name: str, progress: Progress) -> Iterable[Check]:
    remedies = {
        State.FAILED: "k1nb executions show EXECUTION, with the id that `k1nb rollout status` gives",
        State.PENDING: "switch them on, or wait until what holds them has ended",
        State.SKIPPED: "plan another rollout for them",
    }
    for state, remedy in remedies.items():
        found = [(d.name, seen.reason) for d in progress.rollout.devices if (seen := progress.state(d)).state is state]
        if found:
            said = "; ".join(f"{device} ({reason})" for device, reason in found)
            yield Check(f"{name}{state} devices", Status.WARN, said, remedy, f"execution {progress.execution.id}")


def _strayed(name: str, progress: Progress) -> Iterable[Check]:
    if progress.strayed:
        said = f"not proven now: {', '.join(device.name for device in progress.strayed)}"
        yield Check(f"{name}devices run it still", Status.FAIL, said, "k1nb device info NAME", "ledger and devices")
