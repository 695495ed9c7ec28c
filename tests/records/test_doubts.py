"""What is not proven says so wherever it is shown: a run not sealed yet, and a record that was changed since."""

from __future__ import annotations

import json
import re

import pytest

from k1nb.checks import Status, Verdict
from k1nb.config import Settings
from k1nb.records import (
    Record,
    Wanted,
    compare,
    difference_page,
    known_keys,
    listed,
    looked_at,
    record_page,
    search,
    verify,
    verify_record,
    write_archive_page,
)
from k1nb.records._chain import Chain, sign
from k1nb.records._life import ALIVE
from k1nb.records._record import MANIFEST, Process
from k1nb.records._staging import Staging
from tests.cli.test_app import k1nb
from tests.records.conftest import WriteNotebook
from tests.records.samples import heap, sealed
from tests.test_json import held


@pytest.fixture
def unsealed(settings: Settings) -> tuple[Record, Record]:
    """Return a run that is under way, and one that broke off and was not moved in."""
    staging = Staging(settings)
    lost = staging.update(staging.begin("lost"), process=Process(pid=2**22 + 1, started=0.0))
    (lost.folder / ALIVE).unlink()
    return next(record for record in listed(settings, Wanted(), limit=9)[0] if record.id == lost.id), running(settings)


def running(settings: Settings) -> Record:
    """Return a run that is under way, and leave what is staged already."""
    staging = Staging(settings)
    staging.sweep = lambda **_: None  # type: ignore[method-assign]
    return staging.begin("running")


def forge(record: Record) -> None:
    """Change what a record says of its verdict."""
    file = record.folder / MANIFEST
    file.write_text(file.read_text().replace("INTERRUPTED", "OK"))


def test_a_page_of_what_is_not_sealed_names_no_proof(settings: Settings, unsealed: tuple[Record, Record]) -> None:
    """Title, heading and foot say that it runs or waits to be moved in, and that it proves nothing."""
    lost, runs = unsealed
    for record, word in ((runs, "running"), (lost, "INTERRUPTED")):
        page = record_page(settings, record)
        assert f"<title>{word}, not sealed yet: {record.notebook} {record.id}</title>" in page
        head, foot = page.partition("</header>")[0], page.partition("<footer>")[2]
        for part in (head, foot):
            assert "it is not sealed yet and proves nothing" in part
            assert ("waits to be moved in" in part) is (record is lost)
        assert "SHA-256" not in foot
        assert "records verify" not in foot


def test_what_is_not_sealed_yet_is_no_damage(settings: Settings, unsealed: tuple[Record, Record]) -> None:
    """A run that is not sealed yet is not proven and no problem; the whole archive verifies beside it."""
    lost, runs = unsealed
    for record, why in ((runs, "it is running"), (lost, "it broke off, and the next start moves it in")):
        found = verify_record(settings.paths, record.id)
        assert (found.passes, found.problems) == (False, [])
        done = k1nb(settings, "records", "verify", record.id)
        assert (done.returncode, done.stdout) == (1, f"{record.id}: not sealed yet: {why}\n")
    told = held(settings, "records verify", runs.id, codes=(1,))
    assert [one["running"] for one in told["unsealed"]] == [True]
    sealed(settings, heap())
    running(settings)
    assert verify(settings.paths).passes
    done = k1nb(settings, "records", "verify")
    assert done.returncode == 0
    assert re.search(r"not sealed yet, and not looked at: \d running", done.stdout)


def test_where_nothing_is_sealed_nothing_is_proven(settings: Settings) -> None:
    """Without any sealed record, as in a mistyped home or where a first run is under way, `verify` ends with 1."""
    done = k1nb(settings, "records", "verify")
    assert (done.returncode, done.stdout) == (1, "no sealed record is here, so nothing was verified\n")
    assert done.stderr.startswith(f"hint: is K1NB_HOME right? It is {settings.home};")
    assert not settings.paths.records.exists()
    running(settings)
    told = held(settings, "records verify", codes=(1,))
    assert (told["passes"], told["records"], len(told["unsealed"])) == (False, 0, 1)
    sealed(settings, heap())
    assert verify(settings.paths).passes


