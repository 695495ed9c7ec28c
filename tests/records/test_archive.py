"""The archive: looking at records."""

from __future__ import annotations

import pytest

from k1nb.checks import Verdict
from k1nb.config import Settings
from k1nb.errors import UnknownName
from k1nb.records import Archive, Record
from k1nb.records._staging import Staging


@pytest.fixture
def records(settings: Settings) -> list[Record]:
    """Return three settled records, oldest first."""
    staging = Staging(settings)
    names = [f"2026030{day}-040506-tiny-00000{day}" for day in (1, 2, 3)]
    return [staging.settle(staging.begin("tiny", run=name)) for name in names]


def test_an_empty_home_has_no_records(settings: Settings) -> None:
    """Listing where nothing ever ran gives nothing, and makes no folder."""
    assert Archive(settings.paths).list() == []
    assert not settings.paths.records.exists()


def test_the_newest_comes_first(settings: Settings, records: list[Record]) -> None:
    """Records are listed by the time they began, the newest first."""
    assert [r.id for r in Archive(settings.paths).list()] == [r.id for r in reversed(records)]


@pytest.mark.parametrize("key", ["20260302-040506-tiny-000002", "20260302", "000002"])
def test_a_record_is_found_by_part_of_its_id(settings: Settings, records: list[Record], key: str) -> None:
    """An id, an unambiguous beginning or an unambiguous end finds the record."""
    assert Archive(settings.paths).get(key).id == records[1].id


@pytest.mark.parametrize(("key", "words"), [("2026", "3 records"), ("nope", "no record"), ("", "no record")])
def test_an_ambiguous_or_unknown_id_is_refused(settings: Settings, records: list[Record], key: str, words: str) -> None:
    """What names several records or none is refused in words."""
    assert len(records) == 3
    with pytest.raises(UnknownName, match=words):
        Archive(settings.paths).get(key)


def test_a_damaged_record_is_shown_not_hidden(settings: Settings, records: list[Record]) -> None:
    """A record whose manifest cannot be read is listed as UNKNOWN with the reason, beside the others."""
    (records[0].folder / "manifest.json").write_text("{")
    listed = {r.id: r for r in Archive(settings.paths).list()}
    assert len(listed) == 3
    assert listed[records[0].id].verdict is Verdict.UNKNOWN
    assert "cannot be read" in listed[records[0].id].reason
