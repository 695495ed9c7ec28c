"""When a schedule is due: the cron expressions of Conductor's scheduler, read so that past times can be told, too.

The server tells no times that have passed, and future ones in UTC alone. Source: Conductor 3.32.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from k1nb.errors import UsageError

FARTHEST = timedelta(days=366 * 40)
"""How far is looked: between two Mondays that are a 29th of February may lie forty years."""
_SLACK = timedelta(hours=3)
"""By which a time of the clock may be nearer than it looks: an hour has its minutes, and clocks are put forward."""
_MONTHS = dict(zip("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split(), range(1, 13), strict=True))  # noqa: SIM905 - a line of twelve words
_DAYS = dict(zip("MON TUE WED THU FRI SAT SUN".split(), range(1, 8), strict=True))  # noqa: SIM905 - likewise
_SHORT = {
    "@yearly": "0 0 0 1 1 *",
    "@annually": "0 0 0 1 1 *",
    "@monthly": "0 0 0 1 * *",
    "@weekly": "0 0 0 * * 0",
    "@daily": "0 0 0 * * *",
    "@midnight": "0 0 0 * * *",
    "@hourly": "0 0 * * * *",
}
_ITEM = re.compile(r"(?P<first>\*|\w+)(?:-(?P<last>\w+))?(?:/(?P<step>\d+))?", re.ASCII)
HINT = "six fields are wanted, seconds first: 0 0 6 * * ? is every day at six, 0 30 7 ? * MON-FRI each working day"


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    least: int
    most: int
    names: dict[str, int]


_SECOND, _MINUTE, _HOUR = _Field("second", 0, 59, {}), _Field("minute", 0, 59, {}), _Field("hour", 0, 23, {})
_DAY, _MONTH = _Field("day of the month", 1, 31, {}), _Field("month", 1, 12, _MONTHS)
_WEEKDAY = _Field("day of the week", 0, 7, _DAYS)
_ANY = (_DAY, _WEEKDAY)
"""Fields in which a question mark stands for every value."""


@dataclass(frozen=True, slots=True)
class Cron:
    """The times that a cron expression names; a day counts where both day fields have it."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    """1 is Monday, 7 is Sunday; 0, which is Sunday as well, is written 7 here."""

    @classmethod
    def parse(cls, text: str) -> Cron:
        """Read an expression of six fields, or a word such as @daily; raises UsageError that says what is wrong.

        L, W and #, which the server knows as well, are refused: nobody could tell when such a run was missed.
        """
        words = _SHORT.get(text.strip().lower(), text).split()
        if len(words) != 6:
            raise _wrong(text, f"it has {len(words)} fields")
        fields = (_SECOND, _MINUTE, _HOUR, _DAY, _MONTH, _WEEKDAY)
        seconds, minutes, hours, days, months, weekdays = (
            _values(text, word, field) for word, field in zip(words, fields, strict=True)
        )
        return cls(
            tuple(sorted(seconds)),
            tuple(sorted(minutes)),
            tuple(sorted(hours)),
            frozenset(days),
            frozenset(months),
            frozenset(day or 7 for day in weekdays),
        )

    def after(self, at: datetime, zone: tzinfo = UTC) -> Iterator[datetime]:
        """Yield the times after a moment, the next one first, in UTC; the fields are read in `zone`."""
        return (found for found in self._from(at, zone, 1) if found > at)

    def before(self, at: datetime, zone: tzinfo = UTC) -> Iterator[datetime]:
        """Yield the times up to a moment, the latest one first, in UTC."""
        return (found for found in self._from(at, zone, -1) if found <= at)

    def _from(self, at: datetime, zone: tzinfo, way: int) -> Iterator[datetime]:
        """Yield the times from about a moment on, forth or back."""
        here = at.astimezone(zone).replace(tzinfo=None)
        for day in (here.date() + timedelta(days=way * n) for n in range(FARTHEST.days)):
            if day.month not in self.months or day.day not in self.days or day.isoweekday() not in self.weekdays:
                continue
            for hour in self.hours[::way]:
                if (datetime.combine(day, time(hour)) - here) * way >= -_SLACK:
                    yield from self._in(datetime.combine(day, time(hour)), zone, way)

    def _in(self, hour: datetime, zone: tzinfo, way: int) -> Iterator[datetime]:
        for minute in self.minutes[::way]:
            for second in self.seconds[::way]:
                local = hour.replace(minute=minute, second=second)
                found = local.replace(tzinfo=zone).astimezone(UTC)
                # Where the clocks go forward some times are not there, and nothing is due at them.
                if found.astimezone(zone).replace(tzinfo=None) == local:
                    yield found


def zone_of(name: str) -> ZoneInfo:
    """Return a time zone by its name, such as Europe/Berlin; raises UsageError."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # one that is unknown, no name at all, a folder of zones
        raise UsageError(f"{name!r} is no time zone", hint="give its name, such as Europe/Berlin or UTC") from None


def _values(text: str, word: str, field: _Field) -> set[int]:
    if word == "?" and field in _ANY:
        word = "*"
    return {value for item in word.split(",") for value in _range(text, item, field)}


def _range(text: str, item: str, field: _Field) -> Sequence[int]:
    match = _ITEM.fullmatch(item)
    if match is None or (match["first"] == "*" and match["last"]):
        raise _wrong(text, f"{item!r} is no {field.name}")
    step = int(match["step"] or 1)
    if match["first"] == "*":
        # The server counts a week from Monday, 1, to Sunday, 7, though 0 may be written for that.
        first, last = 1 if field is _WEEKDAY else field.least, field.most
    else:
        first = _value(text, match["first"], field)
        last = _value(text, match["last"], field) if match["last"] else field.most if match["step"] else first
        if field is _WEEKDAY and match["last"] and first == 7:
            first = 0  # A Sunday that a span begins with comes before Monday, for the server as for most people.
    if first > last or not step:
        raise _wrong(text, f"{item!r} names no {field.name}")
    return range(first, last + 1, step)


def _value(text: str, word: str, field: _Field) -> int:
    value = field.names.get(word.upper(), int(word) if word.isascii() and word.isdigit() else -1)
    if not field.least <= value <= field.most:
        raise _wrong(text, f"{word!r} is no {field.name}")
    return value


def _wrong(text: str, why: str) -> UsageError:
    return UsageError(f"{text!r} is no time to run at: {why}", hint=HINT)
