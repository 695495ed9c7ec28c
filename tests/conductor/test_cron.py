"""Cron expressions, held against the scheduler of a real Conductor server."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from k1nb.conductor import Conductor, Cron, zone_of
from k1nb.conductor._cron import FARTHEST
from k1nb.errors import UsageError

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
DAYS = "MON TUE WED THU FRI SAT SUN".split()  # noqa: SIM905 - a line of seven words


def _field(least: int, most: int, *, anything: str = "*") -> st.SearchStrategy[str]:
    number = st.integers(least, most)
    spans = st.tuples(number, number).map(sorted).map(lambda pair: f"{pair[0]}-{pair[1]}")
    one = st.one_of(number.map(str), spans, st.tuples(spans, st.integers(1, 9)).map(lambda p: f"{p[0]}/{p[1]}"))
    steps = st.tuples(st.one_of(st.just("*"), number.map(str)), st.integers(1, 20)).map(lambda p: f"{p[0]}/{p[1]}")
    return st.one_of(st.just(anything), st.lists(one, min_size=1, max_size=3).map(",".join), steps)


CRONS = st.tuples(
    _field(0, 59),
    _field(0, 59),
    _field(0, 23),
    st.one_of(st.just("?"), _field(1, 28)),
    st.one_of(st.just("*"), st.just("jan-DEC"), _field(1, 12)),
    st.one_of(st.just("?"), st.just("MON-fri"), st.sampled_from(DAYS), _field(0, 7)),
).map(" ".join)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cron=CRONS)
@example(cron="* * * ? * */2")
@example(cron="0 0 0 ? * */3")
@example(cron="0 0 0 ? * 7-7")
@example(cron="0 0 0 ? * SUN-TUE")
@example(cron="0 0 0 ? * 7-6/2")
@example(cron="0 0 0 ? * 7/2")
@example(cron="0 0 0 25 12 WED")
@example(cron="0 0 0 29 2 MON")
def test_the_next_times_are_those_of_the_server(conductor: Conductor, cron: str) -> None:
    """Whatever the six fields are, the next five times are what the server's own scheduler names."""
    before = datetime.now(UTC)
    told = conductor.next_runs(cron)
    if told and told[0] - before < timedelta(seconds=3):
        told = [at for at in told if at > before + timedelta(seconds=3)]  # the clock may pass it between the two
        before = before + timedelta(seconds=3)
    told = [at for at in told if at < before + FARTHEST - timedelta(days=1)]
    assert list(itertools.islice(Cron.parse(cron).after(before), len(told))) == told


@settings(max_examples=60, deadline=None)
@given(cron=CRONS, back=st.integers(0, 10**8))
def test_past_times_are_the_next_ones_of_before(cron: str, back: int) -> None:
    """Going back from a moment and forth again names the same times."""
    times = Cron.parse(cron)
    at = NOON - timedelta(seconds=back)
    past = list(itertools.islice(times.before(at), 4))
    assert past == sorted(past, reverse=True)
    if past:
        forth = itertools.takewhile(lambda found: found <= at, times.after(past[-1] - timedelta(seconds=1)))
        assert list(forth) == past[::-1]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "0 fields"),
        ("0 6 * * *", "5 fields"),
        ("0 0 25 * * ?", "'25' is no hour"),
        ("0 0 22-2 * * ?", "'22-2' names no hour"),
        ("0 0 */0 * * ?", "names no hour"),
        ("? 0 6 * * ?", "'?' is no second"),
        ("0 0 6 L * ?", "'L' is no day of the month"),
        ("0 0 6 ? * MON#1", "is no day of the week"),
        ("0 0 6 ? * FRI-MON", "names no day of the week"),
        ("0 0 6 * FOO ?", "'FOO' is no month"),
        ("0 0 *-3 * * ?", "is no hour"),
        ("0 0 ٣ * * ?", "is no hour"),
    ],
)
def test_what_names_no_times_is_refused(text: str, why: str) -> None:
    """A wrong field is named, and the hint shows what is wanted."""
    with pytest.raises(UsageError, match="is no time to run at") as caught:
        Cron.parse(text)
    assert why in caught.value.message
    assert "six fields" in (caught.value.hint or "")


def test_words_are_short_for_fields() -> None:
    """@daily and its like mean what the server makes of them."""
    assert Cron.parse("@daily") == Cron.parse("0 0 0 * * ?")
    assert Cron.parse(" @Weekly ") == Cron.parse("0 0 0 ? * SUN")


def test_fields_are_read_in_their_zone() -> None:
    """Six in Berlin is four in UTC by summer time and five by winter time."""
    berlin = zone_of("Europe/Berlin")
    times = Cron.parse("0 0 6 * * ?")
    assert next(times.after(NOON, berlin)) == datetime(2026, 7, 2, 4, tzinfo=UTC)
    assert next(times.before(datetime(2026, 1, 1, 12, tzinfo=UTC), berlin)) == datetime(2026, 1, 1, 5, tzinfo=UTC)


def test_nothing_is_due_at_a_time_that_is_not_there() -> None:
    """Where the clocks go forward over 02:30, that day has no such time."""
    berlin = zone_of("Europe/Berlin")
    night = Cron.parse("0 30 2 * * ?").after(datetime(2026, 3, 28, 12, tzinfo=UTC), berlin)
    assert [at.day for at in itertools.islice(night, 2)] == [30, 31]


def test_what_never_comes_has_no_times() -> None:
    """The 31st of February is looked for and not found."""
    assert list(Cron.parse("0 0 0 31 2 ?").after(NOON)) == []


@pytest.mark.parametrize("name", ["Mars", "", "../etc", "Europe"])
def test_an_unknown_zone_is_refused(name: str) -> None:
    """What is no zone's name is the caller's error."""
    with pytest.raises(UsageError, match="is no time zone"):
        zone_of(name)
