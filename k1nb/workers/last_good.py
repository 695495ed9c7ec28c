"""The task function that says what a device goes back to."""

from __future__ import annotations

import asyncio
from functools import partial

from pydantic import BaseModel

from k1nb import delivery
from k1nb.conductor import Conductor, Execution, ExecutionStatus
from k1nb.config import Settings
from k1nb.workers._consent import require_consent
from k1nb.workers._task import TaskContext, task
from k1nb.workers.deploy import DeviceIn


class LastGoodIn(DeviceIn):
    """The failed deployment, by the names that Conductor, its parent or a person gives it.

    `to_artifact_id` names outright what to go back to.
    """

    failed_workflow_id: str | None = None
    workflow_id: str | None = None
    failed_artifact_id: str | None = None
    to_artifact_id: str | None = None
    allow_production: bool | None = None


class LastGoodOut(BaseModel):
    """The artifact to go back to; `needed` is `none` where the device never left it.

    Where what failed sent nothing to any device there is neither device nor artifact.
    """

    device: str | None = None
    artifact_id: str | None = None
    artifact_url: str | None = None
    version: str | None = None
    md5: str | None = None
    sha256: str | None = None
    needed: str
    why: str


@task("fetch_last_good_version")
async def fetch_last_good_version(words: LastGoodIn, context: TaskContext) -> LastGoodOut:
    """Find the newest artifact proven healthy on this device other than the one that failed.

    What failed is found by the ledger's row of the failed execution or of one that it started, for what the device
    runs now may be the rollback already. Where no device is named it is the one that a deployment of the failed
    execution failed on. A production device is named only where that was allowed.
    """
    settings = context.settings
    named = words.device or words.device_ip or await _failed_on(words, settings)
    if named is None:
        return LastGoodOut(needed="none", why=f"no deployment of execution {_failed(words)} failed on any device")
    device = delivery.resolve(settings, words.device or (None if words.device_ip else named), words.device_ip)
    found = await delivery.find_last_good(
        settings,
        device,
        failed_artifact_id=words.failed_artifact_id,
        failed_execution_id=_failed(words),
        wanted=words.to_artifact_id,
        executions=partial(_family, settings),
    )
    artifact = found.artifact
    if found.flash:
        await require_consent(context, device, artifact.id, words.allow_production, back=True)
    return LastGoodOut(
        device=device.name,
        artifact_id=artifact.id,
        artifact_url=artifact.path.as_uri(),
        version=artifact.version,
        md5=artifact.md5,
        sha256=artifact.id,
        needed="flash" if found.flash else "none",
        why=found.why,
    )


def _failed(words: LastGoodIn) -> str | None:
    return words.failed_workflow_id or words.workflow_id


async def _failed_on(words: LastGoodIn, settings: Settings) -> str | None:
    """Return the device of the last deployment that failed, of the failed execution and those that it started.

    None without one: a deployment that did its duty is none to be undone, whatever failed after it. Raises UsageError
    where no failed execution is named either, and no device is the configured one.
    """
    failed = _failed(words)
    if failed is None:
        return delivery.resolve(settings, None).mac
    began = [
        (task.scheduled_at, str(task.input.get("device")))
        for execution in await asyncio.to_thread(_executions, settings, failed)
        for task in execution.tasks
        if execution.status is not ExecutionStatus.COMPLETED
        and task.type == "deploy_firmware_ota"
        and task.scheduled_at
    ]
    return max(began)[1] if began else None


async def _family(settings: Settings, execution_id: str) -> set[str]:
    """Return an execution's id and those of all that it started; raises ConductorError."""
    return {execution.id for execution in await asyncio.to_thread(_executions, settings, execution_id)}


def _executions(settings: Settings, execution_id: str) -> list[Execution]:
    with Conductor.from_settings(settings) as conductor:
        execution = conductor.execution(execution_id)
        return [execution, *conductor.children(execution)]
