"""Runs that don't conclude: whatever ends them, they say INTERRUPTED, end non-zero, and leave no process behind.

These are a few of the faults that `python -m tests.faults.runs` runs.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from k1nb.config import Settings
from tests.cli.test_app import k1nb
from tests.records.conftest import WriteNotebook, check, kill_with_watchdog, write

SLEEP = "time.sleep(300)"
Words = tuple[str, ...]


def tell(file: Path, then: str) -> str:
    """Return a cell that starts a child of its own, writes its and its child's pid into `file`, and goes on."""
    return (
        "import os, pathlib, subprocess, sys, time\n"
        "child = subprocess.Popen(['sleep', '300'])\n"
        f"pathlib.Path({str(file)!r} + '.new').write_text(f'{{os.getpid()}} {{child.pid}}')\n"
        f"os.replace({str(file)!r} + '.new', {str(file)!r})\n"
        f"{then}"
    )


@pytest.fixture
def write_notebook(tmp_path: Path) -> WriteNotebook:
    """Return a function that writes a notebook of these cells into the test's folder."""
    return partial(write, tmp_path)


@pytest.fixture
def pids(tmp_path: Path) -> Iterator[Path]:
    """Return the file into which the cell writes its pids; what is left of them is ended after the test."""
    file = tmp_path / "pids"
    yield file
    for pid in map(int, file.read_text().split()) if file.exists() else ():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def alive(pid: int) -> bool:
    """Tell whether a process is there and more than a zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something is so; the test's own time limit ends it otherwise."""
    while not condition():
        time.sleep(0.05)


