"""Task functions that bring an artifact onto a device and prove it, or put the last good one back."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from k1nb import delivery
from k1nb.delivery import Decision, HealthStatus
from k1nb.device import Device, Readings
from k1nb.errors import DeviceBusy, DeviceError
from k1nb.firmware import Deployment, Grade, Ledger, Outcome
from k1nb.workers._consent import require_consent
from k1nb.workers._task import TaskContext, task

SUCCESS = "success"
FAILED = "failed"
FLEET = 50
"""Devices that are worked with at once: a task mostly waits for its device. A rollout has a bound of its own."""


class DeviceIn(BaseModel):
    """The device by name, MAC or address; nothing given means the configured one."""

    device: str | None = None
    device_ip: str | None = None


class ArtifactIn(DeviceIn):
    """A device and the artifact meant for it."""

    artifact_id: str


class PreflightIn(ArtifactIn):
    """A device, an artifact, and whether a production device may be flashed."""

    allow_production: bool | None = None


class PreflightOut(BaseModel):
    """The decision, for whom, and why."""

    decision: Decision
    device: str
    mac: str
    previous_artifact: str | None
    evidence: list[str]


@task("preflight_device", concurrency=FLEET)
async def preflight_device(words: PreflightIn, context: TaskContext) -> PreflightOut:
    """Ask everything that must hold before anything is sent."""
    settings = context.settings
    device = delivery.resolve(settings, words.device, words.device_ip)
    allowed = await require_consent(context, device, words.artifact_id, words.allow_production)
    found = await delivery.preflight(
        settings,
        device,
        words.artifact_id,
        allow_production=bool(words.allow_production),
        execution_id=context.execution_id,
    )
    current = Ledger(settings.paths).current(device.mac)
    return PreflightOut(
        decision=found.decision,
        device=device.name,
        mac=device.mac,
        previous_artifact=current.artifact_id if current else None,
        evidence=[*found.evidence, *allowed],
    )


class SnapshotOut(BaseModel):
    """The kept look, named by its execution, and the readings before."""

    snapshot_id: str
    readings: dict[str, Any]


@task("snapshot_device", concurrency=FLEET)
async def snapshot_device(words: ArtifactIn, context: TaskContext) -> SnapshotOut:
    """Keep what the device shows and how it feels before it is flashed."""
    device = delivery.resolve(context.settings, words.device, words.device_ip)
    look = await delivery.take_look(context.settings, device, context.execution_id)
    return SnapshotOut(snapshot_id=context.execution_id, readings=look.readings.as_dict())


class SentOut(BaseModel):
    """How the transfer ended; `success` means accepted by the device, not deployed."""

    deployment_status: str
    deployment_log: list[str]
    grade: str
    accepted_at: datetime
    evidence: list[str]


class FlashIn(ArtifactIn):
    """An artifact for a device, why it goes there, and whether a production device may be flashed."""

    reason: str | None = None
    allow_production: bool | None = None


async def _flash(context: TaskContext, words: FlashIn, reason: str, *, back: bool) -> SentOut:
    settings = context.settings
    device = delivery.resolve(settings, words.device, words.device_ip)
    await require_consent(context, device, words.artifact_id, words.allow_production, back=back)
    sent = await delivery.send(settings, device, words.artifact_id, execution_id=context.execution_id, reason=reason)
    return SentOut(
        deployment_status=SUCCESS,
        deployment_log=sent.log[-50:],
        grade=sent.deployment.grade.name,
        accepted_at=sent.accepted_at,
        evidence=sent.deployment.evidence,
    )


@task("deploy_firmware_ota", concurrency=FLEET, cancellable=False)
async def deploy_firmware_ota(words: FlashIn, context: TaskContext) -> SentOut:
    """Send the artifact's bytes, once, under the device's lock."""
    # Whoever starts an execution writes its reason; by this one the ledger tells a rollback.
    reason = (words.reason or "").strip()
    return await _flash(context, words, "deployment" if reason in ("", delivery.ROLLBACK) else reason, back=False)


class RollbackIn(DeviceIn):
    """A device, the artifact that it goes back to, the look that was kept of it, and whether production may be flashed.

    The look is null where none was kept.
    """

    firmware_artifact: str
    snapshot_id: str | None = None
    allow_production: bool | None = None


class RollbackOut(SentOut):
    """How the transfer ended, and the look that goes back onto the device; null where it could not be read."""

    snapshot_id: str | None


@task("rollback_firmware", concurrency=FLEET, cancellable=False)
async def rollback_firmware(words: RollbackIn, context: TaskContext) -> RollbackOut:
    """Keep the look unless that was done, then send the last good artifact's bytes, once, under the device's lock."""
    snapshot_id = words.snapshot_id or await _keep_look(words, context)
    order = FlashIn(
        device=words.device,
        device_ip=words.device_ip,
        artifact_id=words.firmware_artifact,
        allow_production=words.allow_production,
    )
    sent = await _flash(context, order, delivery.ROLLBACK, back=True)
    return RollbackOut(**sent.model_dump(), snapshot_id=snapshot_id)


async def _keep_look(words: DeviceIn, context: TaskContext) -> str | None:
    """Keep the look; a device too broken to show it is rescued all the same."""
    device = delivery.resolve(context.settings, words.device, words.device_ip)
    try:
        await delivery.take_look(context.settings, device, context.execution_id)
    except DeviceError:
        return None
    return context.execution_id


class HealthIn(ArtifactIn):
    """What was sent and when the device accepted it; null where it never did."""

    accepted_at: datetime | None = None
    deployment_status: str | None = None
    expected_version: str | None = None


class HealthOut(BaseModel):
    """How the device is; never a failure of the task, for the workflow decides on it."""

    status: HealthStatus
    grade: str
    evidence: list[str]
    build_signature: str | None
    free_heap: int | None
    uptime_seconds: float | None
    readings: dict[str, Any] | None


async def _health(words: HealthIn, context: TaskContext, before: Readings | None = None) -> HealthOut:
    settings = context.settings
    device = delivery.resolve(settings, words.device, words.device_ip)
    row = Ledger(settings.paths).find(device.mac, words.artifact_id, context.execution_id)
    if words.accepted_at is None or words.deployment_status != SUCCESS:
        status, seen = await delivery.still_here(settings, device)
        grade, evidence = (row.grade if row else Grade.NONE), ["the device did not accept the image"]
    else:
        assessment, seen = await delivery.check_health(
            settings,
            device,
            words.artifact_id,
            accepted_at=words.accepted_at,
            execution_id=context.execution_id,
            before=before,
        )
        status, grade, evidence = assessment.status, assessment.grade, assessment.evidence
    return HealthOut(
        status=status,
        grade=grade.name,
        evidence=delivery.evidence_of(None, evidence),
        build_signature=_signature(row, seen.stamp if seen else None),
        free_heap=seen.free_heap_bytes if seen else None,
        uptime_seconds=seen.uptime_seconds if seen else None,
        readings=seen.as_dict() if seen else None,
    )


def _signature(row: Deployment | None, stamp: str | None) -> str | None:
    """Name what the device runs: by its own stamp, else by the ledger's artifact if the device accepted it."""
    if stamp is not None:
        return stamp
    return f"artifact:{row.artifact_id[:12]}" if row is not None and row.grade >= Grade.ACCEPTED else None


