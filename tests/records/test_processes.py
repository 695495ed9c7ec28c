"""The processes of a run, as the system shows them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from k1nb.checks import Verdict
from k1nb.config import RUN, Settings, bare_environment
from k1nb.records import Archive, processes_of, run_notebook
from k1nb.records._processes import end_runs
from tests.records.conftest import WriteNotebook, check, kill_with_watchdog

FLEE = """import os, pathlib, subprocess, sys, time
from k1nb.config import bare_environment, environment, RUN
words = [sys.executable, "-c", "import time; time.sleep(120)"]
fled = [subprocess.Popen(words, start_new_session=True), subprocess.Popen(words, env=bare_environment())]
subprocess.run(["setsid", "--fork", "sh", "-c", "echo $$ > twice; exec sleep 120 > twice.log"], cwd=FOLDER, check=True)
twice = pathlib.Path(FOLDER, "twice")
while not (twice.exists() and twice.read_text().strip()):
    time.sleep(0.01)
service = subprocess.Popen(words, env=environment(run.settings, **{RUN: ""}), start_new_session=True)
pids = [*(p.pid for p in fled), int(twice.read_text()), service.pid]
pathlib.Path(FOLDER, "pids").write_text(" ".join(map(str, pids)))"""
"""A cell with children in sessions of their own, a twice forked one, one without our settings, and a service."""

HIDE = """import os, pathlib, subprocess, sys, time
told, ended = pathlib.Path(FOLDER, "pids"), pathlib.Path(FOLDER, "ended")
bare = ["setsid", "--fork", "env", "-i", "PATH=" + os.environ["PATH"], "sh", "-c"]
subprocess.run([*bare, "echo $$ >> pids; setsid sh -c 'echo $$ >> pids; exec sleep 120' & exec sleep 120"], cwd=FOLDER)
if not os.fork():
    os.setsid()
    if not os.fork():
        with told.open("a") as file:
            file.write(f"{os.getpid()}\\n")
        os.execve("/bin/sleep", ["sleep", "120"], {})
    os._exit(0)
subprocess.Popen([sys.executable, "-m", "k1nb", "run", FOLDER + "/inner.ipynb"], start_new_session=True)
subprocess.run([*bare, "echo $$ > ended"], cwd=FOLDER)
while not (ended.exists() and (pid := ended.read_text().strip())) or os.path.exists(f"/proc/{pid}"):
    time.sleep(0.01)
while not told.exists() or len(told.read_text().split()) < 5:
    time.sleep(0.01)"""
"""A cell with children that know nothing of their run, a run within the run, and one whose end it waits for."""
INNER = """import os, pathlib, subprocess, time
child = subprocess.Popen(["sleep", "120"], start_new_session=True)
with pathlib.Path(FOLDER, "pids").open("a") as file:
    file.write(f"{os.getpid()}\\n{child.pid}\\n")
time.sleep(120)"""


@pytest.fixture
def pids(tmp_path: Path) -> Iterator[Callable[[], list[int]]]:
    """Return a function that reads the pids which the cell has told; what is left of them ends after the test."""
    file = tmp_path / "pids"
    yield lambda: [int(word) for word in file.read_text().split()]
    for pid in file.read_text().split() if file.exists() else ():
        if psutil.pid_exists(int(pid)):
            psutil.Process(int(pid)).kill()


def alive(pid: int) -> bool:
    """Tell whether a process is there and more than a zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def flee(tmp_path: Path) -> str:
    """Return the cell, told where to write the pids."""
    return FLEE.replace("FOLDER", repr(str(tmp_path)))


def test_nothing_outlives_a_run_but_services(
    settings: Settings, write_notebook: WriteNotebook, tmp_path: Path, pids: Callable[[], list[int]]
) -> None:
    """When a run is over, whatever it started is gone, in whatever session it was; what was meant to stay stays."""
    record = run_notebook(settings, str(write_notebook(flee(tmp_path), check("OK"))), {})
    assert record.verdict is Verdict.OK, record.reason
    *fled, service = pids()
    assert [alive(pid) for pid in fled] == [False] * 3
    assert alive(service)


@pytest.mark.skipif(sys.platform != "linux", reason="no other system gives orphans to anybody but init")
def test_what_hides_ends_with_its_run(
    settings: Settings, write_notebook: WriteNotebook, tmp_path: Path, pids: Callable[[], list[int]]
) -> None:
    """Children without their run's mark, and those of a run within the run, end with it; that one is INTERRUPTED."""
    write_notebook(INNER.replace("FOLDER", repr(str(tmp_path))), name="inner")
    outer = write_notebook(HIDE.replace("FOLDER", repr(str(tmp_path))), check("OK"))
    record = run_notebook(settings, str(outer), {})
    assert record.verdict is Verdict.OK, record.reason
    assert [alive(pid) for pid in pids()] == [False] * 5
    assert not [child for child in psutil.Process().children() if child.pid in pids()]
    (inner,) = (each for each in Archive(settings.paths).list() if each.notebook == "inner")
    assert (inner.verdict, inner.running) == (Verdict.INTERRUPTED, False)


@pytest.mark.parametrize("watched", [True, False], ids=["watched", "its-watchdog-killed-too"])
def test_what_a_killed_runner_left_is_ended(
    settings: Settings, write_notebook: WriteNotebook, tmp_path: Path, pids: Callable[[], list[int]], watched: bool
) -> None:
    """A runner's watchdog ends what the runner can't any more, services not; without one the next start does."""
    file = write_notebook(check("OK"), flee(tmp_path) + "\ntime.sleep(300)")
    with subprocess.Popen([sys.executable, "-m", "k1nb", "run", str(file)]) as runner:
        while not (tmp_path / "pids").exists() or len(pids()) < 4:
            assert runner.poll() is None
            time.sleep(0.05)
        if watched:
            runner.kill()
        else:
            kill_with_watchdog(runner.pid)
    *fled, service = pids()
    if watched:
        while list(settings.paths.staging.iterdir()):
            time.sleep(0.05)
    else:
        assert any(alive(pid) for pid in fled)
        assert run_notebook(settings, str(write_notebook(check("OK"), name="next")), {}).verdict is Verdict.OK
    lost = Archive(settings.paths).list()[-1]
    assert [alive(pid) for pid in fled] == [False] * 3
    assert alive(service)
    assert processes_of({lost.id}) == []


def test_only_what_carries_the_mark_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process is a run's by its environment alone, we ourselves are never among them, and all of them are ended."""
    monkeypatch.setenv(RUN, "20260301-040506-tiny-0a1b2c")
    words = ["sleep", "60"]
    marked = [subprocess.Popen(words), subprocess.Popen(words, env=bare_environment(), start_new_session=True)]
    others = [subprocess.Popen(words, env={**os.environ, RUN: mark}) for mark in ("", "20260301-040506-tiny-0a1b2d")]
    try:
        assert {p.pid for p in processes_of({os.environ[RUN]})} == {p.pid for p in marked}
        end_runs({os.environ[RUN]}, within=5)
        assert [p.wait() for p in marked] == [-9, -9]
        assert [p.poll() for p in others] == [None, None]
    finally:
        for process in (*marked, *others):
            process.kill()
            process.wait()
