"""Signals that tell a runner to end: the first becomes an exception, so that its kernel ends and its record is kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from k1nb.errors import Stopped

_NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def raising() -> Iterator[None]:
    """Turn the first SIGINT, SIGTERM or SIGHUP into Stopped; those after it are ignored until the block is left.

    What was ignored stays ignored (nohup). Outside the main thread signals are left to whoever has them.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _NUMBERS}
    taken = [number for number, handler in before.items() if handler is not signal.SIG_IGN]

    def stop(number: int, _frame: FrameType | None) -> NoReturn:
        for each in taken:
            signal.signal(each, signal.SIG_IGN)  # what comes now must not cut short the moving in
        raise Stopped(signal.Signals(number))

    for number in taken:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, before[number])
