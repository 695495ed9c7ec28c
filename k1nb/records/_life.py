"""Whether a staged run is alive: as long as the process that has begun it holds the lock of a file in its folder.

No clock and no name of a host is asked for that, so neither can kill a run by changing.
"""

from __future__ import annotations

import fcntl
import os
import platform
from contextlib import suppress
from pathlib import Path
from typing import Literal

ALIVE = ".alive"
"""The locked file; it holds a name of the machine, and is removed as the run is sealed."""
_MACHINE = Path("/etc/machine-id")


class Life:
    """The lock of one run, which ends with this process at the latest; no child has it, not even a forked one."""

    def __init__(self, folder: Path) -> None:
        """Take the lock; raises OSError where the file cannot be written. A file system without locks gets no file."""
        file = folder / ALIVE
        handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.write(handle, _machine().encode())
        except OSError:
            os.close(handle)
            raise
        self._handle: int | None = handle
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.end()
            file.unlink()
        os.register_at_fork(after_in_child=self.end)  # which keeps it for as long as this process lives, too

    def end(self) -> None:
        """Give the lock back; in a forked child only its share of it."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)


def life_of(folder: Path) -> Literal["alive", "dead", "unknown"]:
    """Tell whether somebody holds a run's lock; unknown where there is none, or where it may be another machine's.

    Raises no error.
    """
    try:
        handle = os.open(folder / ALIVE, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return "unknown"
    try:
        # Shared, and given back at once: two that look at the same time see the same.
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return "dead" if os.read(handle, 200).decode(errors="replace") == _machine() else "unknown"
    except BlockingIOError:
        return "alive"
    except OSError:
        return "unknown"
    finally:
        os.close(handle)


def _machine() -> str:
    """Return what this machine is known by, whatever its host name is now; source: machine-id(5)."""
    with suppress(OSError, UnicodeDecodeError):
        if known := _MACHINE.read_text(encoding="ascii").strip():
            return known
    return platform.node()
