"""The host's watch over itself: one that hangs ends its process, so that its supervisor starts it again."""

from __future__ import annotations

import asyncio
import faulthandler
import os
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

import structlog

from k1nb.timings import Timings

EXIT_CODE = 1
_LAST_WORDS = 2.0
"""Seconds that the last log lines get; whoever reads them may be what hangs."""


class Watchdog:
    """A thread that sees the event loop's beats and the looks at the server, and ends the process without them.

    Only what it sees itself counts: a process or machine that was stopped for a while has missed no look.
    """

    def __init__(
        self, timings: Timings, looks: Callable[[], int | None], end: Callable[[str], None] | None = None
    ) -> None:
        self._timings = timings
        self._looks = looks
        """How many looks at the server have ended, answered or not; None while none is expected."""
        self._end = end or _end_process
        self._interval = min(timings.loop_hang, timings.poll_hang) / 20
        self._beats = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> Self:
        """Begin to watch the running loop."""
        self._loop = asyncio.get_running_loop()
        self._beat()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop watching."""
        self._over.set()
        self._timer.cancel()
        self._thread.join(self._interval)

    def _beat(self) -> None:
        self._beats += 1
        self._timer = self._loop.call_later(self._interval, self._beat)

    def _watch(self) -> None:
        seen: tuple[int, int | None] = (0, None)
        still_loop = still_polls = 0.0
        while not self._over.wait(self._interval):
            now = (self._beats, self._looks())
            still_loop = still_loop + self._interval if now[0] == seen[0] else 0.0
            still_polls = still_polls + self._interval if now[1] is not None and now[1] == seen[1] else 0.0
            seen = now
            if still_loop >= self._timings.loop_hang:
                self._end(f"its event loop has not run for {still_loop:.0f} s")
                return
            if still_polls >= self._timings.poll_hang:
                self._end(f"it has not heard of its own requests for {still_polls:.0f} s")
                return


def _end_process(why: str) -> None:
    """End this process at once, with the reason and the stacks in the log if that can still be written."""
    last = threading.Thread(target=_say, args=(why,), daemon=True)
    last.start()
    last.join(_LAST_WORDS)
    os._exit(EXIT_CODE)


def _say(why: str) -> None:
    structlog.get_logger("k1nb.workers").critical("the worker host hangs and ends itself", reason=why)
    faulthandler.dump_traceback(sys.__stderr__ or 2, all_threads=True)
