"""The device's lock: whoever flashes holds it, in whichever process of this host."""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout

from k1nb.device._inventory import Device
from k1nb.errors import DeviceBusy
from k1nb.paths import Paths, private, unwritable
from k1nb.timings import Timings

_POLL = 0.05


def _file(paths: Paths, device: Device) -> Path:
    return paths.devices / f"{device.mac.replace(':', '')}.lock"


class FlashLock:
    """A context manager, for `with` and for `async with`; raises DeviceBusy where another holds it, StorageError.

    The second form does not stop the event loop while it waits. The lock falls with the process that holds it.
    """

    def __init__(self, paths: Paths, device: Device, timings: Timings) -> None:
        self._device = device
        self._patience = timings.device_lock
        private(paths.devices)
        # The holder may be released from another thread than it was taken in: a notebook's portal, for one.
        self._lock = FileLock(_file(paths, device), thread_local=False)

    def __enter__(self) -> Self:
        """Wait for the lock, and hold it."""
        try:
            self._lock.acquire(timeout=self._patience, poll_interval=_POLL)
        except Timeout:
            raise self._busy() from None
        except OSError as error:
            raise unwritable(Path(self._lock.lock_file), error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go."""
        self._lock.release()

    async def __aenter__(self) -> Self:
        """Wait for the lock without stopping the event loop, and hold it."""
        limit = time.monotonic() + self._patience
        while True:
            try:
                self._lock.acquire(blocking=False)
            except Timeout:
                if time.monotonic() >= limit:
                    raise self._busy() from None
                await asyncio.sleep(_POLL)
            except OSError as error:
                raise unwritable(Path(self._lock.lock_file), error) from error
            else:
                return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go."""
        self._lock.release()

    def _busy(self) -> DeviceBusy:
        return DeviceBusy(
            f"another operation holds device {self._device.label}",
            hint="wait until it ends: `k1nb executions list` shows what runs; never kill a worker during an OTA",
        )


def is_held(paths: Paths, device: Device) -> bool:
    """Tell whether a process of this host holds the device's lock now, which is so while it is flashed."""
    try:
        file = os.open(_file(paths, device), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise unwritable(_file(paths, device), error) from error
    try:
        # Shared, and given back at once: whoever wants the lock at this very moment looks again.
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(file)


def flash_lock(paths: Paths, device: Device, timings: Timings) -> FlashLock:
    """Return the lock of a device, by MAC; it is taken on entering, and waited for at most `device_lock` seconds."""
    return FlashLock(paths, device, timings)
