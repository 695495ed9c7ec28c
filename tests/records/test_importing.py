"""Executed notebooks that join their record."""

from __future__ import annotations

import hashlib
import io
import platform
import re
import shutil
from datetime import UTC, datetime, timedelta
from html import escape
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import psutil
import pytest
from pydantic import SecretStr
from rich.console import Console

from k1nb.checks import Verdict
from k1nb.config import Settings
from k1nb.errors import RecordError
from k1nb.records import (
    MIME,
    Archive,
    Manifest,
    Record,
    Wanted,
    difference,
    import_notebook,
    record_page,
    search,
    write_archive_page,
)
from k1nb.records._importing import NEVER, _refuse_impossible, carried
from k1nb.show._records import print_hits, print_record, print_records
from tests.records.conftest import WriteIn, WriteNotebook, check
from tests.records.samples import NOW, heap, sealed

Notebook = Any


@pytest.fixture(scope="module")
def _concluded(tmp_path_factory: pytest.TempPathFactory, write_in: WriteIn) -> Path:
    """Return a folder with a home and a notebook that a kernel of its own has executed there, made once."""
    folder = tmp_path_factory.mktemp("concluded")
    notebook = nbformat.read(write_in(folder, check("WARN")), as_version=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("K1NB_HOME", str(folder / "home"))
        nbclient.NotebookClient(notebook, kernel_name="python3", timeout=60).execute()
    nbformat.write(notebook, folder / "out.ipynb")
    return folder


@pytest.fixture
def executed(settings: Settings, tmp_path: Path, _concluded: Path) -> Path:
    """Return a notebook that a kernel of its own has executed, and whose record is in the archive without it."""
    shutil.copytree(_concluded / "home" / "records", settings.paths.records)
    return Path(shutil.copy(_concluded / "out.ipynb", tmp_path / "out.ipynb"))


def changed(file: Path, change: Any) -> Path:
    """Write a copy of a notebook after `change` has been at it, and return it."""
    notebook = nbformat.read(file, as_version=4)
    change(notebook)
    other = file.with_name("changed.ipynb")
    nbformat.write(notebook, other)
    return other


def only(settings: Settings) -> Record:
    """Return the one record there is."""
    (record,) = Archive(settings.paths).list()
    return record


def test_a_notebook_finds_its_record_once_and_for_all(settings: Settings, executed: Path) -> None:
    """An executed notebook joins the record of its run; importing it again changes nothing."""
    assert only(settings).executed is None
    record = import_notebook(settings, executed)
    assert record.id == only(settings).id
    assert (record.verdict, record.executed) == (Verdict.WARN, record.folder / "notebook.ipynb")
    before = (record.folder / "notebook.ipynb").stat().st_mtime_ns
    assert import_notebook(settings, executed).files == record.files
    assert (record.folder / "notebook.ipynb").stat().st_mtime_ns == before


def test_a_record_takes_no_second_notebook(settings: Settings, executed: Path) -> None:
    """Once a notebook has joined, one with other code or outputs is refused and the first one stays."""
    record = import_notebook(settings, executed)

    def touch(notebook: Notebook) -> None:
        notebook.cells[3].source += "\n# touched"

    with pytest.raises(RecordError, match="already holds"):
        import_notebook(settings, changed(executed, touch))
    assert only(settings).files == record.files


def test_a_notebook_of_another_machine_brings_its_record(settings: Settings, executed: Path, tmp_path: Path) -> None:
    """Where the run's record is not in this archive, it is made from what the notebook carries."""
    there = only(settings)
    here = settings.model_copy(update={"home": tmp_path / "elsewhere"})
    record = import_notebook(here, executed)
    assert (record.id, record.verdict, record.checks) == (there.id, there.verdict, there.checks)
    assert record.manifest.versions == there.manifest.versions
    assert record.executed is not None
    assert only(here).id == there.id


def test_a_run_that_was_not_seen_here_says_so(
    settings: Settings, executed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A record made of a foreign notebook is marked wherever it is shown, and keeps nothing only a keeper can know."""

    def forge(notebook: Notebook) -> None:
        notebook.cells[-1].outputs[0].data[MIME] |= {
            "resumes": "20260301-040506-tiny-0a1b2c",
            "pruned": {"kernel.log": "0" * 64},
            "cell_seconds": [1.5],
            "redactions": 7,
            "process": {"pid": 1, "started": 1.0},
            "imported": {"at": "2020-01-01T00:00:00Z", "by": "nobody", "host": "x", "sha256": ""},
        }

    here, file = settings.model_copy(update={"home": tmp_path / "elsewhere"}), changed(executed, forge)
    record = import_notebook(here, file)
    known, imported = record.manifest, record.manifest.imported
    assert (known.resumes, known.pruned, known.cell_seconds, known.process) == (None, {}, (), None)
    assert known.redactions == 0
    assert known.seal is not None
    assert imported is not None
    assert imported.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (imported.by, imported.host) == (psutil.Process().username(), platform.node())
    console = Console(width=200)
    print_record(console, record)
    print_records(console, [record])
    said = capsys.readouterr().out
    assert f"{imported}" in said
    assert "imported: 1 WARN" in said
    assert escape(str(imported)) in record_page(here, record)
    assert import_notebook(here, file).manifest == known
    assert import_notebook(settings, executed).manifest.imported is None


def test_a_notebook_saved_too_early_is_not_taken_for_the_run(settings: Settings, executed: Path) -> None:
    """A notebook without its conclusion does not join a record that has one."""

    def unsaved(notebook: Notebook) -> None:
        notebook.cells[-1].outputs = []

    with pytest.raises(RecordError, match="says INTERRUPTED"):
        import_notebook(settings, changed(executed, unsaved))
    assert only(settings).executed is None


def test_a_notebook_that_never_concluded_is_interrupted(settings: Settings, executed: Path) -> None:
    """A notebook that connected but did not conclude becomes an INTERRUPTED record."""

    def unsaved(notebook: Notebook) -> None:
        notebook.cells[-1].outputs = []

    file = changed(executed, unsaved)
    shutil.rmtree(settings.paths.records)
    record = import_notebook(settings, file)
    assert (record.verdict, record.reason, record.parameters["hours"]) == (Verdict.INTERRUPTED, NEVER, 24)


def test_what_broke_a_run_elsewhere_is_said(settings: Settings, write_notebook: WriteNotebook) -> None:
    """A notebook that a plain kernel broke off in brings the error with it: its record knew only that it ended."""
    notebook = nbformat.read(write_notebook(check("OK"), "1 / 0"), as_version=4)
    out = write_notebook(name="out")
    with pytest.raises(nbclient.exceptions.CellExecutionError):
        nbclient.NotebookClient(notebook, kernel_name="python3", timeout=60).execute()
    nbformat.write(notebook, out)
    record = import_notebook(settings, out)
    assert (record.verdict, record.reason) == (Verdict.INTERRUPTED, "ZeroDivisionError: division by zero")
    assert only(settings).id == record.id
    assert [one.name for one in record.checks] == ["a thing: works"]


def test_a_notebook_that_never_connected_is_interrupted(settings: Settings, write_notebook: WriteNotebook) -> None:
    """A notebook without any trace of a run becomes an INTERRUPTED record, one and the same each time."""

    def execute_first(notebook: Notebook) -> None:
        notebook.cells[1].execution_count = 1

    file = changed(write_notebook(check("OK")), execute_first)
    record = import_notebook(settings, file)
    assert (record.verdict, record.notebook, record.reason) == (Verdict.INTERRUPTED, "changed", NEVER)
    assert import_notebook(settings, file).id == record.id
    assert len(Archive(settings.paths).list()) == 1


def test_a_notebook_that_was_never_executed_is_refused(settings: Settings, write_notebook: WriteNotebook) -> None:
    """A notebook without outputs and counts is no run at all, and becomes no record."""
    with pytest.raises(RecordError, match="never executed"):
        import_notebook(settings, write_notebook(check("OK")))
    assert Archive(settings.paths).list() == []


def test_what_papermill_noted_is_used(settings: Settings, write_notebook: WriteNotebook) -> None:
    """Of a notebook that broke before it connected, papermill's times, name and parameters are kept."""

    def note(notebook: Notebook) -> None:
        notebook.metadata.papermill = {
            "input_path": "/somewhere/daily_health.ipynb",
            "start_time": "2026-03-01T04:05:06.000000",
            "end_time": None,
            "parameters": {"device": 7},
        }

    record = import_notebook(settings, changed(write_notebook(), note))
    assert record.id.startswith("20260301-040506-daily_health-")
    assert dict(record.parameters) == {"device": 7}


@pytest.mark.parametrize("name", ["run", "verdict", "checks", "parameters"])
def test_a_manifest_that_was_tampered_with_is_refused(
    settings: Settings, executed: Path, tmp_path: Path, name: str
) -> None:
    """A carried manifest that is no manifest, leaves the archive, or is greener than its checks is refused."""
    values = {"run": "../../../evil", "verdict": "OK", "checks": 3, "parameters": []}

    def tamper(notebook: Notebook) -> None:
        notebook.cells[-1].outputs[0].data[MIME][name] = values[name]

    here = settings.model_copy(update={"home": tmp_path / "elsewhere"})
    with pytest.raises(RecordError):
        import_notebook(here, changed(executed, tamper))
    assert Archive(here.paths).list() == []
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("ended_at", "1900-01-01T00:00:00Z", "ended_at 1900-01-01T00:00:00.00:00, but wanted is a time from 1970"),
        ("ended_at", "2001-01-01T00:00:00Z", "ended_at 2001-01-01T00:00:00.00:00, but wanted is a time after started"),
        (
            "ended_at",
            "2999-01-01T00:00:00Z",
            "ended_at 2999-01-01T00:00:00.00:00, but wanted is a time from 1970 until",
        ),
        ("started_at", "2999-01-01T00:00:00Z", "started_at 2999-01-01T00:00:00.00:00, but wanted is a time from 1970"),
        ("started_at", "0001-01-01T00:00:00+14:00", "started_at 0001-01-01T00:00:00"),
        ("notebook", "ok\n\x1b[31m../../x", r"notebook 'ok\\n\\x1b\[31m../../x', but wanted is the name of a file"),
        ("notebook", "a\\b", "but wanted is the name of a file"),
        ("notebook", "n" * 201, "but wanted is the name of a file"),
        ("notebook", " ", "but wanted is the name of a file"),
        (
            "parameters",
            {"s": "\udcff"},
            r"parameters \{'s': '\\udcff'\}, but wanted is text in UTF-8 and finite numbers",
        ),
        ("parameters", {"s": float("nan")}, "but wanted is text in UTF-8 and finite numbers"),
    ],
)
def test_what_no_run_can_have_been_is_refused(executed: Path, field: str, value: Any, words: str) -> None:
    """A run that ends before it begins, is in the future or bears no file's name is refused: field, value, wanted."""
    manifest = carried(nbformat.read(executed, as_version=4))
    assert manifest
    _refuse_impossible(manifest, datetime.now(UTC))
    odd = Manifest.model_validate(manifest.model_dump(mode="json") | {field: value})
    with pytest.raises(RecordError, match=words):
        _refuse_impossible(odd, datetime.now(UTC))


