"""Runs that are killed at the boundaries of their steps and resumed each time: what they do happens once."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat

from k1nb import delivery
from k1nb.conductor import Conductor, Execution
from k1nb.config import Settings, environment
from k1nb.delivery import rollback, rollout
from k1nb.firmware import SAMPLE_PROJECT, ArtifactStore, Commit, Ledger
from k1nb.records import Archive, Record, resume_run, shipped
from tests.faults._bench import BENCH, ENVIRONMENT, HEALTH, MAC, Bench
from tests.faults._commits import defined
from tests.faults._table import Row

GROUP = "Runs that are killed and resumed"
STARTED, FOLLOWED = "started", "followed"
OBSERVED, PLANNED, APPLIED, VERIFIED = ".observe(", ".plan(", "consent=apply", ".checks("
"""Words of the cell behind which a run is killed."""
_PATIENCE = 180.0
_HOLD = """import pathlib as _pathlib, time as _time
_here = _pathlib.Path(FLAG)
_there = _here.exists()
_here.touch()
_time.sleep(0 if _there else 600)"""
"""A cell at which a run stands still the first time that it comes by."""


@dataclass(frozen=True)
class Intent:
    """A run that has an effect: its notebook, what it is given, and the executions that do the work."""

    notebook: str
    parameters: Mapping[str, str]
    consent: str
    workflow: str = ""
    """Empty where it is done in the kernel."""
    key: str = ""

    def executions(self, settings: Settings) -> list[Execution]:
        """Return what was started for it, newest first."""
        if not self.workflow:
            return []
        with Conductor.from_settings(settings) as server:
            return [server.execution(each.id) for each in server.correlated(self.workflow, self.key)]

    def ended(self, settings: Settings) -> None:
        """Wait for the end of what was started."""
        with Conductor.from_settings(settings) as server:
            for each in server.correlated(self.workflow, self.key):
                server.wait(each.id, timings=settings.timings)


@dataclass(frozen=True)
class Chain:
    """A run that was killed, resumed, killed, and resumed to its end."""

    broken: Sequence[Record]
    last: Record
    executions: Sequence[Execution]


def delivery_of(settings: Settings, commit: Commit, device: str) -> Intent:
    """Plan the delivery of a commit."""
    given = {"repo": SAMPLE_PROJECT, "branch": "main", "commit_sha": commit.sha, "environment": ENVIRONMENT}
    facts = delivery.observe(settings, **given, device=device)
    words = {**given, "device": device}
    return Intent("firmware_deploy", words, delivery.plan(facts).id, delivery.PIPELINE, facts.key)


def _rollback(settings: Settings, device: str, to: str) -> Intent:
    facts = rollback.observe(settings, device=device, to=to)
    words = {"device": device, "to": to}
    return Intent("firmware_rollback", words, rollback.plan(facts).id, rollback.HANDLER, facts.key)


def _rollout(settings: Settings, device: str, artifact: str) -> Intent:
    facts = rollout.observe(settings, artifact, rollout.Selection((device,)))
    policy = rollout.Policy(soak_seconds=0.0, pick_up="0 0 0 1 1 ?", parallel=settings.rollout_parallel)
    wanted, plan = rollout.plan(facts, policy)
    words = {"artifact": artifact, "devices": device, "soak_seconds": "0", "pick_up": policy.pick_up}
    return Intent("fleet_rollout", words, plan.id, rollout.WORKFLOW, wanted.key)


def killed_and_resumed(settings: Settings, intent: Intent, boundaries: Sequence[str], *, ends: bool = False) -> Chain:
    """Begin a run, have its runner killed at each of these boundaries, and resume what that broke.

    With `ends` what was started has its end before the last resumption.
    """
    words = [word for pair in intent.parameters.items() for word in ("-p", "=".join(pair))]
    broken: list[Record] = []
    with tempfile.TemporaryDirectory(prefix="k1nb-resume-") as kept:
        folder = Path(kept)
        command = [str(_held(folder, intent.notebook, boundaries)), *words, "--apply", intent.consent]
        for boundary in boundaries:
            _kill(settings, command, _reached(settings, intent, folder, boundary))
            broken.append(Archive(settings.paths).list()[0])
            command = ["--resume", broken[-1].id]
        if ends:
            intent.ended(settings)
        last = resume_run(settings, broken[-1].id)
    return Chain(broken, last, intent.executions(settings))


def _held(folder: Path, name: str, boundaries: Sequence[str]) -> Path:
    """Write a shipped notebook with a hold behind the cells after which it is killed."""
    notebook = nbformat.read(shipped()[name], as_version=4)
    cells = []
    for cell in notebook.cells:
        cells.append(cell)
        behind = [words for words in boundaries if cell.cell_type == "code" and words in cell.source]
        cells += [nbformat.v4.new_code_cell(_HOLD.replace("FLAG", repr(str(_flag(folder, each))))) for each in behind]
    notebook.cells = cells
    file = folder / f"{name}.ipynb"
    file.write_text(nbformat.writes(notebook), encoding="utf-8")
    return file


def _flag(folder: Path, boundary: str) -> Path:
    return folder / boundary.strip(".(").replace("=", "-")


def _reached(settings: Settings, intent: Intent, folder: Path, boundary: str) -> Callable[[], bool]:
    """Return what tells whether a run has come to a boundary."""
    if boundary == STARTED:
        return lambda: bool(intent.executions(settings))
    if boundary == FOLLOWED:
        return lambda: any(task.reference == "deployment" for e in intent.executions(settings) for task in e.tasks)
    return _flag(folder, boundary).exists


def _kill(settings: Settings, words: Sequence[str], reached: Callable[[], bool]) -> None:
    """Start `k1nb run` with these words and kill it as soon as a boundary is reached."""
    command = [sys.executable, "-m", "k1nb", "run", *words]
    deadline = time.monotonic() + _PATIENCE
    with subprocess.Popen(command, env=environment(settings), stdout=subprocess.DEVNULL) as runner:
        try:
            while not reached():
                if runner.poll() is not None or time.monotonic() > deadline:
                    last = Archive(settings.paths).list()[0]
                    raise RuntimeError(f"{last.id} was not killed: it is {last.verdict}, {last.reason}")
                time.sleep(0.02)
        finally:
            runner.kill()


def wrong(chain: Chain, flashed: int, *, verdict: str = "OK", flashes: int = 1) -> Iterator[str]:
    """Yield where a chain is not what must be; `flashed` is how many images the device has accepted meanwhile."""
    for before, record in zip((None, *chain.broken), (*chain.broken, chain.last), strict=True):
        if record.manifest.resumes != (before.id if before else None):
            yield f"{record.id} does not name the run that it resumes"
    if any(record.verdict != "INTERRUPTED" for record in chain.broken):
        yield "a run that was killed is not INTERRUPTED"
    if chain.last.verdict != verdict:
        yield f"the last run is {chain.last.verdict}: {chain.last.reason}"
    if len(chain.executions) != 1:
        yield f"{len(chain.executions)} executions"
    elif chain.executions[0].id not in chain.last.manifest.executions:
        yield "the last run does not name the execution"
    if flashed != flashes:
        yield f"{flashed} flashes"


@dataclass(frozen=True)
class Case:
    """A run that is killed, where, and what must have come of it."""

    fault: str
    intent: Callable[[Bench], Intent]
    boundaries: Sequence[str]
    ends: bool = False
    verdict: str = "OK"
    flashes: int = 1


def _good(bench: Bench) -> Intent:
    return delivery_of(bench.settings, bench.commit("Killed and resumed", {}), BENCH)


def _unhealthy(bench: Bench) -> Intent:
    changes = {HEALTH: defined("HEALTH_FPS", "12.0")}
    return delivery_of(bench.settings, bench.commit("Unhealthy, killed and resumed", changes), BENCH)


def _back(bench: Bench) -> Intent:
    return _rollback(bench.settings, BENCH, _earlier(bench))


def _wide(bench: Bench) -> Intent:
    return _rollout(bench.settings, BENCH, _earlier(bench))


def _earlier(bench: Bench) -> str:
    """Return an artifact that the device has run well before the one that it runs now."""
    if not (found := _others(bench)):
        bench.begin("Another good one").end()
        found = _others(bench)
    return found[0]


def _others(bench: Bench) -> list[str]:
    there = {artifact.id for artifact in ArtifactStore(bench.settings.paths).list()} - {bench.running}
    rows = Ledger(bench.settings.paths).history(MAC)
    return [row.artifact_id for row in rows if row.outcome == "succeeded" and row.artifact_id in there]


CASES = (
    Case("a delivery, after each of its steps", _good, (OBSERVED, PLANNED, STARTED, FOLLOWED, VERIFIED)),
    Case("a delivery that has ended meanwhile", _good, (STARTED,), ends=True),
    Case("a delivery that has failed meanwhile", _unhealthy, (STARTED,), ends=True, verdict="FAIL", flashes=2),
    Case("a rollback, after each of its steps", _back, (OBSERVED, PLANNED, STARTED, VERIFIED)),
    Case("a rollback that has ended meanwhile", _back, (STARTED,), ends=True),
    Case("a rollout, after each of its steps", _wide, (OBSERVED, STARTED, VERIFIED)),
    Case("a rollout that has ended meanwhile", _wide, (STARTED,), ends=True),
)


def run(bench: Bench, case: Case) -> Row:
    """Kill a run's runner at every boundary, resume it, and hold what came of it to what must be."""
    bench.switch_on()
    intent = case.intent(bench)
    began, flashes = time.monotonic(), bench.flashes
    chain = killed_and_resumed(bench.settings, intent, case.boundaries, ends=case.ends)
    flashed = bench.flashes - flashes
    runs = f"{len(chain.broken)} INTERRUPTED, the last one {chain.last.verdict}"
    return Row(
        GROUP,
        case.fault,
        f"{runs}; {len(chain.executions)} execution, {flashed} flash{'es' if flashed != 1 else ''}",
        verdict=str(chain.last.verdict),
        exit_code="0" if chain.last.passes else "1",
        seconds=time.monotonic() - began,
        wrong=tuple(wrong(chain, flashed, verdict=case.verdict, flashes=case.flashes)),
    )
