"""papermill, with our engine and without it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from papermill.exceptions import PapermillExecutionError
from papermill.execute import execute_notebook

from k1nb.checks import Verdict
from k1nb.config import Settings
from k1nb.errors import ParameterError, RecordError, RunBroken
from k1nb.records import Archive, Engine, import_notebook
from tests.records.conftest import WriteNotebook, check, kill_with_watchdog


def papermill(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run papermill as a program, as a scheduler would."""
    command = [sys.executable, "-m", "papermill", *map(str, words), "--no-progress-bar"]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)


def test_the_engine_is_found_by_its_name() -> None:
    """papermill knows the engine k1nb from the installed package."""
    from papermill.engines import papermill_engines

    assert papermill_engines.get_engine("k1nb") is Engine


def test_papermill_with_our_engine_archives_by_itself(
    settings: Settings, write_notebook: WriteNotebook, tmp_path: Path
) -> None:
    """Under `papermill --engine k1nb` the executed notebook joins its record, and the output is written as well."""
    out = tmp_path / "out.ipynb"
    done = papermill(write_notebook(check("OK")), out, "--engine", "k1nb", "-r", "device", "1234567")
    (record,) = Archive(settings.paths).list()
    assert done.returncode == 0, done.stderr
    assert (record.verdict, record.parameters["device"]) == (Verdict.OK, "1234567")
    assert record.executed is not None
    assert nbformat.read(out, as_version=4).cells[-1].outputs
    assert import_notebook(settings, out).files == record.files


def execute(file: Path, out: Path, **options: Any) -> Any:
    """Run papermill in this process, as a program of somebody's own would."""
    return execute_notebook(str(file), str(out), progress_bar=False, **options)


@pytest.mark.parametrize("parameters", [{"devise": "x"}, {"device": 1234567}])
def test_our_engine_refuses_parameters_before_it_starts(
    settings: Settings, write_notebook: WriteNotebook, tmp_path: Path, parameters: dict[str, Any]
) -> None:
    """An unknown or ill-typed parameter ends papermill with an error and leaves no record."""
    with pytest.raises(ParameterError):
        execute(write_notebook(check("OK")), tmp_path / "out.ipynb", engine_name="k1nb", parameters=parameters)
    assert Archive(settings.paths).list() == []


def test_our_engine_fails_where_papermill_would_not(
    settings: Settings, write_notebook: WriteNotebook, tmp_path: Path
) -> None:
    """A notebook that leaves early by SystemExit(0), which papermill takes for success, ends with an error."""
    file = write_notebook("import sys; sys.exit(0)")
    execute(file, tmp_path / "plain.ipynb")
    with pytest.raises(RecordError, match="INTERRUPTED"):
        execute(file, tmp_path / "out.ipynb", engine_name="k1nb")
    assert [r.verdict for r in Archive(settings.paths).list()] == [Verdict.INTERRUPTED] * 2


def test_a_record_keeps_the_hint_of_an_error(settings: Settings, write_notebook: WriteNotebook, tmp_path: Path) -> None:
    """What breaks a run stands in its record with what to do about it."""
    file = write_notebook("from k1nb.errors import UsageError\nraise UsageError('no device', hint='name one')")
    with pytest.raises(PapermillExecutionError):
        execute(file, tmp_path / "out.ipynb", engine_name="k1nb")
    assert [r.reason for r in Archive(settings.paths).list()] == ["cell 4: UsageError: no device (hint: name one)"]


def test_plain_papermill_ends_with_the_verdict(
    settings: Settings, write_notebook: WriteNotebook, tmp_path: Path
) -> None:
    """Under papermill's own engine a verdict that does not pass is a non-zero exit, and the record is there at once."""
    done = papermill(write_notebook(check("FAIL")), tmp_path / "out.ipynb", "-p", "hours", "3")
    (record,) = Archive(settings.paths).list()
    assert done.returncode == 1
    assert "VerdictNotPassed: tiny: FAIL" in done.stderr
    assert (record.verdict, record.running, record.executed) == (Verdict.FAIL, False, None)
    assert record.parameters["hours"] == 3


