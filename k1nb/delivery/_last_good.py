"""Which artifact a device goes back to, asked of ledger, store and device."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

from k1nb.config import Settings
from k1nb.delivery._deployment import try_readings
from k1nb.delivery._health import HealthStatus
from k1nb.delivery._past import Past, failed_by, goal, last_healthy, needs_flash
from k1nb.device import Device
from k1nb.errors import ArtifactError
from k1nb.firmware import Artifact, ArtifactStore, Deployment, Ledger, Outcome

_FAR = 1000
"""How many deployments of a device are looked at; enough for years."""
Executions = Callable[[str], Awaitable[Collection[str]]]
"""Names the executions that one execution started, however deep, itself included."""


@dataclass(frozen=True, slots=True)
class LastGood:
    """The artifact to go back to, and whether the device has to be flashed for it."""

    artifact: Artifact
    flash: bool
    why: str


async def look_back(settings: Settings, device: Device) -> Past:
    """Read the device's ledger, the artifacts that are still stored, and the device itself."""
    rows = Ledger(settings.paths).history(device.mac, _FAR)
    wanted = {row.artifact_id for row in rows}
    stored = {artifact.id: artifact for artifact in ArtifactStore(settings.paths).list() if artifact.id in wanted}
    return Past(rows, stored, await try_readings(settings, device))


def nothing_good(device: Device) -> ArtifactError:
    """Return the error for a device that nothing was ever proven healthy on."""
    return ArtifactError(
        f"no other artifact was ever proven healthy on {device.label}, so there is nothing to go back to",
        hint="deploy a commit that is known to be good, or name an artifact of `k1nb artifacts list`",
    )


async def find_last_good(
    settings: Settings,
    device: Device,
    *,
    failed_artifact_id: str | None = None,
    failed_execution_id: str | None = None,
    wanted: str | None = None,
    executions: Executions | None = None,
) -> LastGood:
    """Observe ledger and device and say what to go back to and whether that needs an OTA.

    `wanted` names the artifact outright. Else it is the last good one other than what failed, which is named by
    its artifact or found by its execution; `executions` is asked where the ledger has no row of that execution
    itself. Raises ArtifactError where the ledger knows no last good one.
    """
    past = await look_back(settings, device)
    store = ArtifactStore(settings.paths)
    if wanted:
        artifact = store.get(wanted)
        flash, why = needs_flash(artifact, None, Past(past.rows, {**past.artifacts, artifact.id: artifact}, past.seen))
        return LastGood(artifact, flash, why)
    if failed_artifact_id is None and failed_execution_id:
        return await _after(store, device, past, failed_execution_id, executions)
    if failed_artifact_id is None:
        return _by_itself(store, device, past)
    return _other_than(store, device, past, failed_artifact_id, failed_by(past, {failed_execution_id or ""}))


async def _after(
    store: ArtifactStore, device: Device, past: Past, execution_id: str, executions: Executions | None
) -> LastGood:
    """Go back to before an execution; where it sent the device nothing, the device stays as it is."""
    ids: Collection[str] = {execution_id}
    failed = failed_by(past, ids)
    if failed is None and executions is not None:
        ids = await executions(execution_id)
        failed = failed_by(past, ids)
    if failed is not None:
        return _other_than(store, device, past, failed.artifact_id, failed)
    if any(row.execution_id in ids for row in past.rows):
        return _by_itself(store, device, past)
    if past.current is None:
        raise nothing_good(device)
    why = f"execution {execution_id} sent nothing to {device.label}"
    return LastGood(store.get(past.current.artifact_id), flash=False, why=why)


def _by_itself(store: ArtifactStore, device: Device, past: Past) -> LastGood:
    found = goal(past)
    if found is None:
        raise nothing_good(device)
    artifact = store.get(found.artifact_id)
    if found.settled and past.seen is not None:
        return LastGood(artifact, flash=False, why=found.why)
    return LastGood(artifact, *needs_flash(artifact, None, past))


def _other_than(
    store: ArtifactStore, device: Device, past: Past, failed_id: str, failed: Deployment | None
) -> LastGood:
    good = last_healthy(past, other_than=failed_id)
    if good is None:
        raise nothing_good(device)
    artifact = store.get(good.artifact_id)
    return LastGood(artifact, *needs_flash(artifact, failed, past))


def outcome_after_rollback(status: str, *, needed: str | None, verified: str | None) -> Outcome:
    """Name how a failed deployment ended, from what its rollback reports; nulls mean the rollback did not run."""
    if status == HealthStatus.SUPERSEDED:
        return Outcome.failed
    if needed == "none" or verified == HealthStatus.HEALTHY:
        return Outcome.rolled_back
    if verified == HealthStatus.NEEDS_USB:
        return Outcome.needs_usb
    unreachable = HealthStatus.OFFLINE in (verified, status if verified is None else verified)
    return Outcome.needs_usb if unreachable else Outcome.failed