@task("device_health_check", concurrency=FLEET)
async def device_health_check(words: HealthIn, context: TaskContext) -> HealthOut:
    """Watch the device after a deployment until it is proven healthy, and no worse than before, or not."""
    before = await asyncio.to_thread(delivery.readings_before, context.settings, context.execution_id)
    return await _health(words, context, before)


@task("verify_rollback", concurrency=FLEET)
async def verify_rollback(words: HealthIn, context: TaskContext) -> HealthOut:
    """Watch the device after a rollback until it is proven healthy or not; how it was before is no measure then."""
    health = await _health(words.model_copy(update={"deployment_status": SUCCESS}), context)
    settings = context.settings
    device = delivery.resolve(settings, words.device, words.device_ip)
    ledger = Ledger(settings.paths)
    if health.status is HealthStatus.NOT_DEPLOYED and not await _takes_images(context, device):
        silent = "it answers HTTP, its OTA service does not answer"
        health = health.model_copy(update={"status": HealthStatus.NEEDS_USB, "evidence": [*health.evidence, silent]})
    row = ledger.find(device.mac, words.artifact_id, context.execution_id)
    if row is not None:
        good = health.status is HealthStatus.HEALTHY
        ledger.conclude(row.id, Outcome.succeeded if good else Outcome.failed, f"rollback: {health.status}")
    return health


