"""Small notebooks of the tests' own, and ways to run them."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import nbformat
import psutil
import pytest

PARAMETERS = 'device: str = ""  # which one\nhours: int = 24  # how far back\nstrict: bool = False  # refuse WARN'
WriteNotebook = Callable[..., Path]
WriteIn = Callable[..., Path]


def check(status: str, name: str = "a thing: works", evidence: str = "seen") -> str:
    """Return a cell that adds a check of this status."""
    return (
        "from k1nb.checks import Check, Status\n"
        f"run.add(Check({name!r}, Status.{status}, {evidence!r}, 'do this', 'http://127.0.0.1/'))"
    )


def watchdogs_of(runner: psutil.Process) -> list[psutil.Process]:
    """Return the processes that wait for the end of a runner, as far as they have come to be what they are."""
    found = []
    for process in runner.children():
        with suppress(psutil.Error):  # one that has ended and waits to be reaped has no command line
            found += [process] if "_end_of_parent" in " ".join(process.cmdline()) else []
    return found


def watchdog_of(runner: psutil.Process) -> psutil.Process:
    """Return the process that waits for the end of a runner, once it shows its command line."""
    while not (found := watchdogs_of(runner)):
        time.sleep(0.01)
    (watchdog,) = found
    return watchdog


def kill_with_watchdog(runner: int) -> None:
    """Kill a runner and the process that waits for its end, the latter first."""
    watchdog = watchdog_of(psutil.Process(runner))
    watchdog.kill()
    psutil.wait_procs([watchdog], timeout=0.1)
    psutil.Process(runner).kill()


@pytest.fixture(scope="session")
def write_in() -> WriteIn:
    """Return a function that writes a notebook of these cells into a folder."""
    return write


@pytest.fixture
def write_notebook(tmp_path: Path) -> WriteNotebook:
    """Return a function that writes a notebook of these cells into the test's folder."""
    return partial(write, tmp_path)


def write(folder: Path, *cells: str, name: str = "tiny", parameters: str = PARAMETERS, conclude: bool = True) -> Path:
    """Write a notebook that connects, runs these cells, and concludes unless told otherwise."""
    file = folder / f"{name}.ipynb"
    declaring = nbformat.v4.new_code_cell(parameters)
    declaring.metadata.tags = ["parameters"]
    connecting = f"from k1nb.records import connect\nrun = connect({str(file)!r}, globals())"
    code = [connecting, *cells, *(["run.conclude()"] if conclude else [])]
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_markdown_cell("# Tiny"), declaring, *map(nbformat.v4.new_code_cell, code)],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    file.write_text(nbformat.writes(notebook), encoding="utf-8")
    return file
