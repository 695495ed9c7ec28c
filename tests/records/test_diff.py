"""Two records beside each other."""

from __future__ import annotations

import hashlib

import nbformat
import pytest

from k1nb.checks import Check, Status, Verdict
from k1nb.config import Settings
from k1nb.errors import UnknownName
from k1nb.records import before, compare, difference, difference_page, doubts, percent, summary
from k1nb.records._record import write_manifest
from tests.records.samples import heap, notebook, sealed

GONE = Check("service exporter: runs", Status.OK, "running, pid 12 since 2026-11-26 08:18:42 UTC")
LATER = Check("service exporter: runs", Status.OK, "running, pid 4711 since 2026-11-27 09:00:00 UTC")
NEW = Check("ledger: readable", Status.WARN, "odd", "see to it")


def test_what_changed_is_told_by_its_meaning(settings: Settings) -> None:
    """Checks that got worse, came or went, parameters, devices and measured values with both changes are told."""
    old = sealed(settings, heap(), GONE, parameters={"hours": 24, "device": ""}, days=1)
    new = sealed(settings, heap(Status.FAIL, 37_888), NEW, parameters={"hours": 48, "device": ""}, devices=("lab",))
    change = difference(old, new)
    assert [(c.name, c.kind) for c in change.checks] == [
        ("device bench: free heap", "worse"), ("ledger: readable", "came"), ("service exporter: runs", "went"),
    ]  # fmt: skip
    assert [(c.name, c.old, c.new) for c in change.facts] == [("verdict", "OK", "FAIL")]
    assert [(c.name, c.old, c.new) for c in change.parameters] == [("hours", 24, 48)]
    assert [(c.name, c.old, c.new) for c in change.mentions] == [("device", None, "lab")]
    value = change.values[0]
    assert (value.name, value.difference, value.relative) == ("free_heap_bytes", -113_664, -0.75)
    assert change.found
    assert "free_heap_bytes 151,552 → 37,888 (−75.0 %)" in summary(change)
    assert "OK → FAIL" in difference_page(settings, change)


def test_what_always_differs_is_no_difference(settings: Settings) -> None:
    """Moments, processes, measured values, timings and executions differ each time, and mean nothing by that."""
    shifted, added = notebook(text="# Look"), nbformat.v4.new_code_cell("hours = 24")
    shifted.cells.insert(0, added)
    old = sealed(
        settings, heap(), GONE, executions=("a",), cell_seconds=(None, 0.5), executed=notebook(text="# Look"), days=1
    )
    took = (0.2, None, 0.9)
    new = sealed(settings, heap(free=151_000), LATER, executions=("b",), cell_seconds=took, executed=shifted)
    change = difference(old, new)
    assert not change.found
    assert [(c.name, c.old, c.new) for c in change.seconds] == [("Look", 0.5, 0.9), ("cell 1", None, 0.2)]
    assert summary(change) == "the same verdict and answers"
    quick = sealed(settings, heap(), GONE, cell_seconds=(0.04, None, 0.5), executed=shifted, days=2)
    assert difference(quick, old).seconds == []  # less than a tenth of a second is none
    same = difference(old, old)
    assert [same.found, same.values, same.seconds, same.mentions] == [False, [], [], []]


def test_evidence_that_says_something_else_is_a_difference(settings: Settings) -> None:
    """The same status for another reason is told."""
    old, new = (sealed(settings, Check("a: b", Status.WARN, f"{n} tasks wait", "look"), days=n) for n in (2, 1))
    assert [c.kind for c in difference(old, new).checks] == ["other"]


def test_the_run_before_is_of_the_same_notebook(settings: Settings) -> None:
    """Without a second run, the newest earlier one of the same notebook is taken; where there is none it says so."""
    oldest, old = sealed(settings, heap(), days=3), sealed(settings, heap(), days=2)
    sealed(settings, heap(), name="workers", days=1)
    new = sealed(settings, heap())
    assert compare(settings, new.id).old.id == old.id
    assert before(settings, oldest) is None
    assert compare(settings, oldest.id, new.id).new.id == new.id
    with pytest.raises(UnknownName, match="no run of daily_health before"):
        compare(settings, oldest.id)


def test_numbers_read_well() -> None:
    """A relative change has its sign."""
    assert [percent(value) for value in (0.5, -0.031, None)] == ["+50.0 %", "−3.1 %", ""]


def test_a_record_that_contradicts_itself_is_told(settings: Settings) -> None:
    """A changed file, a missing one, one that no manifest knows, and a verdict that does not follow are each named."""
    record = sealed(settings, heap(Status.FAIL), executed=notebook())
    assert doubts(settings, record) == []
    file = record.folder / "notebook.ipynb"
    assert record.files["notebook.ipynb"] == hashlib.sha256(file.read_bytes()).hexdigest()
    file.write_text(file.read_text() + " ")
    (record.folder / "more.txt").write_text("?")
    assert doubts(settings, record) == [
        "notebook.ipynb: it was changed after it was sealed", "more.txt: it is no file of the record",
    ]  # fmt: skip
    file.unlink()
    lying = record.manifest.changed(verdict=Verdict.OK)
    write_manifest(record.folder, lying)
    from k1nb.records._archive import record_in

    assert doubts(settings, record_in(record.folder))[:2] == [
        "the verdict OK does not follow from the checks, which add up to FAIL",
        "manifest.json: it was changed after it was signed",
    ]  # fmt: skip
