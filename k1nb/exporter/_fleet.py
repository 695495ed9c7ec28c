"""All devices of the inventory, each with a task of its own; the inventory may change meanwhile."""

from __future__ import annotations

import asyncio

import structlog

from k1nb.config import Settings
from k1nb.device import Device, Inventory
from k1nb.errors import StorageError
from k1nb.exporter._watch import DeviceWatch


class Fleet:
    """Looks at whatever the inventory holds."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._running: dict[Device, tuple[DeviceWatch, asyncio.Task[None]]] = {}
        self.trouble = ""
        """Why the inventory could not be read at the last look; the devices known before are kept then."""
        self._log = structlog.get_logger("k1nb.exporter")

    @property
    def watches(self) -> list[DeviceWatch]:
        """The watches, in the order of the inventory."""
        return [watch for watch, _ in self._running.values()]

    async def run(self) -> None:
        """Follow the inventory until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                self.follow(group)
                await asyncio.sleep(self._settings.timings.exporter_inventory)

    def follow(self, group: asyncio.TaskGroup) -> None:
        """Begin to look at what is new in the inventory, and end with what is gone or changed."""
        try:
            devices = Inventory(self._settings.paths).list()
        except StorageError as error:
            if not self.trouble:
                self._log.error("the inventory cannot be read", error=error.message)
            self.trouble = error.message
            return
        self.trouble = ""
        for device in self._running.keys() - set(devices):
            _, task = self._running.pop(device)
            task.cancel()
        for device in devices:
            if device not in self._running:
                watch = DeviceWatch(self._settings, device)
                self._running[device] = watch, group.create_task(watch.run(), name=f"device {device.name}")