def only_record(settings: Settings) -> dict[str, Any]:
    """Return the one run that `records list --json` lists, having compared it with its manifest."""
    (record,) = json.loads(k1nb(settings, "records", "list", "--json").stdout)
    manifest = json.loads((Path(record["folder"]) / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["verdict"] == record["verdict"]
    found: dict[str, Any] = record
    return found


def assert_interrupted(settings: Settings, why: str) -> dict[str, Any]:
    """Hold a run's record against what every interrupted run must say."""
    record = only_record(settings)
    assert (record["verdict"], record["running"]) == ("INTERRUPTED", False)
    assert why in record["reason"], record["reason"]
    assert [c["name"] for c in record["checks"]] == ["a thing: works"]
    return record


@contextmanager
def running(settings: Settings, words: Words, pids: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a program until the notebook's cell has told its pids, then hand it over; end it at last."""
    environment = {**os.environ, "K1NB_HOME": str(settings.home)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-m", *words], env=environment, **pipes) as runner:  # type: ignore[call-overload] # keywords as a dict
        try:
            wait_for(lambda: pids.exists() or runner.poll() is not None)
            yield runner
        finally:
            runner.kill()


@pytest.mark.parametrize(
    ("then", "why"),
    [
        ("os.kill(os.getpid(), 9)", "cell 5: the kernel was killed by SIGKILL"),
        ("sys.exit(0)", "cell 5: left the notebook by SystemExit: 0"),
    ],
    ids=["killed", "exit-0"],
)
def test_a_kernel_that_does_not_conclude(
    settings: Settings, write_notebook: WriteNotebook, pids: Path, then: str, why: str
) -> None:
    """A notebook that dies, leaves or hangs ends 1 with an INTERRUPTED record that has its notebook and says why."""
    file = write_notebook(check("OK"), tell(pids, then))
    done = k1nb(settings, "run", str(file), "--json", K1NB_TIMINGS_SCALE="0.001")
    assert (done.returncode, done.stderr) == (1, "")  # what papermill and nbclient say of it is said in the record
    assert json.loads(done.stdout)["verdict"] == "INTERRUPTED"
    assert "notebook.ipynb" in assert_interrupted(settings, why)["files"]
    wait_for(lambda: not any(alive(int(pid)) for pid in pids.read_text().split()))


def test_a_disk_that_is_full(settings: Settings, write_notebook: WriteNotebook) -> None:
    """A notebook that there is no room for ends its run with a record that says so and has all but the notebook."""
    file = write_notebook(check("OK"), "print('y' * 3_000_000)")
    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
    command = [sys.executable, "-m", "k1nb", "run", str(file)]
    done = subprocess.run(
        command,
        env={**os.environ, "K1NB_HOME": str(settings.home)},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limit,
    )
    assert (done.returncode, done.stderr) == (1, "")
    record = assert_interrupted(settings, "the disk is full: cannot write ")
    assert "its notebook could not be kept" in record["reason"]
    assert record["files"] == {}
    assert {f.name for f in Path(record["folder"]).iterdir()} == {"manifest.json", "manifest.json.minisig"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_runner_that_is_told_to_end(
    settings: Settings, write_notebook: WriteNotebook, pids: Path, number: signal.Signals
) -> None:
    """A runner that is told to end ends its kernel and what that started, moves the record in, and says where it is."""
    file = write_notebook(check("OK"), tell(pids, SLEEP))
    with running(settings, ("k1nb", "run", str(file)), pids) as runner:
        runner.send_signal(number)
        out, err = runner.communicate()
        assert runner.returncode == 128 + number
        assert not any(alive(int(pid)) for pid in pids.read_text().split())
    record = assert_interrupted(settings, f"cell 5: stopped by {number.name}")
    run = record["run"]
    assert (out, err) == (
        "",
        f"error: stopped by {number.name}\nhint: go on with k1nb run --resume {run}\n",
    )
    assert "notebook.ipynb" in record["files"]
    assert Path(record["folder"]).parent == settings.paths.records


def test_a_runner_that_is_told_to_end_as_it_begins(settings: Settings, write_notebook: WriteNotebook) -> None:
    """A signal that comes with the very first sign of a run leaves it whole and sealed, with what ended it."""
    command = [sys.executable, "-m", "k1nb", "run", str(write_notebook(check("OK")))]
    with subprocess.Popen(command, env={**os.environ, "K1NB_HOME": str(settings.home)}) as runner:
        while not list(settings.paths.staging.glob("2*/manifest.json")):
            assert runner.poll() is None
        runner.send_signal(signal.SIGTERM)
        assert runner.wait() == 128 + signal.SIGTERM
    record = only_record(settings)
    assert (record["verdict"], Path(record["folder"]).parent) == ("INTERRUPTED", settings.paths.records)
    assert record["reason"].endswith("stopped by SIGTERM")


def test_a_runner_that_is_killed(settings: Settings, write_notebook: WriteNotebook, pids: Path) -> None:
    """A runner that gets SIGKILL leaves nothing alive, and a run that is sealed as INTERRUPTED at once.

    It ended when its runner did.
    """
    file = write_notebook(check("OK"), tell(pids, SLEEP))
    with running(settings, ("k1nb", "run", str(file)), pids) as runner:
        assert only_record(settings)["running"]
        before = datetime.now(UTC)
        runner.kill()
        assert runner.wait() == -signal.SIGKILL
        after = datetime.now(UTC)
        wait_for(lambda: not list(settings.paths.staging.iterdir()))
    assert not any(alive(int(pid)) for pid in pids.read_text().split())
    record = assert_interrupted(settings, "its process ended before it concluded")
    assert Path(record["folder"]).parent == settings.paths.records
    assert before <= datetime.fromisoformat(record["ended_at"]) <= after + timedelta(seconds=20)
    assert k1nb(settings, "records", "verify").returncode == 0


def test_a_runner_that_is_killed_with_its_watchdog(
    settings: Settings, write_notebook: WriteNotebook, pids: Path
) -> None:
    """Where nobody is left to look, the run is INTERRUPTED all the same and moved in by the next, children included.

    It ended when it was last heard of.
    """
    file = write_notebook(check("OK"), tell(pids, SLEEP))
    with running(settings, ("k1nb", "run", str(file)), pids) as runner:
        before = datetime.now(UTC)
        kill_with_watchdog(runner.pid)
        assert runner.wait() == -signal.SIGKILL
        wait_for(lambda: not alive(int(pids.read_text().split()[0])))
    first = assert_interrupted(settings, "its process ended before it concluded")
    assert Path(first["folder"]).parent == settings.paths.staging
    done = k1nb(settings, "run", str(write_notebook(check("OK"), name="next")))
    assert done.returncode == 0, done.stderr
    listed = json.loads(k1nb(settings, "records", "list", "--json").stdout)
    assert [(r["notebook"], r["verdict"]) for r in listed] == [("next", "OK"), ("tiny", "INTERRUPTED")]
    assert Path(listed[1]["folder"]).parent == settings.paths.records
    assert listed[1]["reason"] == f"{first['reason']}; when is not known, its end here is when it wrote last"
    assert datetime.fromisoformat(listed[1]["ended_at"]) <= before
    assert not any(alive(int(pid)) for pid in pids.read_text().split())


def test_a_run_that_concluded_before_its_runner_was_killed(
    settings: Settings, write_notebook: WriteNotebook, pids: Path
) -> None:
    """A verdict that the runner did not live to archive is not passed on: what came after it nobody has seen."""
    file = write_notebook(check("OK"), "run.conclude()", tell(pids, SLEEP), conclude=False)
    with running(settings, ("k1nb", "run", str(file)), pids) as runner:
        runner.kill()
        runner.wait()
        wait_for(lambda: not list(settings.paths.staging.iterdir()))
    record = json.loads(k1nb(settings, "records", "list", "--json").stdout)[0]
    assert (record["verdict"], record["running"]) == ("INTERRUPTED", False)
    assert record["reason"]


PLACE = "import os, json, pathlib, shutil\nfrom k1nb.config import load\nplace = load().paths.staging / run.id\n"
ODD = """
(place / 'heap over time.txt').write_text('heap')
(place / 'plots').mkdir()
(place / 'plots' / 'one.txt').write_text('one')
(place / 'link').symlink_to('/etc/hostname')
os.mkfifo(place / 'pipe')
"""


def test_what_a_cell_leaves_in_its_record_stops_nobody(settings: Settings, write_notebook: WriteNotebook) -> None:
    """Files are kept, whatever their names; what is no plain file is left out, told, and opened by nobody."""
    done = k1nb(settings, "run", str(write_notebook(check("OK"), PLACE + ODD)))
    assert done.returncode == 1, done.stderr
    record = assert_interrupted(settings, "left out of the record, for it is no plain file: link, pipe")
    assert {"heap_over_time.txt", "plots__one.txt", "notebook.ipynb"} <= set(record["files"])
    assert (Path(record["folder"]) / "plots__one.txt").read_text() == "one"
    assert k1nb(settings, "records", "verify").returncode == 0


def test_a_record_that_is_not_what_its_notebook_says(settings: Settings, write_notebook: WriteNotebook) -> None:
    """A verdict that was changed behind the last cell's back does not pass."""
    forge = (
        "try:\n    run.conclude()\nexcept Exception:\n    pass\n"
        "file = place / 'manifest.json'\n"
        "file.write_text(file.read_text().replace('FAIL', 'OK'))"
    )
    done = k1nb(settings, "run", str(write_notebook(check("FAIL"), PLACE + forge, conclude=False)))
    assert done.returncode == 1, done.stderr
    assert_interrupted(settings, "its last cell said FAIL, its record says OK")


@pytest.mark.parametrize("then", ["shutil.rmtree(place)", "shutil.rmtree(place.parent)"])
def test_a_record_that_is_removed_while_it_grows(settings: Settings, write_notebook: WriteNotebook, then: str) -> None:
    """It ends as what has failed, and says that the record is gone."""
    done = k1nb(settings, "run", str(write_notebook(check("OK"), PLACE + then)))
    assert done.returncode == 1, done.stderr
    assert "has left no record: its folder was removed while it ran" in done.stderr
    assert k1nb(settings, "run", str(write_notebook(check("OK"), name="next"))).returncode == 0
