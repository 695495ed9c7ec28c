"""The flash chip of a simulated device: two application partitions and what tells which of them runs."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from k1nb.device._facts import PARTITION_SIZE
from k1nb.device.simulator._firmware import Firmware, factory, firmware_in
from k1nb.errors import ImageError, StorageError
from k1nb.paths import private, write_bytes, write_text

_SLOTS = ("app0.bin", "app1.bin")


@dataclass(slots=True)
class _Counters:
    """What is kept beside the partitions."""

    slot: int | None = None
    """The partition to boot; None on a device that was never flashed."""
    flashes_completed: int = 0
    refused_429: int = 0
    boots: int = 0


class Flash:
    """Survives restarts of the simulator in one folder; StorageError where that cannot be read or written."""

    def __init__(self, folder: Path) -> None:
        self._folder = private(folder)
        self._file = folder / "otadata.json"
        self._counters = self._read()
        self.running = "factory"
        """SHA-256 of the image that was booted."""

    def _read(self) -> _Counters:
        try:
            return _Counters(**json.loads(self._file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return _Counters()
        except (OSError, ValueError, TypeError) as error:
            raise StorageError(
                f"the simulated flash {self._file} is damaged: {error}",
                hint=f"remove {self._folder} to have a device fresh from the factory",
            ) from error

    def _write(self) -> None:
        write_text(self._file, json.dumps(asdict(self._counters)) + "\n")

    def boot(self) -> Firmware:
        """Start what otadata names.

        As with the real boot loader, a partition that cannot be started yields to the other one.
        """
        self._counters.boots += 1
        slot = self._counters.slot
        for candidate in () if slot is None else (slot, 1 - slot):
            try:
                image = (self._folder / _SLOTS[candidate]).read_bytes()
                firmware = firmware_in(image)
            except (ImageError, OSError):
                continue
            self._counters.slot = candidate
            self.running = hashlib.sha256(image).hexdigest()
            break
        else:
            firmware = factory()
            self.running = "factory"
        self._write()
        return firmware

    def write(self, image: bytes) -> int:
        """Write an image into the partition that does not run, and return its number; nothing is activated yet."""
        if len(image) > PARTITION_SIZE:
            raise StorageError(f"{len(image)} bytes do not fit into a partition", hint="check the size first")
        target = 0 if self._counters.slot is None else 1 - self._counters.slot
        write_bytes(self._folder / _SLOTS[target], image)
        return target

    def activate(self, slot: int, *, starts: bool = True) -> None:
        """Name the partition for the next boot; that ends a flash. Where it does not start, the old one will again."""
        if starts:
            self._counters.slot = slot
        self._counters.flashes_completed += 1
        self._write()

    def count_refusal(self) -> None:
        """Count one call that came too early."""
        self._counters.refused_429 += 1
        self._write()

    def state(self) -> dict[str, int | str]:
        """Return what tests and operators may know of a simulator, and of no device."""
        counters = asdict(self._counters)
        return {**{name: counters[name] for name in counters if name != "slot"}, "running": self.running}
