"""Manifests and records."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from k1nb.checks import Check, Status, Verdict
from k1nb.errors import RecordError
from k1nb.records._record import Manifest, Process, Record, id_of_bytes, new_id, read_manifest, write_manifest
from k1nb.secrets import Redactor

NOW = datetime(2026, 3, 1, 4, 5, 6, tzinfo=UTC)
RUN = "20260301-040506-daily_health-0a1b2c"


def manifest(**values: Any) -> Manifest:
    """Return a manifest with these values."""
    known: dict[str, Any] = {"run": RUN, "notebook": "daily_health", "started_at": NOW}
    return Manifest(**known | values)


def test_a_manifest_reads_back_as_written(tmp_path: Path) -> None:
    """What is written is what is read, checks and times included."""
    check = Check("a", Status.WARN, "seen", "do", "here", NOW)
    written = manifest(checks=(check,), parameters={"hours": 3}, verdict=Verdict.WARN, process=Process.own())
    write_manifest(tmp_path, written)
    assert read_manifest(tmp_path) == written


def test_a_run_is_interrupted_until_it_concludes() -> None:
    """A manifest that nobody has concluded does not pass."""
    assert manifest().verdict is Verdict.INTERRUPTED
    assert not manifest().passes


def test_ids_name_time_and_notebook_and_sort_by_time() -> None:
    """A run's id begins with its time in UTC, names its notebook, and is never the same twice."""
    assert new_id("daily_health", now=NOW).startswith("20260301-040506-daily_health-")
    assert new_id("a", now=NOW) != new_id("a", now=NOW)


@pytest.mark.parametrize("name", ["my notebook (2).v1", "", "ünïcode", "../../etc", "x" * 300])
def test_every_notebook_name_gives_a_valid_id(name: str) -> None:
    """Whatever a notebook is called, its runs have ids that are plain folder names."""
    for run in (new_id(name, now=NOW), id_of_bytes(name, NOW, b"bytes")):
        assert manifest(run=run).run == run


def test_the_same_bytes_are_the_same_run() -> None:
    """A run that named itself nowhere is known by its bytes."""
    assert id_of_bytes("n", NOW, b"1") == id_of_bytes("n", NOW, b"1") != id_of_bytes("n", NOW, b"2")


@pytest.mark.parametrize("run", ["", ".", "../../x", "20260301-040506-a/b", "20260301-040506-", ".staging"])
def test_no_id_leaves_the_archive(run: str) -> None:
    """An id that could name another folder is refused, for it may come out of an imported file."""
    with pytest.raises(ValidationError):
        manifest(run=run)


def test_a_verdict_must_follow_from_the_checks() -> None:
    """A manifest whose verdict is better than its checks is not honest."""
    bad = Check("a", Status.FAIL, "seen")
    assert not manifest(checks=(bad,), verdict=Verdict.OK).honest
    assert not manifest(verdict=Verdict.OK).honest
    assert manifest(checks=(bad,), verdict=Verdict.FAIL).honest
    assert manifest(checks=(bad,)).honest


def test_strict_is_a_parameter() -> None:
    """A run whose parameter `strict` is true does not pass with WARN."""
    assert manifest(verdict=Verdict.WARN).passes
    assert not manifest(verdict=Verdict.WARN, parameters={"strict": True}).passes


def test_redaction_reaches_free_text_and_leaves_the_id(tmp_path: Path) -> None:
    """Secrets are masked in parameters, checks and reasons, while the run keeps its name."""
    check = Check("hunter2", Status.OK, "saw hunter2", source="http://x/?p=hunter2")
    clean = manifest(checks=(check,), parameters={"p": "hunter2"}, reason="hunter2").redacted(Redactor(["hunter2"]))
    write_manifest(tmp_path, clean)
    assert "hunter2" not in (tmp_path / "manifest.json").read_text()
    assert clean.run == RUN


@pytest.mark.parametrize("text", ["", "{", "{}", '{"format": 2}', "\0"])
def test_a_damaged_manifest_is_said_so(tmp_path: Path, text: str) -> None:
    """A manifest that cannot be read is an error with the file's name."""
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(RecordError, match=r"manifest\.json"):
        read_manifest(tmp_path)


def test_a_process_is_known_by_pid_and_start() -> None:
    """This process is alive; the same pid with another start is another process."""
    own = Process.own()
    assert own.alive
    assert not Process(pid=os.getpid(), started=own.started - 100).alive
    assert not Process(pid=2**22 + 1, started=own.started).alive


def test_a_record_as_data_tells_folder_and_state(tmp_path: Path) -> None:
    """A record's JSON has the manifest's fields, the folder, and whether it runs."""
    data = Record(manifest(process=Process.own()), tmp_path, running=True).as_dict()
    assert data["running"] is True
    assert data["folder"] == str(tmp_path)
    assert data["verdict"] == "INTERRUPTED"
    assert "process" not in data


class Powerless(Redactor):
    """Finds secrets and masks none."""

    def across(self, texts: Sequence[str]) -> list[str]:
        """Return texts as they are."""
        return list(texts)


def test_a_field_that_cannot_be_masked_is_left_out() -> None:
    """It costs that field and, where the checks go with it, the verdict; the record says so, and the rest stays."""
    manifest = Manifest(run=new_id("tiny"), notebook="tiny", started_at=datetime.now(UTC), verdict=Verdict.OK)
    held = manifest.changed(versions={"a": "k1nb-canary-9f3a7c21"}, checks=(Check("a: works", Status.OK, "seen"),))
    left = held.redacted(Powerless(["k1nb-canary-9f3a7c21"]))
    assert (left.versions, left.checks, left.verdict) == ({}, held.checks, Verdict.OK)
    assert left.reason == "versions held a secret that could not be masked, and was not kept"
    told = held.changed(checks=(Check("k1nb-canary-9f3a7c21", Status.OK, "seen"),))
    left = told.redacted(Powerless(["k1nb-canary-9f3a7c21"]))
    assert (left.checks, left.verdict) == ((), Verdict.INTERRUPTED)