def test_an_impossible_run_leaves_nothing(settings: Settings, executed: Path, tmp_path: Path) -> None:
    """A refused notebook makes no record, and one whose record is here joins that whatever it says."""

    def tamper(notebook: Notebook) -> None:
        notebook.cells[-1].outputs[0].data[MIME]["ended_at"] = "1900-01-01T00:00:00Z"

    file = changed(executed, tamper)
    here = settings.model_copy(update={"home": tmp_path / "elsewhere"})
    with pytest.raises(RecordError, match="ended_at"):
        import_notebook(here, file)
    assert Archive(here.paths).list() == []
    record = import_notebook(settings, file)
    assert record.seconds is not None
    assert record.executed


def test_no_run_took_less_than_nothing(settings: Settings) -> None:
    """Of a run whose clock was set back nobody is told a duration, and where there is room, why."""
    odd = sealed(settings, heap(), ended_at=NOW - timedelta(hours=1), cell_seconds=(None, -3600.0))
    (hit,) = search(settings, Wanted()).hits
    assert (odd.seconds, hit.seconds, difference(odd, odd).seconds) == (None, None, [])
    console = Console(record=True, width=200, file=io.StringIO())
    print_record(console, odd)
    print_records(console, [odd])
    print_hits(console, [hit])
    told = console.export_text()
    why = "not known, for its clock was set back while it ran"
    assert f"took: {why}" in told
    page = record_page(settings, odd)
    assert f"how long it took is {why}" in page
    for text in (told, page, write_archive_page(settings).read_text()):
        assert not re.search(r"-\d[\d.]* (s|min|h)\b", text)


