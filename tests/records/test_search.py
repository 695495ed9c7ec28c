"""Finding records: by words, by facts, by dates; and the index that makes it quick."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from k1nb.checks import Status
from k1nb.config import Settings
from k1nb.errors import ParameterError
from k1nb.records import END, Index, Wanted, listed, moment, search
from k1nb.records._staging import Staging
from tests.cli.test_app import k1nb
from tests.records.samples import NOW, heap, ids, notebook, sealed, shown


def test_words_are_found_wherever_they_stand(settings: Settings) -> None:
    """Reason, checks, parameters, a cell's source and its outputs are all searched; every word has to be there."""
    broken = sealed(settings, days=2)
    printed = notebook(shown(plain="brownout detected"), source="look(twice)")
    good = sealed(settings, heap(), executed=printed, parameters={"device": "bench"}, days=1)

    def found(text: str) -> list[str]:
        return ids(search(settings, Wanted(text)).hits)

    assert found("deadkernel*") == [broken.id]
    for text in ("brownout", "BROWN*", "heaps", '"free heap"', "twice hea*", "device=bench", good.id, "title"):
        assert found(text) == [good.id], text
    assert found('"heap free"') == found("brownout deadkernel*") == found("!!!") == []
    assert found("daily_health") == [good.id, broken.id]


def test_a_hit_says_what_was_found(settings: Settings) -> None:
    """The check that fits is named, and the words stand in what is around them."""
    record = sealed(settings, heap(Status.FAIL, 12_288), heap(), executed=notebook(shown(plain="after a brownout")))
    hit = search(settings, Wanted("heap")).hits[0]
    assert (hit.run, hit.verdict, hit.began) == (record.id, record.verdict, record.started_at)
    assert hit.check == "FAIL device bench: free heap: 12,288 B free, at least 50,000 wanted"
    assert f"brownout{END}" in search(settings, Wanted("brownout")).hits[0].snippet
    assert hit.as_dict()["snippet"].count("heap") >= 1


def test_facts_narrow_a_search(settings: Settings) -> None:
    """Notebook, check with status, device, artifact, execution, verdict and dates each leave what fits."""
    old = sealed(settings, heap(Status.FAIL), days=9, artifacts=("abc123",), executions=("e-1",))
    new = sealed(settings, heap(), name="workers", devices=("lab",))
    cases = {
        old.id: [
            Wanted(notebook="daily_health"), Wanted(check="heap=fail"), Wanted(verdict="FAIL"),
            Wanted(mentions={"artifact": "ABC"}), Wanted(mentions={"execution": "e-1"}),
            Wanted(until=NOW - timedelta(days=3)), Wanted("heap", verdict="fail"),
        ],
        new.id: [Wanted(check="free heap=OK"), Wanted(mentions={"device": "lab"}),
                 Wanted(since=NOW - timedelta(days=1))],
    }  # fmt: skip
    for run, every in cases.items():
        for wanted in every:
            assert ids(search(settings, wanted).hits) == [run], wanted
    assert ids(search(settings, Wanted(mentions={"device": "bench"})).hits) == [new.id, old.id]
    with pytest.raises(ParameterError, match="there is no verdict 'GREEN'"):
        search(settings, Wanted(verdict="GREEN"))
    with pytest.raises(ParameterError, match="there is no status 'RED'"):
        search(settings, Wanted(check="heap=RED"))


def test_the_newest_come_first_and_a_limit_says_so(settings: Settings) -> None:
    """Hits are ordered by when their runs began, not by when they were sealed."""
    runs = {days: sealed(settings, heap(), days=days).id for days in (2, 5, 1)}
    found = search(settings, Wanted("heap"), limit=2)
    assert (ids(found.hits), found.more) == ([runs[1], runs[2]], True)
    assert search(settings, Wanted("heap"), limit=3).more is False


