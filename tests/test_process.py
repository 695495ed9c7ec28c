"""Facts about child processes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from k1nb._process import Finished, run_child
from k1nb.errors import PrerequisiteError, StorageError

PARENT = """
import signal, subprocess, sys, time
if sys.argv[1] == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
if sys.argv[1] != "leave":
    time.sleep(600)
"""


async def _run(folder: Path, *argv: str, stop_within: float = 5.0) -> Finished:
    return await run_child(
        [sys.executable, *argv], cwd=folder, env=dict(os.environ), log=folder / "log", stop_within=stop_within
    )


def _printed(log: Path) -> str:
    return log.read_text() if log.exists() else ""


async def _grandchild(log: Path) -> int:
    """Return the process id that PARENT printed, as soon as it is there."""
    while not _printed(log).endswith("\n"):  # noqa: ASYNC110 - a file tells nobody that it has grown
        await asyncio.sleep(0.01)
    return int(_printed(log))


def _gone(pid: int) -> bool:
    """Tell whether a process is gone within two seconds, for SIGKILL takes a moment; an unreaped zombie counts."""
    deadline = time.monotonic() + 2
    with suppress(psutil.NoSuchProcess):
        while (runs := psutil.Process(pid).status() != psutil.STATUS_ZOMBIE) and time.monotonic() < deadline:
            time.sleep(0.01)
        return not runs
    return True


async def _cancelled(folder: Path, kind: str, stop_within: float, times: int) -> int:
    running = asyncio.create_task(_run(folder, "-c", PARENT, kind, stop_within=stop_within))
    grandchild = await _grandchild(folder / "log")
    for _ in range(times):
        running.cancel()
        await asyncio.sleep(0.05)
    with pytest.raises(asyncio.CancelledError):
        await running
    return grandchild


def test_output_and_exit_code_are_kept(tmp_path: Path) -> None:
    """Both output streams go to the log, and the program's exit code comes back."""
    program = "import sys; print('out', flush=True); sys.stderr.write('err'); sys.exit(3)"
    finished = asyncio.run(_run(tmp_path, "-c", program))
    assert finished.exit_code == 3
    assert finished.seconds > 0
    assert (tmp_path / "log").read_text() == "out\nerr"


def test_log_is_added_to(tmp_path: Path) -> None:
    """A second child adds to the log of the first."""
    for word in ("one", "two"):
        asyncio.run(_run(tmp_path, "-c", f"print('{word}')"))
    assert (tmp_path / "log").read_text() == "one\ntwo\n"


def test_signal_is_a_negative_exit_code(tmp_path: Path) -> None:
    """A child that was killed has minus the signal as its exit code."""
    finished = asyncio.run(_run(tmp_path, "-c", "import os; os.kill(os.getpid(), 9)"))
    assert finished.exit_code == -signal.SIGKILL


def test_cancellation_ends_the_group(tmp_path: Path) -> None:
    """After a cancellation neither the child nor its own child runs."""
    assert _gone(asyncio.run(_cancelled(tmp_path, "plain", 5.0, 1)))


@pytest.mark.parametrize("times", [1, 3])
def test_stubborn_group_is_killed(tmp_path: Path, times: int) -> None:
    """A group that ignores SIGTERM is killed in the end, however often the task is cancelled meanwhile."""
    assert _gone(asyncio.run(_cancelled(tmp_path, "stubborn", 0.3, times)))


def test_nothing_outlives_a_finished_child(tmp_path: Path) -> None:
    """What a child leaves behind in its group when it ends is ended too."""

    async def run() -> int:
        await _run(tmp_path, "-c", PARENT, "leave")
        return await _grandchild(tmp_path / "log")

    grandchild = asyncio.run(run())
    while not _gone(grandchild):
        time.sleep(0.01)


def test_missing_program_and_folder_are_told_apart(tmp_path: Path) -> None:
    """A program that is not there is a missing prerequisite; a folder that is not there is not."""
    with pytest.raises(PrerequisiteError, match="k1nb-no-such"):
        asyncio.run(run_child(["k1nb-no-such"], cwd=tmp_path, env={}, log=tmp_path / "log", stop_within=1))
    with pytest.raises(StorageError, match="nowhere"):
        asyncio.run(run_child([sys.executable], cwd=tmp_path / "nowhere", env={}, log=tmp_path / "log", stop_within=1))


def test_log_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """A log whose folder is a file raises StorageError before anything is started."""
    (tmp_path / "file").touch()
    log = tmp_path / "file" / "log"
    with pytest.raises(StorageError, match="cannot write"):
        asyncio.run(run_child([sys.executable], cwd=tmp_path, env={}, log=log, stop_within=1))
