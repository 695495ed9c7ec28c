"""The steps of the workflow `device-deployment`, each safe to run again for the same execution.

Whoever flashes holds the device's lock, reads ledger and device first and does nothing if it is already so:
a task may be delivered twice, its effect happens once.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path

from k1nb import paths as locations
from k1nb.config import Settings
from k1nb.delivery._health import Assessment, HealthLimits, HealthStatus, assess, rebooted
from k1nb.delivery._past import ROLLBACK
from k1nb.delivery._preflight import Preflight, PreflightFacts, decide, foreign
from k1nb.delivery._turn import ask, ota_service, require_turn
from k1nb.device import (
    Device,
    DeviceClient,
    Inventory,
    Readings,
    Snapshot,
    default_device,
    flash_lock,
    prove_simulator,
    readings,
    restore_snapshot,
    send_image,
    take_snapshot,
)
from k1nb.errors import DeviceBusy, DeviceError, DeviceRefused, OtaError, StorageError, Superseded, UsageError
from k1nb.firmware import Artifact, ArtifactStore, Deployment, Grade, Ledger, read_image

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Sent:
    """How an attempt to send an image ended."""

    deployment: Deployment
    accepted_at: datetime
    repeated: bool
    """True where an earlier attempt of the same execution had already done it."""
    log: list[str]


@dataclass(frozen=True, slots=True)
class Look:
    """How a device looked and felt before a deployment."""

    snapshot: Snapshot
    readings: Readings


def resolve(settings: Settings, device: str | None, address: str | None = None) -> Device:
    """Return the inventory's entry for a name, a MAC or an address; the configured device if none is given.

    Raises UnknownName where the inventory has no such entry, UsageError where both are given and differ.
    """
    inventory = Inventory(settings.paths)
    if device and address and inventory.get(device) != inventory.get(address):
        raise UsageError(f"device {device!r} and address {address!r} are two devices", hint="give only one of them")
    key = device or address
    found = inventory.get(key) if key else default_device(settings)
    if found is None:
        raise UsageError("no device is named", hint="name one of `k1nb device list`, or set K1_DEVICE_IP")
    return found


async def preflight(
    settings: Settings, device: Device, artifact_id: str, *, allow_production: bool, execution_id: str = ""
) -> Preflight:
    """Observe device, artifact and ledger in the device's turn and decide.

    A turn is waited for, for some `device_turn_last` seconds: then DeviceBusy is raised, also while another execution's
    deployment of the device has not ended. Raises what `decide` and the artifact store raise.
    """
    artifact = ArtifactStore(settings.paths).get(artifact_id)
    timings = settings.timings
    limit = time.monotonic() + timings.device_turn_last
    while True:
        try:
            facts = await _observe(settings, device, artifact, execution_id)
        except DeviceBusy:
            if time.monotonic() >= limit:
                raise
            await asyncio.sleep(timings.device_turn)
        else:
            return decide(replace(facts, allow_production=allow_production))


async def _observe(settings: Settings, device: Device, artifact: Artifact, execution_id: str) -> PreflightFacts:
    """Observe what the pre-flight decides on while nobody flashes the device."""
    image = read_image(ArtifactStore(settings.paths).read(artifact))
    async with flash_lock(settings.paths, device, settings.timings):
        current = Ledger(settings.paths).current(device.mac)
        require_turn(settings, current, execution_id, device)
        facts = PreflightFacts(device, artifact, image, current=current)
        if image.is_sample and not await prove_simulator(device, settings.paths, settings.timings):
            return facts
        seen = await ask(settings, device)
        if isinstance(seen, DeviceError):
            return replace(facts, proven_simulator=image.is_sample, silence=seen)
        answers = seen.mac == device.mac and await ota_service(settings, device, seen)
    return replace(facts, proven_simulator=image.is_sample, readings=seen, ota_answers=answers)


async def try_readings(settings: Settings, device: Device) -> Readings | None:
    """Return the device's readings, or None where it does not answer as a K1 does."""
    seen = await ask(settings, device)
    return seen if isinstance(seen, Readings) else None


async def take_look(settings: Settings, device: Device, execution_id: str) -> Look:
    """Read what the device shows and how it feels, and keep it; the same execution gets what was kept."""
    file = _look_file(settings, execution_id)
    if file.exists():
        return read_look(settings, execution_id)
    async with DeviceClient(device, settings.paths, settings.timings) as client:
        look = Look(await take_snapshot(client), await readings(client))
    content = {
        "snapshot": look.snapshot.as_dict(),
        "readings": look.readings.as_dict(),
        "device": device.name,
    }
    locations.write_text(file, json.dumps(content, indent=1))
    return look