def test_a_list_begins_with_what_runs(settings: Settings) -> None:
    """Running runs are listed before sealed ones, and filters hold for both."""
    kept = sealed(settings, heap(), days=-10)  # in the future of what is begun now
    running = Staging(settings).begin("workers")
    assert [record.id for record in listed(settings, Wanted(), limit=9)[0]] == [running.id, kept.id]
    assert [record.id for record in listed(settings, Wanted(notebook="daily_health"), limit=9)[0]] == [kept.id]
    assert [record.id for record in listed(settings, Wanted(verdict="INTERRUPTED"), limit=9)[0]] == [running.id]
    assert listed(settings, Wanted(), limit=1)[1] is True


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return settings of a home with one record."""
    from k1nb.config import load

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("K1NB_HOME", str(tmp_path_factory.mktemp("home")))
        found = load()
        sealed(found, heap())
        search(found, Wanted())
    return found


@given(st.text() | st.text('"*():^-+{}ANDORNEAR\0 a\ud800', max_size=30))
@hypothesis_settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_text_is_an_error(home: Settings, text: str) -> None:
    """Whatever is typed, it is looked for as text."""
    search(home, Wanted(text))


def test_the_index_follows_the_records(settings: Settings) -> None:
    """A record that comes without a word, changes or goes is seen by the next search."""
    first = sealed(settings, heap(), days=1)
    search(settings, Wanted())
    second = sealed(settings, heap())
    assert ids(search(settings, Wanted()).hits) == [second.id, first.id]
    copy = first.folder.with_name(first.id.replace("daily_health", "copied"))
    shutil.copytree(first.folder, copy)
    text = (copy / "manifest.json").read_text().replace(first.id, copy.name).replace("free heap", "full moon")
    (copy / "manifest.json").unlink()
    (copy / "manifest.json").write_text(text)
    assert ids(search(settings, Wanted("moon")).hits) == [copy.name]
    shutil.rmtree(copy)
    assert ids(search(settings, Wanted("moon")).hits) == []


def test_an_index_that_is_not_right_is_made_anew(settings: Settings) -> None:
    """Rubbish, a cut file, another format and no file at all: each search finds the same."""
    record = sealed(settings, heap())
    file = Index(settings).file
    assert not file.exists()  # the first search makes it
    search(settings, Wanted())

    def cut(path: Path) -> None:
        path.write_bytes(path.read_bytes()[:5000])

    harms: list[Callable[[Path], object]] = [
        lambda path: path.write_bytes(b"rubbish" * 1000), cut, Path.unlink, lambda path: path.write_bytes(b""),
    ]  # fmt: skip
    for harm in harms:
        harm(file)
        assert ids(search(settings, Wanted("heap")).hits) == [record.id]
    assert Index(settings).rebuild() == 1
    assert file.stat().st_mode & 0o777 == 0o600


def test_without_a_place_for_an_index_there_is_an_answer(settings: Settings) -> None:
    """Where the index cannot be a file, it is made in memory, and sealing goes on."""
    Index(settings).file.parent.mkdir(parents=True)
    Index(settings).file.mkdir()
    record = sealed(settings, heap())
    assert ids(search(settings, Wanted("heap")).hits) == [record.id]


def test_a_damaged_record_is_found_as_unknown(settings: Settings) -> None:
    """A record whose manifest cannot be read is listed with the reason rather than left out."""
    record = sealed(settings, heap(), executed=notebook(shown(plain="legible")))
    (record.folder / "manifest.json").write_text("{")
    hit = search(settings, Wanted("legible")).hits[0]
    assert (hit.run, hit.verdict) == (record.id, "UNKNOWN")
    assert "cannot be read" in hit.why


def test_the_index_holds_no_secret(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret that is known now is masked in the index, also where the record was made before."""
    sealed(settings, heap(), executed=notebook(shown(plain="the word is xyzzy-plugh-42")))
    monkeypatch.setenv("GITHUB_WEBHOOK_SECRET", "xyzzy-plugh-42")
    from k1nb.config import load

    known = load()
    assert ids(search(known, Wanted("word")).hits)
    assert b"xyzzy-plugh-42" not in b"".join(file.read_bytes() for file in Index(known).file.parent.glob(".index*"))


@pytest.mark.parametrize(
    ("text", "begin", "end"),
    [
        ("2026-11-01", "2026-11-01T00:00", "2026-11-02T00:00"),
        ("2026-11-01T14:30", "2026-11-01T14:30", "2026-11-01T14:30"),
        ("7d", "2026-11-13T08:00", "2026-11-13T08:00"),
        ("24h", "2026-11-19T08:00", "2026-11-19T08:00"),
        ("yesterday", "2026-11-19T00:00", "2026-11-20T00:00"),
        ("today", "2026-11-20T00:00", "2026-11-21T00:00"),
    ],
)
def test_moments_are_what_people_mean(text: str, begin: str, end: str) -> None:
    """A day is meant whole; a duration reaches back from now; all in UTC."""
    expected = [datetime.fromisoformat(f"{each}+00:00") for each in (begin, end)]
    assert [moment(text, now=NOW), moment(text, end=True, now=NOW)] == expected


@given(st.text(max_size=20) | st.from_regex(r"[0-9]{1,6}(d|w|h)", fullmatch=True))
def test_no_other_moment_is_guessed(text: str) -> None:
    """Whatever else is typed is refused, or is a moment with its offset."""
    with suppress(ParameterError):
        assert moment(text, now=NOW).tzinfo
    with pytest.raises(ParameterError, match="is no moment"):
        moment(f"{text}?", now=NOW)


def test_what_was_not_looked_through_is_told(settings: Settings) -> None:
    """Of a long notebook the first million characters are found; beyond that a search says that it may miss some."""
    long = sealed(settings, heap(), executed=notebook(shown(plain=f"{'x ' * 450_000} early {'x ' * 60_000} beyond")))
    assert ids(search(settings, Wanted("early")).hits) == [long.id]
    assert search(settings, Wanted("early")).cut == 0
    found = search(settings, Wanted("beyond"))
    assert (list(found.hits), found.cut) == ([], 1)
    assert search(settings, Wanted("beyond", notebook="workers")).cut == 0
    said = k1nb(settings, "records", "search", "beyond").stderr
    assert said == "only the first 1,000,000 characters of the notebooks of 1 more records were looked through\n"


def test_a_hit_is_json(settings: Settings) -> None:
    """What a script reads has no marks in it."""
    sealed(settings, heap())
    assert "\\u0002" not in json.dumps([hit.as_dict() for hit in search(settings, Wanted("heap")).hits])
