"""Retention: which records keep their files, and what is left of the others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1nb.checks import Check, Status, Verdict
from k1nb.config import Settings
from k1nb.errors import ConsentError, RecordError, UnknownName
from k1nb.records import Archive, Limits, Record, import_notebook, prunable, prune_records, verify
from k1nb.records._record import NOTEBOOK, Manifest, Seal, write_manifest
from k1nb.records._retention import in_order
from k1nb.records._staging import Staging
from tests.records.test_verify import executed

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LIMITS = Limits(2, timedelta(days=10), timedelta(days=100))
VERDICTS = st.sampled_from(list(Verdict))


def record(days: float, verdict: Verdict = Verdict.OK, notebook: str = "a", **seal: Any) -> Record:
    """Return a record that began so many days ago, sealed in the order of their beginnings unless told otherwise."""
    number = seal.pop("number", round((1000 - days) * 1000))
    sealed = Seal(**{"chain": "C", "at": NOW, **seal}, number=number) if number else None
    manifest = Manifest(
        run=f"20260101-000000-{notebook}-{int(days * 1000):06x}",
        notebook=notebook,
        verdict=verdict,
        started_at=NOW - timedelta(days=days),
        files={NOTEBOOK: "0"},
        seal=sealed,
    )
    return Record(manifest, Path("/x"))


def days(records: list[Record]) -> list[float]:
    """Return how old records are."""
    return [(NOW - each.started_at).days for each in records]


def test_age_and_count_are_limits_for_each_notebook() -> None:
    """What is too old or one too many goes, each notebook by itself; the newest one stays however old."""
    found = prunable([record(1), record(2), record(3), record(50, notebook="b"), record(60, notebook="b")], LIMITS, NOW)
    assert days(found) == [60, 3]


def test_what_did_not_pass_stays_until_its_own_limit() -> None:
    """A record that did not pass is kept for its own time whatever count and age say."""
    old = [record(1), record(2), record(50, Verdict.FAIL), record(51, Verdict.UNKNOWN), record(52, Verdict.INTERRUPTED)]
    assert prunable([*old, record(101, Verdict.FAIL)], LIMITS, NOW)[0].started_at == NOW - timedelta(days=101)
    assert days(prunable(old, LIMITS, NOW)) == []


def test_what_is_not_sealed_stays() -> None:
    """A record without a seal is left alone: its manifest could prove nothing."""
    assert prunable([record(1), record(50, number=0)], LIMITS, NOW) == []


@given(st.lists(st.tuples(st.integers(0, 200), VERDICTS, st.sampled_from("ab")), unique_by=lambda each: each[0]))
def test_no_fail_goes_before_its_limit(made: list[tuple[float, Verdict, str]]) -> None:
    """Whatever there is: no young failure and no newest record goes, in whichever order they are looked at."""
    records = [record(*each) for each in made]
    found = prunable(records, LIMITS, NOW)
    assert all(each.passes or NOW - each.started_at >= LIMITS.failed for each in found)
    for notebook in "ab":
        own = [each for each in records if each.notebook == notebook]
        assert not own or max(own, key=lambda each: each.started_at) not in found
    assert prunable(records[::-1], LIMITS, NOW) == found


def test_a_wrong_clock_makes_no_record_the_newest() -> None:
    """The newest is the one that was sealed last, also beside one that was made under a clock a year ahead."""
    limits = Limits(1, timedelta(days=10), timedelta(days=100))
    ahead, newest = record(-365, number=7), record(1, number=8)
    assert prunable([newest, ahead], limits, NOW) == [ahead]
    assert prunable([record(2, number=6), newest, ahead], limits, NOW) == [record(2, number=6), ahead]


def test_a_later_chain_is_newer() -> None:
    """Numbers count within a chain; one that a lost key ended lies before the chain that names it."""
    lost = [record(5 + n, chain="A", number=9 - n) for n in range(2)]
    found = [record(2 - n, chain="B", number=1 + n, after={"A": ""} if n == 0 else {}) for n in range(2)]
    assert in_order([*found, *lost][::-1]) == [*lost[::-1], *found]


def test_what_is_sealed_again_stays_where_it_was(settings: Settings) -> None:
    """A record that was pruned, or that a notebook has joined, is no newer for that, however often."""
    staging = Staging(settings)
    records = [staging.settle(staging.begin("tiny")) for _ in range(3)]
    again = staging.prune(staging.join(records[0], executed()))
    assert again.manifest.seal
    assert again.manifest.seal.number == 5
    order = [each.id for each in records]
    assert [each.id for each in in_order(Archive(settings.paths).list())] == order
    (again.folder / "manifest.4.json").unlink()  # then the number that the last seal names has to do
    assert [each.id for each in in_order(Archive(settings.paths).list())] == [order[1], order[2], order[0]]


def test_pruning_keeps_manifest_and_chain(settings: Settings) -> None:
    """Files go only with consent; the manifest stays, says what was removed, and the chain verifies."""
    staging = Staging(settings)
    for age in (3, 2, 1):
        begun = staging.begin("tiny")
        manifest = begun.manifest.changed(
            started_at=datetime.now(UTC) - timedelta(days=age * 400),
            checks=(Check("a", Status.OK, "seen"),),
            verdict=Verdict.OK,
        )
        write_manifest(begun.folder, manifest)
        staging.settle(begun, executed=executed())
    planned = prune_records(settings)
    assert len(planned.plan.preconditions["runs"]) == 2
    assert all(each.executed for each in Archive(settings.paths).list())
    with pytest.raises(ConsentError):
        prune_records(settings, consent="plan-000000000000")
    done = prune_records(settings, consent=planned.plan.id)
    newest, *old = Archive(settings.paths).list()
    assert newest.executed
    assert {each.id for each in old} == set(done.pruned)
    for each in old:
        assert not (each.folder / NOTEBOOK).exists()
        assert list(each.manifest.pruned) == [NOTEBOOK]
        assert each.verdict is Verdict.OK
    found = verify(settings.paths)
    assert (found.problems, found.chains[0].seals) == ([], 5)
    assert not prune_records(settings).plan.steps
    with pytest.raises(UnknownName):
        prune_records(settings, notebook="none")
    (old[0].folder / NOTEBOOK).write_text("back")
    assert [p.file for p in verify(settings.paths).problems] == [NOTEBOOK]


def test_a_pruned_record_takes_no_notebook(settings: Settings, tmp_path: Path) -> None:
    """What was pruned is not imported again."""
    import nbformat

    from k1nb.records import MIME

    staging = Staging(settings)
    pruned = staging.prune(staging.settle(staging.begin("tiny"), executed=executed()))
    carried = pruned.manifest.model_dump(mode="json", exclude={"process"})
    output = nbformat.v4.new_output("display_data", {MIME: carried, "text/plain": "run"})
    cell = nbformat.v4.new_code_cell("1", outputs=[output], execution_count=1)
    file = tmp_path / "out.ipynb"
    file.write_text(nbformat.writes(nbformat.v4.new_notebook(cells=[cell])))
    with pytest.raises(RecordError, match="pruned"):
        import_notebook(settings, file)
