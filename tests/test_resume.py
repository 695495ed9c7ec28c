"""Resume: a run that is killed at every boundary of its steps, resumed each time, and an effect that happens once."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import pytest

from k1nb import delivery
from k1nb.checks import Verdict
from k1nb.conductor import Conductor
from k1nb.config import Settings, environment
from k1nb.errors import ParameterError, UnknownName, UsageError
from k1nb.firmware import SAMPLE_PROJECT, commit_change, ensure_sample_repository
from k1nb.records import Archive, resume_run, run_notebook, shipped
from tests.conftest import BENCH
from tests.records.conftest import check, write
from tests.test_line import ENVIRONMENT, flashes, observe

HOLD = """import pathlib, time
here = pathlib.Path(FLAG)
first = not here.exists()
here.touch()
time.sleep(600 if first else 0)"""
"""A cell at which a run stands still the first time that it comes by."""


def held(folder: Path, after: dict[str, str]) -> Path:
    """Write `firmware_deploy` with a hold behind the cells that contain these words, each with its flag's name."""
    notebook = nbformat.read(shipped()["firmware_deploy"], as_version=4)
    cells = []
    for cell in notebook.cells:
        cells.append(cell)
        for words, flag in after.items():
            if cell.cell_type == "code" and words in cell.source:
                cells.append(nbformat.v4.new_code_cell(HOLD.replace("FLAG", repr(str(folder / flag)))))
    notebook.cells = cells
    file = folder / "held_deploy.ipynb"
    file.write_text(nbformat.writes(notebook), encoding="utf-8")
    return file


@contextmanager
def killed(settings: Settings, *words: str, when: Callable[[], bool]) -> Iterator[None]:
    """Start `k1nb run` with these words and kill it as soon as something is so."""
    command = [sys.executable, "-m", "k1nb", "run", *words]
    with subprocess.Popen(command, env=environment(settings), stdout=subprocess.DEVNULL) as runner:
        while not when():
            assert runner.poll() is None, "the run ended before it could be killed"
            time.sleep(0.02)
        runner.kill()
    yield


def test_a_delivery_that_is_killed_at_every_boundary(line: Settings, tmp_path: Path) -> None:
    """Killed once it has begun and once it is done, a delivery has one execution, one flash and the verdict OK.

    `python -m tests.endurance.resumes` kills it at every boundary.
    """
    commit = commit_change(ensure_sample_repository(line.paths))
    facts = observe(line, commit)
    plan, before = delivery.plan(facts), flashes(line)
    file = held(tmp_path, {"delivery.observe": "observed", "delivery.plan": "planned", "delivery.checks": "verified"})
    given = {"repo": SAMPLE_PROJECT, "branch": "main", "commit_sha": commit.sha, "environment": ENVIRONMENT}
    words = [word for pair in {**given, "device": BENCH}.items() for word in ("-p", "=".join(pair))]

    def started() -> list[Any]:
        with Conductor.from_settings(line) as server:
            return server.correlated(delivery.PIPELINE, facts.key)

    def deploying() -> bool:
        with Conductor.from_settings(line) as server:
            tasks = [task for each in started() for task in server.execution(each.id).tasks]
            return any(task.reference == "deployment" for task in tasks)

    moments: list[Callable[[], bool]] = [
        (tmp_path / "observed").exists,
        (tmp_path / "planned").exists,
        lambda: bool(started()),
        deploying,
        (tmp_path / "verified").exists,
    ]
    chain: list[str] = []
    for moment in moments:
        command = ["--resume", chain[-1]] if chain else [str(file), *words, "--apply", plan.id]
        with killed(line, *command, when=moment):
            newest = Archive(line.paths).list()[0]
        assert (newest.verdict, newest.running) == (Verdict.INTERRUPTED, False)
        assert newest.manifest.resumes == (chain[-1] if chain else None)
        chain.append(newest.id)
    last = resume_run(line, chain[-1])
    assert (last.verdict, last.reason) == (Verdict.OK, ""), last.checks
    assert last.manifest.resumes == chain[-1]
    assert len(started()) == 1
    assert flashes(line) - before == 1
    assert last.manifest.devices == (BENCH,)


@pytest.fixture
def broken(settings: Settings, tmp_path: Path) -> tuple[Path, str]:
    """Return a notebook and the id of a run of it that broke."""
    file = write(tmp_path, check("OK"), "if hours == 2 and not strict:\n    raise RuntimeError('once')")
    return file, run_notebook(settings, str(file), {"hours": "2"}).id


def test_a_broken_run_is_resumed_with_its_parameters(settings: Settings, broken: tuple[Path, str]) -> None:
    """The same notebook runs with the same parameters again, and what cannot be resumed is refused with its reason."""
    file, run = broken
    again = resume_run(settings, run)
    assert (dict(again.parameters), again.manifest.resumes) == ({"device": "", "hours": 2, "strict": False}, run)
    with pytest.raises(UnknownName):
        resume_run(settings, "nobody")
    with pytest.raises(ParameterError, match="applies nothing"):
        resume_run(settings, run, apply="plan-0123456789ab")
    file.write_text(json.dumps(json.loads(file.read_text()), indent=3), encoding="utf-8")
    with pytest.raises(UsageError, match="has changed"):
        resume_run(settings, run)
    file.unlink()
    with pytest.raises(UnknownName, match="not there any more"):
        resume_run(settings, run)


def test_a_run_that_concluded_is_not_resumed(settings: Settings, tmp_path: Path) -> None:
    """What has concluded is an answer, and nothing is left to go on with."""
    done = run_notebook(settings, str(write(tmp_path, check("FAIL"))), {})
    with pytest.raises(UsageError, match="has concluded: FAIL"):
        resume_run(settings, done.id)
