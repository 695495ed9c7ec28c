"""What notebooks ask for beside the rooms' own checks; none of it raises because a server or a device is silent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from k1nb.checks import Check, Status
from k1nb.config import Settings
from k1nb.errors import ConductorError, DeviceError, ParameterError, UnknownName

if TYPE_CHECKING:
    from k1nb.conductor import Execution
    from k1nb.device import Device, Inventory, Readings

_MOST = 1000
"""Executions that one figure can show."""

_ABSENT = (
    ("alerts: firing", "no Prometheus is set up for the local target, so no alert rule is evaluated"),
    ("dashboards: Grafana", "no Grafana is set up for the local target"),
    ("backup: newest", "no backup is set up for this installation"),
    ("webhook: GitHub deliveries", "no webhook receiver is set up for this installation"),
)


def devices_meant(settings: Settings, key: str = "") -> tuple[list[Device], list[Check]]:
    """Return the devices a look covers, and checks about those that it cannot cover.

    `key` names one device (name, MAC or address); empty means the whole inventory. Raises UnknownName for a key
    that is not in the inventory. Nothing is connected to.
    """
    from k1nb.device import Inventory

    inventory = Inventory(settings.paths)
    devices = [inventory.get(key)] if key else inventory.list()
    checks = [_unlisted(settings.k1_device_ip)] if _is_unlisted(settings, inventory) else []
    if not devices:
        checks.append(_empty(str(inventory.file)))
    return devices, checks


def _empty(file: str) -> Check:
    reason = "the inventory lists no device, so none was looked at"
    return Check("devices: inventory", Status.NOT_CONFIGURED, reason, "list yours with k1nb device add", file)


def _is_unlisted(settings: Settings, inventory: Inventory) -> bool:
    if settings.k1_device_ip is None:
        return False
    try:
        inventory.get(settings.k1_device_ip)
    except UnknownName:
        return True
    return False


def _unlisted(address: str | None) -> Check:
    return Check(
        f"device {address}: in the inventory",
        Status.WARN,
        f"K1_DEVICE_IP names {address}, which no device of the inventory has; it was not connected to",
        "list it with k1nb device add, or unset K1_DEVICE_IP",
        "K1_DEVICE_IP",
    )


def not_configured(settings: Settings) -> list[Check]:
    """Return what a daily look would ask as well if it were set up, each with its reason."""
    hint = f"it comes with a later k1nb; {settings.target} runs without it"
    return [Check(name, Status.NOT_CONFIGURED, reason, hint, "settings") for name, reason in _ABSENT]


def executions_since(settings: Settings, hours: int) -> list[Execution] | None:
    """Return the executions started in the last hours, without tasks; None where the server does not tell.

    Raises ParameterError for less than one hour.
    """
    from k1nb.conductor import Conductor

    if hours < 1:
        raise ParameterError(f"parameter hours is {hours}, but 1 or more is wanted", hint="for example hours=24")
    since = datetime.now(UTC) - timedelta(hours=hours)
    try:
        with Conductor.from_settings(settings) as conductor:
            return conductor.find(since=since, size=_MOST)
    except ConductorError:
        return None


def server_version(settings: Settings) -> str | None:
    """Return the workflow server's own version; None where it does not tell."""
    from k1nb.conductor import Conductor

    try:
        with Conductor.from_settings(settings) as conductor:
            return conductor.version()
    except ConductorError:
        return None


def children_of(settings: Settings, execution: Execution) -> list[Execution]:
    """Return the executions of an execution's sub-workflows, however deep, as far as the server tells."""
    from k1nb.conductor import Conductor

    try:
        with Conductor.from_settings(settings) as conductor:
            return conductor.children(execution)
    except ConductorError:
        return []


async def readings_of(settings: Settings, devices: Iterable[Device]) -> dict[str, Readings | None]:
    """Return the readings of each device by its name; None for one that does not answer as a K1 does."""
    meant = list(devices)
    seen = await asyncio.gather(*(_readings(settings, device) for device in meant))
    return {device.name: readings for device, readings in zip(meant, seen, strict=True)}


async def _readings(settings: Settings, device: Device) -> Readings | None:
    from k1nb.device import DeviceClient, readings

    try:
        async with DeviceClient(device, settings.paths, settings.timings) as client:
            return await readings(client)
    except DeviceError:
        return None
