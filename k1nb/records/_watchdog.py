"""What outlives a runner that is killed: a process that waits for its end, and then does what a next run would do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import k1nb
from k1nb.config import RUN, Settings, environment, load, variables
from k1nb.records import _end_of_parent
from k1nb.records._staging import Staging


@contextmanager
def watched(settings: Settings, run: str) -> Iterator[None]:
    """Have the run of this process ended and moved in should the process be killed in this block.

    Where the system gives no process for that, the next start does it.
    """
    watchdog = _start(settings, run)
    try:
        yield
    finally:
        if watchdog is not None:
            _end(watchdog, settings.timings.child_stop)


def _start(settings: Settings, run: str) -> subprocess.Popen[bytes] | None:
    with suppress(OSError):
        return subprocess.Popen(
            [sys.executable, "-I", "-S", _end_of_parent.__file__, sys.executable, "-m", __name__, run],
            cwd=Path(k1nb.__file__).parents[1],  # from where it is found also where it was never installed
            # Marked as a service, for it must outlive a run that this one is started by.
            env=environment(settings, **variables(settings) | {RUN: ""}),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    return None


def _end(watchdog: subprocess.Popen[bytes], within: float) -> None:
    with suppress(BrokenPipeError, subprocess.TimeoutExpired):  # somebody has killed it, or stopped it
        watchdog.communicate(b".", timeout=within)
    watchdog.kill()
    watchdog.wait()


def settle_lost(run: str, ended_at: float) -> None:
    """End what is left of runs whose process has ended, and move them in; `run` ended then, in Unix seconds."""
    Staging(load()).sweep(ended={run: datetime.fromtimestamp(ended_at, UTC)})


if __name__ == "__main__":
    settle_lost(sys.argv[1], float(sys.argv[2]))
