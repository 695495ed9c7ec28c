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


@pytest.mark.parametrize("key", ["20260302-040506-tiny-000002", "20260302", "000002", "02-040506-t"])
def test_a_record_is_found_by_part_of_its_id(settings: Settings, records: list[Record], key: str) -> None:
    """An id, or any unambiguous part of it, finds the record."""
    assert Archive(settings.paths).get(key).id == records[1].id


@pytest.mark.parametrize(("key", "words"), [("2026", "3 records"), ("nope", "no record"), ("", "no record")])
def test_an_ambiguous_or_unknown_id_is_refused(settings: Settings, records: list[Record], key: str, words: str) -> None:
    """What names several records or none is refused in words."""
    assert len(records) == 3
    with pytest.raises(UnknownName, match=words):
        Archive(settings.paths).get(key)


def test_an_end_of_an_id_goes_before_a_part_within(settings: Settings) -> None:
    """A key that begins or ends one id means that one, although it stands within others; a whole id means itself."""
    for run in ("20260301-040506-a-20260302", "20260302-040506-b-000001", "20260303-040506-x-b-0000"):
        folder = settings.paths.records / run
        folder.mkdir(parents=True)
    assert Archive(settings.paths).get("000001").id == "20260302-040506-b-000001"
    assert Archive(settings.paths).get("x-b").id == "20260303-040506-x-b-0000"
    assert Archive(settings.paths).get("b-0000").id == "20260303-040506-x-b-0000"
    with pytest.raises(UnknownName, match="2 records"):
        Archive(settings.paths).get("20260302")


def test_a_damaged_record_is_shown_not_hidden(settings: Settings, records: list[Record]) -> None:
    """A record whose manifest cannot be read is listed as UNKNOWN with the reason, beside the others."""
    (records[0].folder / "manifest.json").write_text("{")
    listed = {r.id: r for r in Archive(settings.paths).list()}
    assert len(listed) == 3
    assert listed[records[0].id].verdict is Verdict.UNKNOWN
    assert "cannot be read" in listed[records[0].id].reason
