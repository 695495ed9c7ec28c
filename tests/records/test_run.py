"""A run as its notebook sees it."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import nbclient
import nbformat
import psutil
import pytest

from k1nb.checks import Check, Status, Verdict
from k1nb.config import Settings
from k1nb.errors import ParameterError, RecordError, UnknownName, VerdictNotPassed
from k1nb.records import MIME, Archive, Record, Run, connect
from k1nb.records._record import Process
from k1nb.records._staging import Staging
from tests.records.conftest import WriteNotebook, check

VALUES: dict[str, Any] = {"device": "demo", "hours": 3, "strict": False}


def test_a_connected_run_is_staged_with_its_parameters(settings: Settings, write_notebook: WriteNotebook) -> None:
    """From the connect cell on there is a record, INTERRUPTED, with the values as validated."""
    run = connect(str(write_notebook()), {**VALUES, "other": object()})
    record = Archive(settings.paths).get(run.id)
    assert (record.notebook, record.verdict, record.running) == ("tiny", Verdict.INTERRUPTED, True)
    assert run.parameters == dict(record.parameters) == VALUES
    assert run.settings.home == settings.home


@pytest.mark.parametrize("values", [{"device": 1234567}, {"hours": "3"}, {"strict": 1}])
def test_an_ill_typed_parameter_leaves_no_record(
    settings: Settings, write_notebook: WriteNotebook, values: dict[str, Any]
) -> None:
    """A wrong value is refused before a run begins."""
    with pytest.raises(ParameterError):
        connect(str(write_notebook()), VALUES | values)
    assert Archive(settings.paths).list() == []


def test_an_unknown_notebook_is_refused(settings: Settings) -> None:
    """Connecting as a notebook that is not there names those that are."""
    with pytest.raises(UnknownName):
        connect("no_such_notebook", {})
    assert Archive(settings.paths).list() == []


def test_concluding_well_moves_the_record_in(settings: Settings, write_notebook: WriteNotebook) -> None:
    """A kernel on its own moves its record in when it concludes, and a passing verdict raises nothing."""
    run = connect(str(write_notebook()), VALUES)
    run.add(Check("a", Status.OK, "seen"), Check("b", Status.WARN, "seen"))
    run.refer(execution="e-1", artifact="f00")
    run.refer(execution="e-1")
    run.conclude()
    record = Archive(settings.paths).get(run.id)
    assert record.folder.parent == settings.paths.records
    assert (record.verdict, [c.name for c in record.checks]) == (Verdict.WARN, ["a", "b"])
    assert (record.manifest.executions, record.manifest.artifacts) == (("e-1",), ("f00",))


@pytest.mark.parametrize(
    ("status", "verdict"), [(Status.FAIL, Verdict.FAIL), (Status.UNKNOWN, Verdict.UNKNOWN), (None, Verdict.UNKNOWN)]
)
def test_concluding_badly_writes_the_record_and_raises(
    settings: Settings, write_notebook: WriteNotebook, status: Status | None, verdict: Verdict
) -> None:
    """A verdict that does not pass is in the record before the error; no check at all is UNKNOWN."""
    run = connect(str(write_notebook()), VALUES)
    if status:
        run.add(Check("fine", Status.OK, "seen"), Check("a", status, "seen", "do this"))
    with pytest.raises(VerdictNotPassed, match=verdict) as error:
        run.conclude()
    assert Archive(settings.paths).get(run.id).verdict is verdict
    assert error.value.hint == ("do this" if status else f"k1nb records show {run.id}")


def test_strict_refuses_warn(settings: Settings, write_notebook: WriteNotebook) -> None:
    """With the parameter `strict` WARN raises, and the record still says WARN."""
    run = connect(str(write_notebook()), VALUES | {"strict": True})
    run.add(Check("a", Status.WARN, "seen"))
    with pytest.raises(VerdictNotPassed, match="strict"):
        run.conclude()
    assert Archive(settings.paths).get(run.id).verdict is Verdict.WARN


def test_a_concluded_run_takes_nothing_more(settings: Settings, write_notebook: WriteNotebook) -> None:
    """After conclude neither a check nor another conclusion is taken."""
    run = connect(str(write_notebook()), VALUES)
    run.add(Check("a", Status.OK, "seen"))
    run.conclude()
    for again in (run.conclude, lambda: run.add(Check("b", Status.OK, "seen"))):
        with pytest.raises(RecordError, match="has concluded"):
            again()
    assert len(Archive(settings.paths).list()) == 1


def test_connecting_again_interrupts_the_first_run(settings: Settings, write_notebook: WriteNotebook) -> None:
    """Whoever runs a notebook from its top again begins another run; the first one is closed as INTERRUPTED."""
    file = str(write_notebook())
    first, second = connect(file, VALUES), connect(file, VALUES)
    with pytest.raises(RecordError, match="under way"):
        first.add(Check("a", Status.OK, "seen"))
    assert not Archive(settings.paths).get(first.id).running
    assert Archive(settings.paths).get(second.id).running


def test_no_check_is_lost_between_threads_handles_and_children(
    settings: Settings, write_notebook: WriteNotebook
) -> None:
    """What threads, a forked child and a second handle add at the same time is all in the record."""
    run = connect(str(write_notebook()), VALUES)
    staging = Staging(settings)
    other = Run(settings, staging, staging.staged(run.id), managed=False)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            for n in range(4):
                run.add(Check(f"child {n}", Status.OK, "seen"))
            code = 0
        finally:
            os._exit(code)
    with ThreadPoolExecutor(8) as threads:
        for n in range(8):
            threads.submit((run, other)[n % 2].add, Check(f"thread {n}", Status.FAIL if n == 3 else Status.OK, "seen"))
            threads.submit((run, other)[n % 2].refer, execution=f"e-{n}")
    assert os.waitpid(child, 0)[1] == 0
    with pytest.raises(VerdictNotPassed, match="FAIL"):
        run.conclude()
    with pytest.raises(RecordError):
        other.add(Check("late", Status.OK, "seen"))
    record = Archive(settings.paths).get(run.id)
    names = [f"child {n}" for n in range(4)] + [f"thread {n}" for n in range(8)]
    assert sorted(c.name for c in record.checks) == names
    assert sorted(record.manifest.executions) == [f"e-{n}" for n in range(8)]
    assert not [file.name for file in record.folder.iterdir() if file.name.startswith(".")]


@pytest.fixture
def managed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Record:
    """Return a run of the notebook `tiny` that this process' parent has begun for it, with its parameters."""
    return _begun(settings, monkeypatch, os.getppid())


