"""Signals that tell a runner to end: the first becomes an exception, so that its kernel ends and its record is kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from k1nb.errors import Stopped

_NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """The first that has come, and whether it may cut short what is being done."""

    def __init__(self) -> None:
        self._held = False
        self._first: signal.Signals | None = None

    def hold(self) -> None:
        """Let none cut short what follows, until they are released."""
        self._held = True

    def release(self) -> None:
        """Raise Stopped for the first that came meanwhile, and at once for one that comes."""
        self._held = False
        if self._first is not None:
            raise Stopped(self._first)

    def take(self, number: int) -> None:
        """Raise Stopped for the first signal, now or when they are released."""
        self._first = self._first or signal.Signals(number)
        if not self._held:
            raise Stopped(self._first)


@contextmanager
def raising() -> Iterator[Signals]:
    """Turn the first SIGINT, SIGTERM or SIGHUP into Stopped; those after it are ignored until the block is left.

    What was ignored stays ignored (nohup). Outside the main thread signals are left to whoever has them.
    """
    signals = Signals()
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return
    before = {number: signal.getsignal(number) for number in _NUMBERS}
    taken = [number for number, handler in before.items() if handler is not signal.SIG_IGN]

    def stop(number: int, _frame: FrameType | None) -> None:
        for each in taken:
            signal.signal(each, signal.SIG_IGN)  # what comes now must not cut short the moving in
        signals.take(number)

    for number in taken:
        signal.signal(number, stop)
    try:
        yield signals
    finally:
        for number in taken:
            signal.signal(number, before[number])
