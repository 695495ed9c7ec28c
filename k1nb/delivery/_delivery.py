"""A delivery as an operator asks for it: observe, plan, apply, verify."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from k1nb._http import run
from k1nb.checks import Check, Status
from k1nb.conductor import Conductor, Execution, ExecutionStatus
from k1nb.config import Settings
from k1nb.delivery._deployment import resolve, try_readings
from k1nb.delivery._following import Follower, OnChange, follow
from k1nb.delivery._health import HealthLimits, complaints
from k1nb.delivery._remarks import PIPELINE, taken_back, told, under_way
from k1nb.device import Device, Readings
from k1nb.errors import ArtifactError, ConductorError, ConductorUnreachable, ConsentError
from k1nb.firmware import (
    Artifact,
    ArtifactStore,
    Commit,
    Deployment,
    Grade,
    Ledger,
    Outcome,
    Repository,
    repository,
    require_environment,
    resolve_commit,
)
from k1nb.plan import Plan, Step

RELEASE = "multi-stage-deployment"


@dataclass(frozen=True, slots=True)
class DeliveryFacts:
    """What was observed before a delivery; None where nothing is known."""

    device: Device
    repository: Repository
    branch: str
    commit: Commit
    environment: str
    readings: Readings | None
    current: Deployment | None
    artifact: Artifact | None
    """The artifact that the ledger says the device runs."""
    newest: Deployment | None = None
    """The ledger's last row of the device, accepted or not."""
    limits: HealthLimits = field(default_factory=HealthLimits)
    under_way: tuple[Execution, ...] = ()
    """The executions that work on the device now, as far as the server can be asked."""
    taken_back: str | None = None
    """How this commit was taken back from this device, where it was."""

    @property
    def key(self) -> str:
        """The natural key of the intent, used as correlationId."""
        return f"deploy:{self.device.mac}:{self.commit.sha}:{self.environment}"

    @property
    def up_to_date(self) -> bool:
        """Tell whether the device is proven to run this commit already; of a silent one that is not known."""
        if self.current is None or self.artifact is None or self.current.grade < Grade.HEALTHY:
            return False
        if self.readings is None or self.readings.mac != self.device.mac:
            return False
        if (self.artifact.version, self.artifact.environment) != (self.commit.sha, self.environment):
            return False
        return self.readings.stamp == self.artifact.stamp


@dataclass(frozen=True, slots=True)
class Delivery:
    """How far a delivery is proven."""

    execution: Execution
    grade: Grade
    outcome: Outcome
    evidence: list[str] = field(default_factory=list)
    artifact_id: str | None = None

    @property
    def good(self) -> bool:
        """Tell whether the device was proven healthy with the commit."""
        return self.outcome in (Outcome.succeeded, Outcome.no_op) and self.grade >= Grade.HEALTHY

    def as_dict(self) -> dict[str, Any]:
        """Return the delivery as JSON-able data; the grade by its name."""
        return {
            "outcome": self.outcome.value,
            "grade": self.grade.name,
            "artifact_id": self.artifact_id,
            "evidence": self.evidence,
            "execution_id": self.execution.id,
        }


def observe(
    settings: Settings, *, repo: str, branch: str, commit_sha: str, environment: str, device: str = ""
) -> DeliveryFacts:
    """Find out what a delivery would start from.

    Raises UnknownName, CommitError or UsageError where the words are wrong, and ConsentError for a production device;
    a silent device is a fact, no error.
    """
    facts = _state(settings, repo, branch, commit_sha, environment, device)
    history = Ledger(settings.paths).history(facts.device.mac)
    return replace(
        facts,
        under_way=under_way(settings, facts.device),
        taken_back=taken_back(history, _artifacts_of(settings, facts.commit, environment)),
    )


def _state(settings: Settings, repo: str, branch: str, commit_sha: str, environment: str, device: str) -> DeliveryFacts:
    """Return what a plan is made from, without what is remarked beside its steps; raises as `observe`."""
    entry = resolve(settings, device or None)
    _require_test(entry)
    source = repository(settings, repo)
    commit = resolve_commit(source, commit_sha, branch=branch)
    require_environment(source, commit, environment)
    ledger = Ledger(settings.paths)
    current = ledger.current(entry.mac)
    return DeliveryFacts(
        device=entry,
        repository=source,
        branch=branch,
        commit=commit,
        environment=environment,
        readings=run(try_readings, settings, entry),
        current=current,
        artifact=_artifact(settings, current),
        newest=ledger.newest(entry.mac),
        limits=HealthLimits.of(settings),
    )