@pytest.mark.parametrize(
    ("parameters", "said"), [({"devise": "x"}, "did you mean device"), ({"device": 1234567}, "use -r device")]
)
def test_plain_papermill_is_refused_by_the_connect_cell(
    settings: Settings, write_notebook: WriteNotebook, tmp_path: Path, parameters: dict[str, Any], said: str
) -> None:
    """Under papermill's own engine the connect cell sees the injected cell and refuses what is wrong in it."""
    with pytest.raises(PapermillExecutionError, match=said) as error:
        execute(write_notebook(check("OK")), tmp_path / "out.ipynb", parameters=parameters)
    assert error.value.ename == "ParameterError"
    assert Archive(settings.paths).list() == []


def test_a_killed_runner_leaves_an_interrupted_run(
    settings: Settings, write_notebook: WriteNotebook, tmp_path: Path
) -> None:
    """A runner killed with SIGKILL leaves a run that is listed as INTERRUPTED; what papermill has saved joins it."""
    flag = tmp_path / "here"
    file = write_notebook(check("OK"), f"import pathlib, time\npathlib.Path({str(flag)!r}).touch()\ntime.sleep(60)")
    command = [sys.executable, "-m", "papermill", str(file), str(tmp_path / "out.ipynb"), "--engine", "k1nb"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as runner:
        while not flag.exists():
            assert runner.poll() is None
        assert Archive(settings.paths).list()[0].running
        kill_with_watchdog(runner.pid)
    (record,) = Archive(settings.paths).list()
    assert (record.verdict, record.running) == (Verdict.INTERRUPTED, False)
    imported = import_notebook(settings, tmp_path / "out.ipynb")
    assert (imported.id, imported.verdict) == (record.id, Verdict.INTERRUPTED)
    assert [c.name for c in imported.checks] == ["a thing: works"]
    assert imported.executed is not None


def test_papermill_is_asked_for_another_kernel(
    settings: Settings, write_notebook: WriteNotebook, tmp_path: Path
) -> None:
    """`papermill --engine k1nb -k other` runs nothing: its record and its output say INTERRUPTED and why."""
    out = tmp_path / "out.ipynb"
    with pytest.raises(RunBroken, match="other"):
        execute(write_notebook(check("OK")), out, engine_name="k1nb", kernel_name="other")
    (record,) = Archive(settings.paths).list()
    assert (record.verdict, record.reason) == (
        Verdict.INTERRUPTED,
        "it wants the kernel other, and only Python notebooks are run",
    )
    assert nbformat.read(out, as_version=4).metadata["k1nb"] == {
        "run": record.id,
        "verdict": "INTERRUPTED",
        "reason": record.reason,
    }


def test_papermills_output_is_masked(
    settings: Settings, write_notebook: WriteNotebook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What papermill writes after our engine is masked as well, however the run ended."""
    monkeypatch.setenv("GITHUB_WEBHOOK_SECRET", "correct-horse-battery")
    assert settings.run is None
    good, bad = tmp_path / "good.ipynb", tmp_path / "bad.ipynb"
    said, logged = tmp_path / "said.txt", tmp_path / "logged.txt"
    cell = "print(run.settings.github_webhook_secret.get_secret_value())"
    debugging = ("--log-output", "--log-level", "DEBUG", "--stdout-file", said, "--stderr-file", logged)
    twice = f"import sys\n{cell}\n{cell[:-1]}, file=sys.stderr)"
    done = papermill(write_notebook(twice, check("OK")), good, "--engine", "k1nb", *debugging)
    assert done.returncode == 0, done.stderr
    assert said.read_text() == logged.read_text() == "[redacted]\n"
    assert "[redacted]" in done.stderr
    assert "battery" not in done.stderr
    with pytest.raises(PapermillExecutionError):
        execute(write_notebook(cell, "1 / 0"), bad, engine_name="k1nb")
    for file in (good, bad):
        assert "correct-horse-battery" not in file.read_text()
        assert "[redacted]" in file.read_text()
    assert "INTERRUPTED" in nbformat.read(bad, as_version=4).cells[-1].source
