"""What may be scheduled."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from k1nb.config import Settings
from k1nb.errors import K1Error, ParameterError, UnknownName, UsageError
from k1nb.records import schedules


def test_a_schedule_starts_the_runbook_under_its_key(settings: Settings) -> None:
    """Parameters become what they are declared as, and nothing but them, notebook and strictness is the input."""
    words = {"device": "bench", "hours": "12"}
    cron = "0  0 6 * *  ?"
    found = schedules.wanted(settings, "morning", "daily_health", cron=cron, parameters=words, strict=True)
    assert (found.workflow, found.correlation_id, found.zone) == ("runbook", "runbook:morning", "UTC")
    assert found.cron == "0 0 6 * * ?"
    parameters = {"device": "bench", "hours": 12}
    assert found.input == {"notebook": "daily_health", "parameters": parameters, "strict": True}


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        ({"name": "a b"}, UsageError, "is no name of a schedule"),
        ({"name": "a,b"}, UsageError, "is no name of a schedule"),
        ({"notebook": "mine.ipynb"}, UnknownName, "no shipped notebook"),
        ({"notebook": "dayly"}, UnknownName, "no shipped notebook"),
        ({"cron": "0 0 6 L * ?"}, UsageError, "is no time to run at"),
        ({"cron": "0 0 6 31 2 ?"}, UsageError, "a day that never comes"),
        ({"zone": "Mars"}, UsageError, "is no time zone"),
        ({"parameters": {"hours": "many"}}, ParameterError, "wants int"),
        ({"parameters": {"devise": "x"}}, ParameterError, "has no parameter"),
        ({"parameters": {"device": "hunter2-hunter2"}}, ParameterError, "carries a secret"),
        ({"notebook": "definitions", "parameters": {"apply": "plan-0123456789ab"}}, ParameterError, "stale"),
    ],
)
def test_what_cannot_be_scheduled_is_refused(
    settings: Settings, words: dict[str, Any], error: type[K1Error], said: str
) -> None:
    """Names, notebooks, times, zones and parameters that are none are told with what is wanted."""
    careful = settings.model_copy(update={"ota_password": SecretStr("hunter2-hunter2")})
    given = {"name": "x", "notebook": "daily_health", "cron": "0 0 6 * * ?", "parameters": {}, **words}
    with pytest.raises(error, match=said) as caught:
        schedules.wanted(careful, given.pop("name"), given.pop("notebook"), **given)
    assert caught.value.hint


@pytest.mark.parametrize(("clock", "cron"), [("06:00", "0 0 6 * * ?"), ("7:05", "0 5 7 * * ?")])
def test_a_time_of_day_is_every_day(clock: str, cron: str) -> None:
    """Hours and minutes become six fields."""
    assert schedules.daily(clock) == cron


@pytest.mark.parametrize("clock", ["24:00", "6", "06:60", "6am", ""])
def test_what_is_no_time_of_day_is_refused(clock: str) -> None:
    """Anything else names what is wanted."""
    with pytest.raises(UsageError, match="no time of day") as caught:
        schedules.daily(clock)
    assert "--daily 06:00" in (caught.value.hint or "")