def _require_test(device: Device) -> None:
    if device.role == "production":
        raise ConsentError(
            f"{device.label} is a production device, and this pipeline delivers to test devices only",
            hint=f"name a test device (`k1nb device list`), or bring a stored artifact to it: "
            f"k1nb rollout plan ARTIFACT --device {device.name}, or a release by the workflow {RELEASE}",
        )


def _artifacts_of(settings: Settings, commit: Commit, environment: str) -> set[str]:
    stored = ArtifactStore(settings.paths).list()
    return {each.id for each in stored if (each.version, each.environment) == (commit.sha, environment)}


def _artifact(settings: Settings, current: Deployment | None) -> Artifact | None:
    try:
        return ArtifactStore(settings.paths).get(current.artifact_id) if current else None
    except ArtifactError:
        return None


def plan(facts: DeliveryFacts) -> Plan:
    """Plan a delivery from what was observed; a device that is proven up to date needs no step."""
    purpose = f"delivery of {facts.commit.sha[:12]} to {facts.device.label}"
    known = facts.current.artifact_id if facts.current else None
    preconditions = {
        "device": facts.device.mac,
        "address": facts.device.place,
        "role": facts.device.role,
        "commit": facts.commit.sha,
        "environment": facts.environment,
        "artifact on the device": known,
        "last entry": facts.newest and facts.newest.id,  # what was consented to once is not done twice
    }
    remarks = _remarks(facts)
    if facts.up_to_date:
        return Plan(purpose, (), preconditions, remarks=remarks)
    source = f"{facts.repository.name}@{facts.commit.sha[:12]}"
    runs = f"the ledger says it runs {known[:12]}" if known else "the ledger knows of no deployment to it"
    return Plan(
        purpose,
        (
            Step("build", f"{source} for {facts.environment}", facts.commit.subject),
            Step("flash", facts.device.label, runs, destructive=True),
        ),
        preconditions,
        in_notebook=True,
        remarks=remarks,
    )


def _remarks(facts: DeliveryFacts) -> tuple[str, ...]:
    ready = facts.up_to_date
    wrong = complaints(facts.readings, facts.limits) if ready and facts.readings else []
    return (
        *(["it does not answer now"] if facts.readings is None else []),
        *([f"it is not well now: {'; '.join(wrong)}"] if wrong else []),
        *told(facts.under_way, PIPELINE, facts.key, joins=not ready),
        *([facts.taken_back] if facts.taken_back and not ready else []),
    )


def apply(
    settings: Settings,
    facts: DeliveryFacts,
    planned: Plan,
    *,
    consent: str = "",
    since: datetime | None = None,
    on_change: OnChange | None = None,
    follower: Follower | None = None,
) -> Delivery | None:
    """Carry out a plan that was consented to and follow it to its end; None where nothing is to be done.

    The same delivery that is under way already, or that has begun at `since` or after it, is followed, whatever consent
    it was begun with; one that may have ended long ago is good only where the device is proven to run the commit still.
    Without `consent` nothing is applied. Raises ConsentError where the consent is for another plan, also when what was
    observed has changed since, and for a production device.
    """
    if not consent or not (planned.steps or since):
        return None
    with Conductor.from_settings(settings) as conductor:
        # What is under way was consented to, and changes device and ledger by itself; to follow it is no effect.
        begun = _begun(conductor, facts, planned, since)
        if begun is None and not planned.steps:
            return None
        if begun is None:
            planned.require(consent)
        execution_id = begun or _start(conductor, settings, facts, planned)
        if follower is not None:
            follower.begun(execution_id, joined=begun is not None)
        execution = follow(conductor, execution_id, settings.timings, on_change, follower)
        delivered = _with_way_back(settings, facts, delivery(conductor, execution))
    return _still(settings, facts, delivered) if begun and since else delivered


def _begun(conductor: Conductor, facts: DeliveryFacts, planned: Plan, since: datetime | None) -> str | None:
    try:
        return conductor.begun(PIPELINE, facts.key, since)
    except ConductorUnreachable:
        if planned.steps:
            raise
        return None  # that there is nothing to do is proven without the server


def _start(conductor: Conductor, settings: Settings, facts: DeliveryFacts, planned: Plan) -> str:
    words = _words(facts)
    planned.require_same(plan(_state(settings, **words)))
    return conductor.start(PIPELINE, words, correlation_id=facts.key)


