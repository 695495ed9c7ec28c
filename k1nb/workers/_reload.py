"""The worker host under development: started again whenever the package's code changes."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import FrameType

import structlog

import k1nb
from k1nb.config import Settings
from k1nb.timings import Timings


def serve_reloading(settings: Settings, *, domain: str | None = None) -> int:
    """Run the worker host as a child, started again whenever k1nb's code changes; see `run_reloading`."""
    chosen = ("--domain", domain) if domain else ()
    command = (sys.executable, "-m", "k1nb", "workers", *chosen)
    return run_reloading(command, [Path(k1nb.__file__).parent], settings.timings)


def run_reloading(command: Sequence[str], folders: Iterable[Path], timings: Timings) -> int:
    """Run `command`, and again after each change of a Python file in `folders`; running tasks finish before.

    One that ends by itself is started again at the next change. Returns its exit code after SIGTERM or SIGINT.
    """
    stop = threading.Event()

    def ask(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        return _serve(command, list(folders), timings, stop)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _serve(command: Sequence[str], folders: Sequence[Path], timings: Timings, stop: threading.Event) -> int:
    log = structlog.get_logger("k1nb.workers")
    while True:
        seen = stamps(folders)
        # In a session of its own, so that Ctrl-C reaches it once, from here.
        child = subprocess.Popen(list(command), start_new_session=True)
        while not stop.wait(timings.reload_look) and (now := stamps(folders)) == seen:
            pass
        if not stop.is_set():
            log.info("code changed: draining, then starting again", files=changed(seen, now))
        child.terminate()
        code = child.wait()
        if stop.is_set():
            return code


def stamps(folders: Iterable[Path]) -> dict[Path, int]:
    """Return when each Python file was last changed, in nanoseconds."""
    found: dict[Path, int] = {}
    for folder in folders:
        for file in folder.rglob("*.py"):
            try:
                found[file] = file.stat().st_mtime_ns
            except FileNotFoundError:  # editors replace a file by removing it first
                continue
    return found


def changed(before: Mapping[Path, int], after: Mapping[Path, int]) -> list[str]:
    """Return the names of the files that are new, gone or changed."""
    return sorted(str(file) for file in before.keys() | after.keys() if before.get(file) != after.get(file))
