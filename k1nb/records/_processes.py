"""The processes of a run: all that carries its mark, whatever group, session or parent it has by now."""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from contextlib import suppress

import psutil

from k1nb.config import RUN

_LOOK = 0.02
"""Seconds between two looks at processes that were told to end."""


def processes_of(runs: Collection[str]) -> list[psutil.Process]:
    """Return this user's live processes that were started by one of these runs, in one pass over all there are.

    What a run starts as a service carries another mark and is none of them; neither are we and our parents. One that
    has cleared its environment is not known here; `adopting` finds it.
    The pass takes about 0.1 ms for each process of the machine.
    """
    spared = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    marked = (p for p in psutil.process_iter() if p.pid not in spared and _mark(p) in runs)
    return [process for process in marked if _is_own(process)]


def end_runs(runs: Collection[str], within: float) -> None:
    """Kill every process of these runs, and look again until there is none or the time is over."""
    deadline = time.monotonic() + within
    while runs and (found := processes_of(runs)) and time.monotonic() < deadline:
        for process in found:
            with suppress(psutil.Error):
                process.kill()
        time.sleep(_LOOK)


def is_service(process: psutil.Process) -> bool:
    """Tell whether a process was started as a service: it carries the mark, and no run's name in it."""
    return _mark(process) == ""


def _mark(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(RUN)
    except (psutil.Error, OSError):  # of another user, or gone
        return None


def _is_own(process: psutil.Process) -> bool:
    try:
        return process.uids().real == os.getuid()
    except psutil.Error:
        return False