def _words(facts: DeliveryFacts) -> dict[str, str]:
    return {
        "repo": facts.repository.name,
        "branch": facts.branch,
        "commit_sha": facts.commit.sha,
        "environment": facts.environment,
        "device": facts.device.mac,  # a name may come to mean another device meanwhile
    }


def _with_way_back(settings: Settings, facts: DeliveryFacts, delivered: Delivery) -> Delivery:
    """Add what the device went back to, where the ledger proves that it did."""
    row = Ledger(settings.paths).current(facts.device.mac)
    if delivered.outcome is not Outcome.rolled_back or row is None:
        return delivered
    back = f"the device is back on artifact {row.artifact_id[:12]}, grade {row.grade.name}"
    return replace(delivered, evidence=[*delivered.evidence, back])


def _still(settings: Settings, facts: DeliveryFacts, delivered: Delivery) -> Delivery:
    """Look at the device once more: since its delivery has ended, something else may have reached it."""
    if not delivered.good:
        return delivered
    now = _state(settings, **_words(facts))
    if now.up_to_date:
        return delivered
    shown = f"it shows the stamp {now.readings.stamp}" if now.readings else "it does not answer"
    known = f"the ledger says it runs {now.current.artifact_id[:12]}" if now.current else "the ledger knows of nothing"
    doubt = f"that it still does is not proven: now {shown}, and {known}"
    return replace(delivered, outcome=Outcome.failed, evidence=[*delivered.evidence, doubt])


def delivery(conductor: Conductor, execution: Execution) -> Delivery:
    """Read how far a pipeline's execution is proven, from its own output or that of the deployment it started."""
    output = _deployment_output(conductor, execution)
    completed = execution.status is ExecutionStatus.COMPLETED
    begun = any(task.reference == "deployment" for task in execution.tasks)
    untouched = ["nothing was sent to the device"] if execution.status.terminal and not begun else []
    evidence = output.get("evidence") or [execution.reason or "no evidence was recorded"]
    outcome = output.get("outcome") or (Outcome.succeeded if completed and output.get("grade") else Outcome.failed)
    return Delivery(
        execution=execution,
        grade=Grade[str(output.get("grade") or "NONE")],
        outcome=Outcome(outcome),
        evidence=[*map(str, evidence), *untouched],
        artifact_id=output.get("artifact_id") or execution.output.get("artifact_id"),
    )


def _deployment_output(conductor: Conductor, execution: Execution) -> Mapping[str, Any]:
    if execution.output.get("grade"):
        return execution.output
    for task in execution.tasks:
        if task.reference == "deployment" and task.child_id:
            try:
                return conductor.execution(task.child_id, tasks=False).output
            except ConductorError:
                return task.output
    return {}


def checks(facts: DeliveryFacts, planned: Plan, delivered: Delivery | None) -> list[Check]:
    """Answer what a delivery has to show: is the device on this commit, and how is that known."""
    name = f"device {facts.device.name}: runs {facts.commit.sha[:12]}"
    if delivered is None and not planned.steps:
        current = facts.current
        grade = current.grade if current else Grade.NONE
        proof = "; ".join(current.evidence[-1:]) if current else ""
        seen = f"{Outcome.no_op}, already so, grade {grade.name}: {proof}"
        wrong = complaints(facts.readings, facts.limits) if facts.readings else []
        if wrong:
            hint = f"k1nb run daily_health -p device={facts.device.name}"
            return [Check(name, Status.WARN, "; ".join((seen, "now", *wrong)), hint, "ledger and device")]
        return [Check(name, Status.OK, seen, source="ledger and device")]
    if delivered is None:
        hint = f"look at the plan, then {planned.how_to_apply}"
        steps = "; ".join(f"{step.action} {step.subject} ({step.why})" for step in planned.steps)
        return [Check(name, Status.WARN, f"planned, not applied: {steps}", hint)]
    source = f"execution {delivered.execution.id}"
    status = Status.OK if delivered.good else Status.FAIL
    seen = f"{delivered.outcome}, grade {delivered.grade.name}: {'; '.join(delivered.evidence)}"
    remedy = None if delivered.good else f"k1nb executions show {delivered.execution.id}"
    took = delivered.execution.seconds
    values = {} if took is None else {"execution_seconds": round(took, 1)}
    return [Check(name, status, seen, remedy, source, values=values)]
