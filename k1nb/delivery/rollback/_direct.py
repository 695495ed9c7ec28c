"""A rollback without Conductor: in this process, under the device's lock, with the same rows in the ledger."""

from __future__ import annotations

import uuid

from k1nb.config import Settings
from k1nb.delivery._deployment import Progress, check_health, restore_look, send, take_look
from k1nb.delivery._health import HealthStatus
from k1nb.delivery._last_good import outcome_after_rollback
from k1nb.delivery._past import ROLLBACK
from k1nb.delivery.rollback._facts import RollbackFacts
from k1nb.delivery.rollback._result import Rollback
from k1nb.errors import ConsentError, DeviceError, DeviceUnreachable, OtaError, StorageError
from k1nb.firmware import Grade, Ledger, Outcome


async def directly(settings: Settings, facts: RollbackFacts, on_progress: Progress | None) -> Rollback:
    """Send the target, watch the device, and put its look back where it is healthy.

    A transfer that fails is an answer. Raises ConsentError where another operation was faster, DeviceBusy and
    SampleRefused.
    """
    execution_id = f"direct-{uuid.uuid4()}"
    ledger = Ledger(settings.paths)
    look = await _keep_look(settings, facts, execution_id)

    def unchanged() -> None:
        if ledger.current(facts.device.mac) != facts.past.current:
            raise ConsentError("another operation has flashed the device meanwhile", hint="plan again")

    try:
        sent = await send(
            settings,
            facts.device,
            facts.target.id,
            execution_id=execution_id,
            reason=ROLLBACK,
            on_progress=on_progress,
            guard=unchanged,
        )
    except (OtaError, DeviceUnreachable) as error:
        row = ledger.find(facts.device.mac, facts.target.id, execution_id)
        if row is not None:
            row = ledger.conclude(row.id, Outcome.failed, f"rollback: {error.message}")
        grade = row.grade if row is not None else Grade.NONE
        return Rollback(Outcome.failed, grade, facts.target.id, [error.message], execution_id)
    health, _ = await check_health(
        settings, facts.device, facts.target.id, accepted_at=sent.accepted_at, execution_id=execution_id
    )
    good = health.status is HealthStatus.HEALTHY
    verdict = Outcome.succeeded if good else Outcome.failed
    row = ledger.conclude(sent.deployment.id, verdict, f"rollback: {health.status}")
    if good and not look:
        look = await _put_back(settings, facts, execution_id)
    outcome = outcome_after_rollback("", needed="flash", verified=health.status)
    evidence = [*health.evidence, *([look] if look else ())]
    return Rollback(outcome, row.grade, facts.target.id, evidence, execution_id)


async def _keep_look(settings: Settings, facts: RollbackFacts, execution_id: str) -> str:
    """Keep pattern and parameters; a device too broken to tell them is rescued all the same."""
    try:
        await take_look(settings, facts.device, execution_id)
    except DeviceError as error:
        return f"its look was not kept: {error.message}"
    return ""


async def _put_back(settings: Settings, facts: RollbackFacts, execution_id: str) -> str:
    try:
        differences = await restore_look(settings, facts.device, execution_id)
    except (DeviceError, StorageError) as error:
        return f"its look was not put back: {error.message}"
    return f"its look is back, but for {'; '.join(differences)}" if differences else "its look is back as it was"
