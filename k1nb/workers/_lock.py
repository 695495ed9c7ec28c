"""One home has one worker host."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout

from k1nb.errors import ServiceError
from k1nb.paths import Paths, private, unwritable, write_text


class HostLock:
    """Held for a worker host's life; it falls with the process that holds it.

    Two hosts of one home would poll under one name, and each would take the other's running tasks for lost.
    """

    def __init__(self, paths: Paths) -> None:
        folder = private(paths.home)
        # The host may be started in another thread than it ends in: a notebook's portal, for one.
        self._lock = FileLock(folder / "workers.lock", thread_local=False)
        self._pid = folder / "workers.pid"
        self.crashed = False
        """Whether the holder before did not let go by itself: it was killed, or the machine stopped."""

    def __enter__(self) -> Self:
        """Take the lock at once; raises ServiceError, naming the holder, where another host lives, and StorageError."""
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            raise ServiceError(
                f"another worker host of this home is running ({self._holder()})",
                hint="stop it first: `k1nb down workers`, or SIGTERM if it was started by hand",
            ) from None
        except OSError as error:
            raise unwritable(Path(self._lock.lock_file), error) from error
        self.crashed = self._pid.exists()
        write_text(self._pid, f"{os.getpid()}\n")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go."""
        if kind is None:
            self._pid.unlink(missing_ok=True)
        self._lock.release()

    def _holder(self) -> str:
        with suppress(OSError, ValueError):
            return f"pid {int(self._pid.read_text(encoding='utf-8'))}"
        return "its pid is not known yet"
