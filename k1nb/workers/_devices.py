"""How many tasks of a host may work with one device at once, so that no device occupies all of a type's slots."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from k1nb.conductor import PolledTask
from k1nb.device import Inventory
from k1nb.errors import K1Error
from k1nb.paths import Paths

PER_DEVICE = 2
"""Tasks that name the same device, over all task types; below the usual concurrency of a type."""


class Devices:
    """Who works with which device now."""

    def __init__(self, paths: Paths, limit: int = PER_DEVICE) -> None:
        self._inventory = Inventory(paths)
        self._limit = limit
        self._working: Counter[str] = Counter()

    @contextmanager
    def slot(self, task: PolledTask) -> Iterator[bool]:
        """Yield whether the task may work with its device now, and hold the place meanwhile."""
        device = self._device(task)
        if device is None:
            yield True
        elif self._working[device] >= self._limit:
            yield False
        else:
            self._working[device] += 1
            try:
                yield True
            finally:
                self._working[device] -= 1
                self._working += Counter()  # forget who is at zero

    def _device(self, task: PolledTask) -> str | None:
        """Return what stands for the device that an input names: its MAC where the inventory has it."""
        named = task.input.get("device") or task.input.get("device_ip")
        if not isinstance(named, str):
            return None
        try:
            return self._inventory.get(named).mac
        except K1Error:  # unknown here, or an inventory that cannot be read: its task says so itself
            return named