def test_the_newest_run_in_a_notebook_counts(executed: Path) -> None:
    """Where outputs of an older run are left in a notebook, the newest run is the one it belongs to."""
    notebook = nbformat.read(executed, as_version=4)
    newest = carried(notebook)
    assert newest is not None
    older = {**notebook.cells[-1].outputs[0].data[MIME], "run": "20200101-000000-tiny-000000"}
    older["started_at"] = "2020-01-01T00:00:00Z"
    notebook.cells.append(
        nbformat.v4.new_code_cell("old", outputs=[nbformat.v4.new_output("display_data", {MIME: older})])
    )
    assert carried(notebook) == newest


def test_an_imported_notebook_is_redacted(settings: Settings, executed: Path) -> None:
    """Secrets in an imported notebook are masked, and it still counts as the same when imported again."""
    secret = "correct-horse-battery"
    guarded = settings.model_copy(update={"github_webhook_secret": SecretStr(secret)})

    def leak(notebook: Notebook) -> None:
        notebook.cells[3].outputs = [nbformat.v4.new_output("stream", text=f"it is {secret}\n")]

    file = changed(executed, leak)
    record = import_notebook(guarded, file)
    assert record.executed is not None
    assert secret not in record.executed.read_text()
    assert "it is [redacted]" in record.executed.read_text()
    assert import_notebook(guarded, file).files == record.files


