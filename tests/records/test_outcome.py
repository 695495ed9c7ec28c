"""A run found by the id that its starter gave it, and its place in the chain."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest

from k1nb.config import Settings
from k1nb.errors import ParameterError, RecordError
from k1nb.records import find_run, new_id, place_of, run_notebook
from k1nb.records._life import ALIVE
from k1nb.records._outcome import free_id
from k1nb.records._record import MANIFEST, Process, Record, Seal, write_manifest
from k1nb.records._staging import Staging


def test_a_run_is_found_wherever_it_stands(settings: Settings) -> None:
    """One that grows is running, one whose process is gone is moved in as INTERRUPTED, one that never was is None."""
    run = new_id("tiny")
    assert find_run(settings, run) is None
    record = Staging(settings).begin("tiny", run=run)
    found = find_run(settings, run)
    assert found is not None
    assert (found.running, found.folder.parent) == (True, settings.paths.staging)
    (record.folder / ALIVE).unlink()
    write_manifest(record.folder, record.manifest.changed(process=Process(pid=2**22 - 1, started=0.0)))
    found = find_run(settings, run)
    assert found is not None
    assert (found.running, found.verdict, found.folder.parent) == (False, "INTERRUPTED", settings.paths.records)
    assert find_run(settings, run) == found


def test_a_run_has_an_id_of_its_own(settings: Settings) -> None:
    """What is no id, and the id of a run that there is, are refused before anything starts."""
    run = new_id("tiny")
    assert free_id(settings.paths, run) == run
    Staging(settings).begin("tiny", run=run)
    with pytest.raises(RecordError, match="there is a run"):
        run_notebook(settings, "prerequisites", {}, run=run)
    for wrong in ("../x", "x", f"{run}/.."):
        with pytest.raises(ParameterError, match="is no id of a run"):
            run_notebook(settings, "prerequisites", {}, run=wrong)


def test_the_head_is_number_and_sum_of_the_sealed_manifest(settings: Settings) -> None:
    """A record without a seal has none; one with a seal is named by its number and the sum of its manifest."""
    record = Staging(settings).begin("tiny")
    assert place_of(record) is None
    manifest = record.manifest.changed(seal=Seal(chain="AB12", number=7, at=datetime.now(UTC)))
    write_manifest(record.folder, manifest)
    head = place_of(Record(manifest, record.folder))
    assert head is not None
    digest = hashlib.sha256((record.folder / MANIFEST).read_bytes()).hexdigest()
    assert (head.number, head.sha256, head.chain) == (7, digest, "AB12")
    assert str(head) == f"record 7 of chain AB12, sha256 {digest}"
