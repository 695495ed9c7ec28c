"""A delivery that is killed at the boundaries of its steps and resumed each time."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat

from k1nb import delivery
from k1nb.conductor import Conductor, Execution
from k1nb.config import Settings, environment
from k1nb.firmware import SAMPLE_PROJECT, Commit
from k1nb.records import Archive, Record, resume_run, shipped
from tests.faults._bench import ENVIRONMENT, Bench
from tests.faults._table import Row

GROUP = "Runs that are killed and resumed"
FAULT = "SIGKILL to the runner after each step of one delivery"
OBSERVED, PLANNED, STARTED, FOLLOWED, VERIFIED = BOUNDARIES = ("observed", "planned", "started", "followed", "verified")
_AFTER = {"delivery.observe": OBSERVED, "delivery.plan": PLANNED, "delivery.checks": VERIFIED}
_PATIENCE = 180.0
_HOLD = """import pathlib, time
here = pathlib.Path(FLAG)
first = not here.exists()
here.touch()
time.sleep(600 if first else 0)"""
"""A cell at which a run stands still the first time that it comes by."""


def _held(folder: Path, boundaries: Sequence[str]) -> Path:
    """Write `firmware_deploy` with a hold behind the cells after which it is killed."""
    notebook = nbformat.read(shipped()["firmware_deploy"], as_version=4)
    cells = []
    for cell in notebook.cells:
        cells.append(cell)
        for words, flag in _AFTER.items():
            if flag in boundaries and cell.cell_type == "code" and words in cell.source:
                cells.append(nbformat.v4.new_code_cell(_HOLD.replace("FLAG", repr(str(folder / flag)))))
    notebook.cells = cells
    file = folder / "firmware_deploy.ipynb"
    file.write_text(nbformat.writes(notebook), encoding="utf-8")
    return file


@dataclass(frozen=True)
class Chain:
    """A delivery that was killed, resumed, killed, and resumed to its end."""

    broken: Sequence[Record]
    last: Record
    executions: Sequence[Execution]


def deliver(settings: Settings, commit: Commit, device: str, boundaries: Sequence[str]) -> Chain:
    """Deliver a commit, have the runner killed at each of these boundaries, and resume what that broke."""
    given = {"repo": SAMPLE_PROJECT, "branch": "main", "commit_sha": commit.sha, "environment": ENVIRONMENT}
    facts = delivery.observe(settings, **given, device=device)
    words = [word for pair in {**given, "device": device}.items() for word in ("-p", "=".join(pair))]
    broken: list[Record] = []
    with tempfile.TemporaryDirectory(prefix="k1nb-resume-") as name:
        folder = Path(name)
        command = [str(_held(folder, boundaries)), *words, "--apply", delivery.plan(facts).id]
        for boundary in boundaries:
            _kill(settings, command, _reached(settings, facts.key, folder, boundary))
            broken.append(Archive(settings.paths).list()[0])
            command = ["--resume", broken[-1].id]
        last = resume_run(settings, broken[-1].id)
    return Chain(broken, last, _started(settings, facts.key))


def _started(settings: Settings, key: str) -> list[Execution]:
    with Conductor.from_settings(settings) as server:
        return [server.execution(each.id) for each in server.correlated(delivery.PIPELINE, key)]


def _reached(settings: Settings, key: str, folder: Path, boundary: str) -> Callable[[], bool]:
    """Return what tells whether a run has come to a boundary."""
    if boundary == STARTED:
        return lambda: bool(_started(settings, key))
    if boundary == FOLLOWED:
        return lambda: any(task.reference == "deployment" for each in _started(settings, key) for task in each.tasks)
    return (folder / boundary).exists


def _kill(settings: Settings, words: Sequence[str], reached: Callable[[], bool]) -> None:
    """Start `k1nb run` with these words and kill it as soon as a boundary is reached."""
    command = [sys.executable, "-m", "k1nb", "run", *words]
    deadline = time.monotonic() + _PATIENCE
    with subprocess.Popen(command, env=environment(settings), stdout=subprocess.DEVNULL) as runner:
        try:
            while not reached():
                if runner.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("the run has ended, or stands still, before it could be killed")
                time.sleep(0.02)
        finally:
            runner.kill()


def wrong(chain: Chain, flashes: int) -> Iterator[str]:
    """Yield where a chain is not what must be; `flashes` is how many images the device has accepted meanwhile."""
    for before, record in zip((None, *chain.broken), (*chain.broken, chain.last), strict=True):
        if record.manifest.resumes != (before.id if before else None):
            yield f"{record.id} does not name the run that it resumes"
    if any(record.verdict != "INTERRUPTED" for record in chain.broken):
        yield "a run that was killed is not INTERRUPTED"
    if chain.last.verdict != "OK":
        yield f"the last run is {chain.last.verdict}: {chain.last.reason}"
    if len(chain.executions) != 1:
        yield f"{len(chain.executions)} executions"
    if flashes != 1:
        yield f"{flashes} flashes"


def run(bench: Bench) -> Row:
    """Kill one delivery at every boundary."""
    bench.switch_on()
    began, flashes = time.monotonic(), bench.flashes
    chain = deliver(bench.settings, bench.commit(FAULT, {}), bench.device.name, BOUNDARIES)
    flashed = bench.flashes - flashes
    return Row(
        GROUP,
        FAULT,
        f"{len(chain.broken)} runs INTERRUPTED, the last one OK; {len(chain.executions)} execution, {flashed} flash",
        verdict=str(chain.last.verdict),
        exit_code="0" if chain.last.passes else "1",
        seconds=time.monotonic() - began,
        wrong=tuple(wrong(chain, flashed)),
    )