def read_look(settings: Settings, execution_id: str) -> Look:
    """Return the look that `take_look` kept for an execution; raises StorageError where there is none."""
    file = _look_file(settings, execution_id)
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return Look(Snapshot.from_dict(content["snapshot"]), Readings.from_dict(content["readings"]))
    except (OSError, ValueError, KeyError) as error:
        raise StorageError(f"cannot read the snapshot {file}: {error}", hint="take a new one") from error


async def restore_look(settings: Settings, device: Device, execution_id: str) -> list[str]:
    """Put the kept look back onto the device and return what differs after reading it back."""
    look = read_look(settings, execution_id)
    async with DeviceClient(device, settings.paths, settings.timings) as client:
        return await restore_snapshot(client, look.snapshot)


async def send(
    settings: Settings,
    device: Device,
    artifact_id: str,
    *,
    execution_id: str,
    reason: str,
    on_progress: Progress | None = None,
    guard: Callable[[], None] | None = None,
) -> Sent:
    """Send an artifact to a device, once for each execution.

    Raises OtaError, SampleRefused, DeviceBusy, also while another deployment of this device has not ended; Superseded
    where the device has taken something else since this execution's image; what a device says that does not name
    itself, but for a rollback, which goes to a silent one too.

    `guard` is called once the device's lock is held and before anything is written or sent; what it raises ends it.
    """
    store = ArtifactStore(settings.paths)
    artifact = store.get(artifact_id)
    ledger = Ledger(settings.paths)
    async with flash_lock(settings.paths, device, settings.timings):
        if guard is not None:
            guard()
        require_turn(settings, ledger.current(device.mac), execution_id, device, reason)
        row = ledger.begin(device.mac, artifact.id, execution_id, reason)
        if row.accepted_at is None:
            seen = await _known(settings, device, blindly=reason == ROLLBACK)
            if _namesake(settings, ledger, device, artifact) is None:
                row = _recover(artifact, ledger, row, seen)
        if row.accepted_at is not None:
            _require_current(ledger, row, device)
            return Sent(row, row.accepted_at, True, [f"already accepted at {row.accepted_at:%H:%M:%S}"])
        limit = datetime.now(UTC) + timedelta(seconds=settings.timings.ota_deadline)
        try:
            with store.open(artifact) as image:
                transfer = await send_image(
                    device,
                    image,
                    paths=settings.paths,
                    timings=settings.timings,
                    mode=settings.ota_mode,
                    password=settings.ota_password_of(device.name),
                    on_progress=on_progress,
                )
        except OtaError as error:
            if error.stage == "result" or error.unconfirmed:
                ledger.raise_grade(row.id, Grade.SENT, f"all bytes were sent, no confirmation came: {error.message}")
            if error.unconfirmed:
                row = await _once_restarted(settings, device, artifact, row, limit)
            if row.accepted_at is None:
                raise
            return Sent(row, row.accepted_at, False, [*error.log, row.evidence[-1]])
        proof = f"{transfer.size:,} B sent in {transfer.seconds:.1f} s, the device confirmed MD5 {transfer.md5}"
        row = ledger.raise_grade(row.id, Grade.ACCEPTED, proof, accepted_at=transfer.accepted_at)
        return Sent(row, transfer.accepted_at, False, list(transfer.log))


def _require_current(ledger: Ledger, row: Deployment, device: Device) -> None:
    current = ledger.current(device.mac)
    if current is not None and current.id != row.id:
        raise Superseded(
            f"{device.label} has accepted {current.artifact_id[:12]} since it accepted {row.artifact_id[:12]}",
            hint="start a new deployment; this execution cannot begin again",
        )


async def _known(settings: Settings, device: Device, *, blindly: bool) -> Readings | None:
    """Return the readings of the device that is meant; None of one that only a rollback goes to.

    Raises DeviceNonsense where another device answers, and what is wrong with one that does not name itself.
    """
    seen = await try_readings(settings, device)
    mac = seen.mac if seen is not None else await _mac(settings, device, blindly=blindly)
    if mac is not None and mac != device.mac:
        raise foreign(device, mac)
    return seen


async def _mac(settings: Settings, device: Device, *, blindly: bool) -> str | None:
    """Return the MAC of whoever answers; None where nobody does, or nobody that can tell, and that is borne."""
    try:
        async with DeviceClient(device, settings.paths, settings.timings) as client:
            return (await client.info()).mac.upper()
    except DeviceRefused as error:
        if not blindly or error.status == HTTPStatus.TOO_MANY_REQUESTS:
            raise
    except DeviceError:
        if not blindly:
            raise
    return None


