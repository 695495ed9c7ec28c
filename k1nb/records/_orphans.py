"""What a kernel has started and nobody waits for: on Linux it becomes the runner's own child, whatever it did to flee.

A process that forks twice, leads a session of its own and has no environment is no longer to be found by its mark.
Source: prctl(2), PR_SET_CHILD_SUBREAPER; a process can't go back into a session that it has left, see setsid(2).
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread, current_thread, main_thread

import psutil

from k1nb.records._processes import is_service

_SET, _GET = 36, 37
_LOOK = 0.02
"""Seconds between two looks at processes that were told to end."""
_REAP = 0.1
"""Seconds between two looks for orphans that have ended: who waits for one's end in a cell must see it."""


class Orphans:
    """The children of this process that it was given: not those it had before, nor those it has started itself.

    Its own are known by its session; the kernel has one of its own, and all that comes from it.
    """

    def __init__(self, kernel: Callable[[], int | None]) -> None:
        """`kernel` tells the pid of the kernel, once there is one; before that there are no orphans."""
        self._kernel = kernel
        self._own = {process.pid for process in psutil.Process().children()}
        self._session = os.getsid(0)

    def end(self, within: float) -> None:
        """Kill them, and those that become orphans by that, until there are none or the time is over; services live."""
        deadline = time.monotonic() + within
        while (found := self._not_to_stay()) and time.monotonic() < deadline:
            for process in found:
                with suppress(psutil.Error):
                    process.kill()
            time.sleep(_LOOK)
            self.reap(process.pid for process in found)

    def reap_until(self, over: Event) -> None:
        """Reap those that have ended, again and again."""
        while not over.wait(_REAP):
            self.reap(_children())

    def reap(self, pids: Iterable[int]) -> None:
        """Reap those of these that are orphans and have ended."""
        for pid in filter(self._is_orphan, pids):
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)

    def _not_to_stay(self) -> list[psutil.Process]:
        # One that has ended counts until it is reaped: its children may have come only after this look at all of them.
        return [p for p in psutil.Process().children() if self._is_orphan(p.pid) and not is_service(p)]

    def _is_orphan(self, pid: int) -> bool:
        kernel = self._kernel()
        if kernel is None or pid == kernel or pid in self._own:
            return False
        try:
            return os.getsid(pid) != self._session
        except ProcessLookupError:
            return False


@contextmanager
def adopting(kernel: Callable[[], int | None]) -> Iterator[Orphans | None]:
    """Be given the orphans of a kernel that starts in this block, and reap them; yield them.

    None where that can't be had: outside Linux, and in a thread beside the main one, where another may run a kernel.
    """
    before = _subreaper() if current_thread() is main_thread() else None
    if before is None:
        yield None
        return
    orphans, over = Orphans(kernel), Event()
    _be_subreaper(1)
    reaping = Thread(target=orphans.reap_until, args=(over,), name="orphans", daemon=True)
    reaping.start()
    try:
        yield orphans
    finally:
        over.set()
        reaping.join()
        _be_subreaper(before)


def _children() -> Iterator[int]:
    """Yield the pids of this process's children, as far as the system tells at no expense; see proc(5)."""
    for file in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):
            yield from map(int, file.read_text(encoding="ascii").split())


def _subreaper() -> int | None:
    """Return whether this process is given orphans, 1 or 0; None where there is no such thing."""
    if sys.platform != "linux":
        return None
    now = ctypes.c_int()
    return None if ctypes.CDLL(None).prctl(_GET, ctypes.byref(now), 0, 0, 0) else now.value


def _be_subreaper(value: int) -> None:
    ctypes.CDLL(None).prctl(_SET, ctypes.c_ulong(value), 0, 0, 0)
