"""Builds that outlived the host that started them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from k1nb.firmware import end_left_over_builds
from k1nb.paths import Paths
from k1nb.timings import Timings

PARENT = """
import subprocess, sys, time
print(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def home(tmp_path: Path) -> Paths:
    """A home without builds."""
    return Paths(tmp_path, tmp_path / "cache", tmp_path / "artifacts")


def _build(folder: Path) -> tuple[subprocess.Popen[str], int]:
    """Start what looks like a build there: a process and its child, in a group of their own; return both."""
    environment = {**os.environ, "PLATFORMIO_BUILD_DIR": str(folder)}
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT], env=environment, start_new_session=True, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process.stdout as printed:
        return process, int(printed.readline())


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_left_over_build_is_ended_with_all_its_processes(home: Paths) -> None:
    """Whatever builds below the home's build root is killed and named; who builds elsewhere is none of ours."""
    process, child = _build(home.builds / "k1-build-x" / "source" / ".pio" / "build")
    other, others_child = _build(home.home / "builds-elsewhere")
    try:
        assert end_left_over_builds(home, Timings()) == sorted([process.pid, child])
        process.wait(timeout=30)
        deadline = time.monotonic() + 30
        while _lives(child) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert (_lives(child), _lives(other.pid), _lives(others_child)) == (False, True, True)
        assert end_left_over_builds(home, Timings()) == []
    finally:
        for pid in (process.pid, other.pid):
            if _lives(pid):
                os.killpg(pid, 9)
        process.wait(timeout=30)
        other.wait(timeout=30)