async def _once_restarted(
    settings: Settings, device: Device, artifact: Artifact, row: Deployment, limit: datetime
) -> Deployment:
    """Look whether a device that did not confirm an image shows it after its restart, which is waited for.

    Until then the device is as it was before, and a second transfer would meet it in the middle of its restart.
    """
    ledger, timings, since = Ledger(settings.paths), settings.timings, datetime.now(UTC)
    limit = min(limit, since + timedelta(seconds=timings.reboot_deadline))
    telling = _namesake(settings, ledger, device, artifact) is None
    while True:
        seen = await try_readings(settings, device)
        if seen is not None and seen.mac != device.mac:
            seen = None
        row = _recover(artifact, ledger, row, seen) if telling else row
        if row.accepted_at is not None or (seen is not None and rebooted(seen, since)) or datetime.now(UTC) >= limit:
            return row
        await asyncio.sleep(timings.reboot_poll)


def _recover(artifact: Artifact, ledger: Ledger, row: Deployment, seen: Readings | None) -> Deployment:
    """Find out whether an attempt that was cut off before it could write had succeeded at the device.

    The moment of acceptance is then known only to lie after the row's beginning, which is taken for it.
    """
    if seen is None or artifact.stamp is None or seen.stamp != artifact.stamp or not rebooted(seen, row.started_at):
        return row
    proof = f"the device already shows {artifact.stamp} after a reboot"
    return ledger.raise_grade(row.id, Grade.ACCEPTED, proof, accepted_at=row.started_at)


async def check_health(
    settings: Settings,
    device: Device,
    artifact_id: str,
    *,
    accepted_at: datetime,
    execution_id: str,
    before: Readings | None = None,
) -> tuple[Assessment, Readings | None]:
    """Wait for the device to return, watch it for a health window, and raise the ledger's grade to what is proven.

    It is held to the limits of the settings and, where they are given, to the readings before the deployment.
    Never raises for a bad device: the assessment says so.
    """
    artifact = ArtifactStore(settings.paths).get(artifact_id)
    ledger = Ledger(settings.paths)
    row = ledger.find(device.mac, artifact.id, execution_id)
    first = await _first_after_reboot(settings, device, accepted_at)
    second = None
    if first is not None and rebooted(first, accepted_at):
        await asyncio.sleep(settings.timings.health_window)
        second = await try_readings(settings, device)
    if other := _other_than(ledger, row):
        since = f"the device has accepted {other.artifact_id[:12]} since, by execution {other.execution_id}"
        return Assessment(HealthStatus.SUPERSEDED, row.grade if row else Grade.NONE, [since]), second or first
    assessment = assess(
        mac=device.mac,
        accepted_at=accepted_at,
        first=first,
        second=second,
        stamp=artifact.stamp,
        limits=HealthLimits.of(settings),
        before=before,
        namesake=_namesake(settings, ledger, device, artifact),
    )
    if row is not None and row.grade < assessment.grade:
        ledger.raise_grade(row.id, assessment.grade, "; ".join(assessment.evidence))
    return assessment, second or first


def _other_than(ledger: Ledger, row: Deployment | None) -> Deployment | None:
    """Return what the device has accepted in the place of a row's artifact since."""
    current = ledger.current(row.mac) if row is not None and row.accepted_at is not None else None
    return current if current is not None and row is not None and current.id != row.id else None


def _namesake(settings: Settings, ledger: Ledger, device: Device, artifact: Artifact) -> str | None:
    """Return another artifact that the device accepted before and that carries the same stamp."""
    had = {row.artifact_id for row in ledger.history(device.mac) if row.accepted_at} - {artifact.id}
    stored = (other for other in ArtifactStore(settings.paths).list() if other.id in had)
    return next((other.id for other in stored if artifact.stamp is not None and other.stamp == artifact.stamp), None)


async def _first_after_reboot(settings: Settings, device: Device, accepted_at: datetime) -> Readings | None:
    timings = settings.timings
    deadline = accepted_at + timedelta(seconds=timings.reboot_deadline)
    seen = None
    while True:
        seen = await try_readings(settings, device) or seen
        if (seen is not None and rebooted(seen, accepted_at)) or datetime.now(UTC) >= deadline:
            return seen
        await asyncio.sleep(timings.reboot_poll)


async def still_here(settings: Settings, device: Device) -> tuple[HealthStatus, Readings | None]:
    """Tell whether a device that was not deployed to still answers."""
    seen = await try_readings(settings, device)
    return (HealthStatus.NOT_DEPLOYED if seen else HealthStatus.OFFLINE), seen


def evidence_of(deployment: Deployment | None, more: Sequence[str] = ()) -> list[str]:
    """Return a deployment's evidence and further lines."""
    return [*(deployment.evidence if deployment else ()), *more]


def readings_before(settings: Settings, execution_id: str) -> Readings | None:
    """Return how the device was before an execution's deployment; None where nobody kept that."""
    try:
        return read_look(settings, execution_id).readings
    except StorageError:
        return None


def _look_file(settings: Settings, execution_id: str) -> Path:
    return settings.paths.devices / "snapshots" / f"{execution_id}.json"
