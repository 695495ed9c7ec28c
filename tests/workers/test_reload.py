"""The worker host under development."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from k1nb.workers._reload import changed, stamps
from tests.workers.scratch import PATIENCE

PARENT = """
import sys
from dataclasses import replace
from pathlib import Path
from k1nb.timings import Timings
from k1nb.workers._reload import run_reloading

folder = Path(sys.argv[1])
command = [sys.executable, str(folder / "child.py")]
sys.exit(run_reloading(command, [folder], replace(Timings(), reload_look=0.05)))
"""
CHILD = """
import signal, sys
from pathlib import Path

def end(*_):
    with Path(__file__).with_name("log").open("a") as log:
        log.write("drained\\n")
    sys.exit(0)

signal.signal(signal.SIGTERM, end)
with Path(__file__).with_name("log").open("a") as log:
    log.write("VERSION\\n")
signal.pause()
"""


def await_true(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_change_drains_and_starts_again(tmp_path: Path) -> None:
    """A changed file ends the child by SIGTERM and starts it with the new code; a stop ends both with its code."""
    log, child = tmp_path / "log", tmp_path / "child.py"
    child.write_text(CHILD.replace("VERSION", "one"))

    def said(*lines: str) -> bool:
        return log.exists() and log.read_text().split() == [*lines]

    with subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)]) as parent:
        try:
            await_true(lambda: said("one"))
            child.write_text(CHILD.replace("VERSION", "two"))
            await_true(lambda: said("one", "drained", "two"))
            parent.send_signal(signal.SIGTERM)
            assert parent.wait(PATIENCE) == 0
        finally:
            parent.kill()
    assert said("one", "drained", "two", "drained")


def test_a_child_that_ends_waits_for_the_next_change(tmp_path: Path) -> None:
    """Code that cannot even start is not started over and over, but again when it has changed."""
    log, child = tmp_path / "log", tmp_path / "child.py"
    child.write_text(
        "import sys\nfrom pathlib import Path\nPath(__file__).with_name('log').open('a').write('broken\\n')\n"
    )
    with subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)]) as parent:
        try:
            await_true(log.exists)
            time.sleep(0.5)
            assert log.read_text() == "broken\n"
            child.write_text(CHILD.replace("VERSION", "mended"))
            await_true(lambda: log.read_text().split() == ["broken", "mended"])
            parent.send_signal(signal.SIGINT)
            assert parent.wait(PATIENCE) == 0
        finally:
            parent.kill()


def test_what_changed_is_named(tmp_path: Path) -> None:
    """New, gone and changed Python files are told apart from those that stayed, and from all other files."""
    for name in ("stays.py", "goes.py", "changes.py", "other.txt"):
        (tmp_path / name).touch()
    before = stamps([tmp_path])
    (tmp_path / "goes.py").unlink()
    (tmp_path / "comes.py").touch()
    os.utime(tmp_path / "changes.py", (1, 1))
    os.utime(tmp_path / "other.txt", (1, 1))
    assert [Path(file).name for file in changed(before, stamps([tmp_path]))] == ["changes.py", "comes.py", "goes.py"]