def test_a_verdict_that_was_changed_is_marked(settings: Settings) -> None:
    """A list and a search mark a manifest that is not what was signed, `show` says so first, and ends with 1."""
    forged, kept = sealed(settings, days=1), sealed(settings, heap())
    forge(forged)
    assert {r.id: r.as_sealed for r in listed(settings, Wanted(), limit=9)[0]} == {forged.id: False, kept.id: True}
    found = looked_at(settings, search(settings, Wanted(verdict="OK")))
    assert {hit.run: hit.as_sealed for hit in found.hits} == {forged.id: False, kept.id: True}
    for words in (("list",), ("search", "--verdict", "OK")):
        said = k1nb(settings, "records", *words).stdout
        assert said.count("OK?") == 1
        assert f"not as it was sealed: k1nb records verify {forged.id}" in said
    page = write_archive_page(settings).read_text()
    assert page.count("OK?") == 2  # the bar of its strip, and itself
    assert f"not as it was sealed: <code>k1nb records verify {forged.id}</code>" in page
    assert f'<li class="FAIL n0" id="{forged.id}">' in page
    assert f'<li class="OK n0" id="{kept.id}">' in page
    for pair, verdicts in (((forged.id, kept.id), "OK? → OK"), ((kept.id, forged.id), "OK → OK?")):
        told = difference_page(settings, compare(settings, *pair))
        assert f"<strong>{verdicts}</strong>" in told
        assert f"not as it was sealed: <code>k1nb records verify {forged.id}</code>" in told
    assert [one["as_sealed"] for one in held(settings, "records list")] == [True, False]
    shown = k1nb(settings, "records", "show", forged.id)
    assert shown.returncode == 1
    before = shown.stdout.partition("OK?")[0].splitlines()
    assert before
    assert all(line.startswith("this record contradicts itself") for line in before)
    assert held(settings, "records show", forged.id, codes=(1,))["as_sealed"] is False
    assert k1nb(settings, "records", "show", kept.id).returncode == 0


def test_an_old_record_with_a_value_that_is_no_number_is_as_it_was_sealed(settings: Settings) -> None:
    """A manifest in which NaN was sealed is what was signed, although NaN equals nothing, and says what was seen."""
    odd = sealed(settings, heap(), parameters={"watch": 1.5})
    sealing, text = Chain(settings.paths, settings.timings), (odd.folder / MANIFEST).read_text()
    key, _ = sealing._key()
    old = text.replace("151552.0", "NaN").replace("1.5", "NaN")
    assert old.count("NaN") == 2
    (odd.folder / MANIFEST).write_text(old)
    sign(key, odd.folder / MANIFEST, old, "old")
    (record,), _ = listed(settings, Wanted(), limit=9)
    assert record.as_sealed
    assert "free_heap_bytes is nan, no finite number" in record.checks[0].evidence


def test_text_that_is_not_utf_8_is_refused_before_anything_is_staged(
    settings: Settings, write_notebook: WriteNotebook
) -> None:
    """A parameter in another encoding is an error of use, and leaves nothing."""
    done = k1nb(settings, "run", str(write_notebook()), "-p", "device=a\udcff")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: parameter device is 'a\\udcff', which is no text in UTF-8\nhint: give it in UTF-8\n"
    assert not settings.paths.staging.exists()


def test_another_record_s_manifest_proves_nothing(settings: Settings) -> None:
    """A manifest that was signed for another run is marked, and so is one without its signature or key."""
    failed, good, bare = (
        sealed(settings, heap(status), days=n) for n, status in enumerate((Status.FAIL, Status.OK) * 2) if n < 3
    )
    for file in (MANIFEST, f"{MANIFEST}.minisig"):
        (failed.folder / file).write_bytes((good.folder / file).read_bytes())
    (bare.folder / f"{MANIFEST}.minisig").unlink()
    marks = [record.as_sealed for record in listed(settings, Wanted(), limit=9)[0]]
    assert sorted(map(str, marks)) == ["False", "False", "True"]
    assert known_keys(settings.paths)


def test_a_record_without_a_check_says_so(settings: Settings) -> None:
    """Where a verdict is UNKNOWN because no check was made, list, show, search and page say that."""
    staging = Staging(settings)
    begun = staging.begin("bare")
    record = staging.settle(staging.update(begun, verdict=Verdict.UNKNOWN))
    why = "it made no checks, so nothing is known"
    assert json.loads((record.folder / MANIFEST).read_text())["reason"] == ""
    assert why in record_page(settings, record).partition("</header>")[0]
    assert [hit.why for hit in search(settings, Wanted()).hits] == [why]
    for words in (("list",), ("show", record.id)):
        assert why in k1nb(settings, "records", *words).stdout