async def _takes_images(context: TaskContext, device: Device) -> bool:
    """Tell whether the device takes images; of one that is busy nothing else is said."""
    try:
        return await delivery.takes_images(context.settings, device)
    except DeviceBusy:
        return True


class RestoreIn(DeviceIn):
    """Which kept look goes back onto the device, if any."""

    snapshot_id: str | None = None
    restore_look: bool | None = None


class RestoreOut(BaseModel):
    """Whether the look was put back, and what differs after reading it back."""

    restored: bool
    differences: list[str]


@task("restore_device", concurrency=FLEET)
async def restore_device(words: RestoreIn, context: TaskContext) -> RestoreOut:
    """Put pattern and parameters back, which every reboot resets."""
    if words.restore_look is False or words.snapshot_id is None:
        return RestoreOut(restored=False, differences=[])
    device = delivery.resolve(context.settings, words.device, words.device_ip)
    differences = await delivery.restore_look(context.settings, device, words.snapshot_id)
    return RestoreOut(restored=True, differences=differences)


class RecordIn(ArtifactIn):
    """How a deployment went, and what its rollback reported where there was one."""

    status: str | None = None
    grade: str | None = None
    evidence: list[str] = Field(default_factory=list)
    decision: str | None = None
    rollback: dict[str, Any] | None = None


class RecordOut(BaseModel):
    """The outcome as the ledger keeps it."""

    outcome: Outcome
    grade: str
    deployment_status: str
    evidence: list[str]


@task("record_deployment", concurrency=FLEET)
async def record_deployment(words: RecordIn, context: TaskContext) -> RecordOut:
    """Conclude the deployment in the ledger, the only source of what is last good."""
    settings = context.settings
    device = delivery.resolve(settings, words.device, words.device_ip)
    outcome = _outcome(words)
    ledger = Ledger(settings.paths)
    row = ledger.find(device.mac, words.artifact_id, context.execution_id)
    if row is not None:
        row = ledger.conclude(row.id, outcome, f"outcome {outcome}")
    evidence = list(words.evidence) or delivery.evidence_of(row)
    if outcome is Outcome.no_op:
        row = ledger.current(device.mac)
        evidence = delivery.evidence_of(row, evidence)
    grade = row.grade if row is not None else Grade.NONE
    done = outcome in (Outcome.succeeded, Outcome.no_op)
    return RecordOut(
        outcome=outcome, grade=grade.name, deployment_status=SUCCESS if done else FAILED, evidence=evidence
    )


def _outcome(words: RecordIn) -> Outcome:
    if words.decision == Decision.NO_OP:
        return Outcome.no_op
    if words.decision == Decision.NEEDS_USB:
        return Outcome.needs_usb
    if words.status == HealthStatus.HEALTHY:
        return Outcome.succeeded
    report = words.rollback or {}
    return delivery.outcome_after_rollback(
        words.status or "", needed=report.get("needed"), verified=report.get("status")
    )