def test_an_error_after_the_conclusion_takes_a_passing_verdict_back(
    settings: Settings, executed: Path, tmp_path: Path
) -> None:
    """A notebook that broke after it had concluded is INTERRUPTED with the error, here and where it is new."""

    def break_later(notebook: Notebook) -> None:
        error = nbformat.v4.new_output("error", ename="ValueError", evalue="too late\nmore", traceback=[])
        notebook.cells.append(nbformat.v4.new_code_cell("late()", execution_count=9, outputs=[error]))

    file = changed(executed, break_later)
    record = import_notebook(settings, file)
    assert (record.verdict, record.reason) == (Verdict.INTERRUPTED, "ValueError: too late")
    assert only(settings).verdict is Verdict.INTERRUPTED
    assert import_notebook(settings, file).files == record.files
    here = settings.model_copy(update={"home": tmp_path / "elsewhere"})
    assert import_notebook(here, file).verdict is Verdict.INTERRUPTED


def test_a_run_under_way_takes_no_notebook(settings: Settings, executed: Path) -> None:
    """While a run is under way its notebook cannot be imported."""
    from k1nb.records._record import Process, write_manifest

    record = only(settings)
    staged = record.folder.rename(settings.paths.staging / record.id)
    write_manifest(staged, record.manifest.changed(process=Process.own()))
    with pytest.raises(RecordError, match="under way"):
        import_notebook(settings, executed)
