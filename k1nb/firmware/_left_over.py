"""Builds whose worker host was killed: they go on by themselves, and nobody waits for them."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

import psutil

from k1nb.paths import Paths
from k1nb.timings import Timings

BUILD_DIR = "PLATFORMIO_BUILD_DIR"
"""What every process of a build carries: where below the build root it builds."""
_LOOK = 0.05


def end_left_over_builds(paths: Paths, timings: Timings) -> list[int]:
    """Kill every process that builds below this home's build root and return the pids; blocks.

    Only for who starts all builds of the home, and has none running. A pid that was given to another process
    meanwhile is left alone.
    """
    ended: set[int] = set()
    deadline = time.monotonic() + timings.child_stop
    while (found := building(paths)) and time.monotonic() < deadline:
        for process in found:
            with suppress(psutil.Error):
                process.kill()
                ended.add(process.pid)
        time.sleep(_LOOK)
    return sorted(ended)


def building(paths: Paths) -> list[psutil.Process]:
    """Return every process that builds below this home's build root now, whoever waits for it."""
    root = paths.builds.resolve()
    return [process for process in psutil.process_iter() if _builds_below(process, root)]


def _builds_below(process: psutil.Process, root: Path) -> bool:
    if process.pid == os.getpid():
        return False
    with suppress(psutil.Error, OSError):
        folder = process.environ().get(BUILD_DIR)
        return folder is not None and Path(folder).is_relative_to(root) and process.status() != psutil.STATUS_ZOMBIE
    return False