def _begun(settings: Settings, monkeypatch: pytest.MonkeyPatch, runner: int) -> Record:
    staging = Staging(settings)
    process = Process(pid=runner, started=psutil.Process(runner).create_time())
    monkeypatch.setenv("K1NB_RUN", (record := staging.begin("tiny")).id)
    return staging.update(record, process=process, parameters=VALUES)


def test_a_run_that_a_runner_manages_stays_staged(
    settings: Settings, write_notebook: WriteNotebook, managed: Record
) -> None:
    """Under a runner conclude writes into the staged run, and leaves it to the runner to move it in."""
    run = connect(str(write_notebook()), VALUES)
    run.add(Check("a", Status.OK, "seen"))
    run.conclude()
    assert run.id == managed.id
    record = Archive(settings.paths).get(run.id)
    assert (record.folder, record.verdict) == (managed.folder, Verdict.OK)


def test_the_parameters_of_the_runner_hold(settings: Settings, write_notebook: WriteNotebook, managed: Record) -> None:
    """Neither a cell that has changed a parameter nor a connect as another notebook gets into a runner's run."""
    connect(str(write_notebook()), VALUES)
    with pytest.raises(ParameterError, match="strict is True in the kernel, but the run was given False"):
        connect(str(write_notebook()), VALUES | {"strict": True})
    with pytest.raises(RecordError, match="of the notebook tiny, not of other"):
        connect(str(write_notebook(name="other")), VALUES)
    record = Archive(settings.paths).get(managed.id)
    assert (record.notebook, dict(record.parameters)) == ("tiny", VALUES)


def test_a_process_that_inherited_a_run_has_one_of_its_own(
    settings: Settings, write_notebook: WriteNotebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A notebook that was started within a cell does not take over the run around it, and does not conclude it."""
    outer = _begun(settings, monkeypatch, os.getpid())  # alive, and not our parent
    run = connect(str(write_notebook()), VALUES | {"hours": 5})
    run.add(Check("a", Status.OK, "seen"))
    run.conclude()
    assert run.id != outer.id
    assert Archive(settings.paths).get(run.id).folder.parent == settings.paths.records
    assert "a" not in [c.name for c in Archive(settings.paths).get(outer.id).checks]


def test_a_kernel_that_outlived_its_runner_is_refused(
    settings: Settings, write_notebook: WriteNotebook, managed: Record
) -> None:
    """Where the process that began the run is gone nobody would move it in, and connecting says so."""
    Staging(settings).update(managed, process=Process(pid=os.getppid(), started=1.0))
    with pytest.raises(RecordError, match="has ended"):
        connect(str(write_notebook()), VALUES)


def test_a_run_that_nobody_staged_is_refused(
    settings: Settings, write_notebook: WriteNotebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stale K1NB_RUN is said so, and leaves nothing behind."""
    monkeypatch.setenv("K1NB_RUN", "20260301-040506-tiny-0a1b2c")
    with pytest.raises(RecordError, match="no run 20260301"):
        connect(str(write_notebook()), VALUES)
    assert Archive(settings.paths).list() == []


def test_a_kernel_shows_the_verdict_and_carries_the_manifest(settings: Settings, write_notebook: WriteNotebook) -> None:
    """Run cell by cell in a kernel, the last cell shows a table as HTML and text, and carries the whole manifest."""
    notebook = nbformat.read(write_notebook(check("WARN", evidence="saw <this>")), as_version=4)
    nbclient.NotebookClient(notebook, kernel_name="python3", timeout=60).execute()
    shown = notebook.cells[-1].outputs[0].data
    (record,) = Archive(settings.paths).list()
    assert (shown[MIME]["run"], shown[MIME]["verdict"]) == (record.id, "WARN")
    assert shown[MIME]["checks"][0]["evidence"] == "saw <this>"
    assert "saw &lt;this&gt;" in shown["text/html"]
    assert shown["text/plain"].startswith("WARN  tiny, run")
    assert notebook.cells[2].outputs[0].data[MIME]["verdict"] == "INTERRUPTED"
    assert (record.verdict, record.running, record.executed) == (Verdict.WARN, False, None)


@pytest.mark.usefixtures("settings")
def test_a_kernel_shows_an_error_without_our_frames(write_notebook: WriteNotebook) -> None:
    """A verdict that does not pass reads as one line and its hint in the notebook, and stops nbclient."""
    notebook = nbformat.read(write_notebook(check("FAIL")), as_version=4)
    with pytest.raises(nbclient.exceptions.CellExecutionError):
        nbclient.NotebookClient(notebook, kernel_name="python3", timeout=60).execute()
    error = notebook.cells[-1].outputs[-1]
    assert error.ename == "VerdictNotPassed"
    assert error.traceback == ["VerdictNotPassed: tiny: FAIL, 1 FAIL", "hint: do this"]
