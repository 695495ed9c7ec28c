"""Slow work as a child process in a group of its own, which ends with the task that started it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from k1nb.errors import K1Error, PrerequisiteError, StorageError
from k1nb.paths import unwritable

_LOOK = 0.05
"""Seconds between two looks at a group that was told to stop."""


@dataclass(frozen=True, slots=True)
class Finished:
    """How a child ended: its exit code (minus the signal that killed it) and its seconds."""

    exit_code: int
    seconds: float


async def run_child(
    argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], log: Path, stop_within: float
) -> Finished:
    """Run a program to its end, adding what it prints to the file `log`.

    When this is cancelled the whole process group gets SIGTERM and, `stop_within` seconds later, SIGKILL;
    only then is the cancellation passed on. Nothing of the group is left either way. Raises
    PrerequisiteError where the program cannot be started and StorageError where the log cannot be written.
    """
    begun = time.monotonic()
    process = await _start(argv, cwd, env, log)
    try:
        code = await process.wait()
    except asyncio.CancelledError:
        await _outlast(_stop(process, stop_within))
        raise
    _signal(process.pid, signal.SIGKILL)
    return Finished(code, time.monotonic() - begun)


async def _start(argv: Sequence[str], cwd: Path, env: Mapping[str, str], log: Path) -> asyncio.subprocess.Process:
    try:
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError as error:
        raise unwritable(log, error) from error
    try:
        return await asyncio.create_subprocess_exec(
            *argv,
            cwd=cwd,
            env=dict(env),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            start_new_session=True,
        )
    except OSError as error:
        raise _cannot_start(argv[0], cwd, error) from error
    finally:
        os.close(descriptor)


def _cannot_start(program: str, cwd: Path, error: OSError) -> K1Error:
    if not cwd.is_dir():
        return StorageError(f"there is no folder {cwd} to run {program} in", hint="start again")
    return PrerequisiteError(f"cannot start {program}: {error.strerror or error}", hint=f"install {Path(program).name}")


async def _outlast(stopping: asyncio.Task[None]) -> None:
    """Wait for `stopping` to end, whatever further cancellations come meanwhile."""
    while not stopping.done():
        try:
            await asyncio.shield(stopping)
        except asyncio.CancelledError:
            if stopping.cancelled():
                raise


def _stop(process: asyncio.subprocess.Process, within: float) -> asyncio.Task[None]:
    async def stop() -> None:
        deadline = time.monotonic() + within
        _signal(process.pid, signal.SIGTERM)
        while time.monotonic() < deadline and _lives(process):  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(_LOOK)
        _signal(process.pid, signal.SIGKILL)
        await process.wait()

    return asyncio.create_task(stop())


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
        os.killpg(group, number)


def _lives(leader: asyncio.subprocess.Process) -> bool:
    """Tell whether a group has a member that is more than a zombie which nobody has reaped yet."""
    if leader.returncode is None:
        return True
    for process in psutil.process_iter(["status"]):
        with suppress(ProcessLookupError, PermissionError):
            if os.getpgid(process.pid) == leader.pid and process.info["status"] != psutil.STATUS_ZOMBIE:
                return True
    return False
