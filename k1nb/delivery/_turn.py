"""Whose turn it is at a device, and what it says of itself in that turn."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from k1nb.config import Settings
from k1nb.delivery._health import rebooted
from k1nb.delivery._past import ROLLBACK
from k1nb.device import Device, DeviceClient, Readings, flash_lock, ota_answers, readings
from k1nb.errors import DeviceBusy, DeviceError
from k1nb.firmware import Deployment


async def ask(settings: Settings, device: Device) -> Readings | DeviceError:
    """Return the device's readings, or why there are none."""
    try:
        async with DeviceClient(device, settings.paths, settings.timings) as client:
            return await readings(client)
    except DeviceError as error:
        return error


def require_turn(
    settings: Settings, current: Deployment | None, execution_id: str, device: Device, reason: str = ""
) -> None:
    """Raise DeviceBusy while another deployment looks at what the device has become; a rollback need not wait.

    One that was broken off never concludes: it counts for as long as it may look.
    """
    if current is None or current.outcome is not None or current.execution_id == execution_id or reason == ROLLBACK:
        return
    timings = settings.timings
    looking = timedelta(seconds=timings.reboot_deadline + 2 * timings.health_window)
    if current.accepted_at is not None and datetime.now(UTC) - current.accepted_at < looking:
        raise DeviceBusy(
            f"{device.label} is busy with another transfer: it was just sent {current.artifact_id[:12]} by execution "
            f"{current.execution_id}, which has not ended",
            hint=f"wait for it: k1nb executions show {current.execution_id}",
        )


async def ota_service(settings: Settings, device: Device, before: Readings | DeviceError) -> bool:
    """Tell whether the device's OTA service answers; the caller holds its lock, and `before` is what it said under it.

    Silence counts only of a device that stays as it is: raises DeviceBusy where one that answered has gone away or
    has restarted meanwhile, for it is in the middle of something; DeviceUnreachable for an unknown name.
    """
    if await ota_answers(device, settings.timings):
        return True
    after = await ask(settings, device)
    if isinstance(before, Readings) and (isinstance(after, DeviceError) or rebooted(after, before.at)):
        raise DeviceBusy(
            f"{device.label} is busy with another transfer or its restart: it answered, and then it was gone",
            hint=f"look again in a minute: k1nb device info {device.name}",
        )
    return False


async def takes_images(settings: Settings, device: Device) -> bool:
    """Tell whether the device takes images over the air, asked in its turn.

    Raises DeviceBusy while another operation of this host holds it, and what `ota_service` raises.
    """
    async with flash_lock(settings.paths, device, settings.timings):
        return await ota_service(settings, device, await ask(settings, device))
