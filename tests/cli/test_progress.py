"""Progress of services, on a real terminal and in a pipe."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from contextlib import suppress

from k1nb.stack import ServiceLine
from k1nb.stack._progress import about

PROGRAM = """
from k1nb.cli._progress import service_lines
from k1nb.stack import ServiceLine
with service_lines() as said:
    said("waiting for another `k1nb up` [or down] to finish")
    said(ServiceLine("starting conductor", "conductor"))
    said(ServiceLine("conductor is ready after 1.0 s", "conductor", ready=True))
    said(ServiceLine("starting workers", "workers"))
"""


def on_terminal(program: str) -> str:
    """Run a Python program whose stderr is a terminal, and return what it shows there."""
    terminal, end = pty.openpty()
    environment = {**os.environ, "NO_COLOR": "1", "TERM": "xterm", "COLUMNS": "100"}
    child = subprocess.Popen([sys.executable, "-c", program], stderr=end, stdout=end, stdin=end, env=environment)
    os.close(end)
    shown = b""
    with suppress(OSError):  # Linux answers EIO once nobody holds the other end
        while piece := os.read(terminal, 4096):
            shown += piece
    os.close(terminal)
    assert child.wait(timeout=60) == 0, shown
    return shown.decode()


def test_a_terminal_shows_a_live_line_for_each_service() -> None:
    """Each service has one line that changes in its place; the one that is ready carries a mark."""
    last = on_terminal(PROGRAM).rpartition("\x1b[2K")[2].splitlines()
    conductor, workers = (line for line in last if "0:00:0" in line)
    assert "✓ conductor  is ready after 1.0 s" in conductor
    assert "workers    starting" in workers
    assert "✓" not in workers


def test_what_is_about_no_service_stands_above() -> None:
    """A line of no service is printed as it is, brackets included."""
    assert "waiting for another `k1nb up` [or down] to finish" in on_terminal(PROGRAM)


def test_a_pipe_gets_plain_lines() -> None:
    """Where stderr is no terminal each line is printed once, without any control character."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert done.stderr.splitlines()[1:] == ["starting conductor", "conductor is ready after 1.0 s", "starting workers"]
    assert "\x1b" not in done.stderr


def test_a_line_keeps_its_first_service() -> None:
    """What passes through several hands stays the line of the service it was made for."""
    said: list[str] = []
    about("conductor", about("workers", said.append))("unpacking")
    (line,) = said
    assert isinstance(line, ServiceLine)
    assert (line, line.service, line.ready) == ("unpacking", "conductor", False)
