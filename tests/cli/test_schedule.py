"""Commands for schedules, run as an operator would run them, on a real Conductor server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from k1nb.conductor import Conductor
from k1nb.config import Settings
from k1nb.records import schedules
from k1nb.timings import Timings
from tests.cli.test_app import k1nb
from tests.conductor.builders import unique

NEVER = "0 0 3 29 2 ?"


@pytest.fixture
def server(conductor_url: str) -> Iterator[Conductor]:
    """A client of the session's Conductor."""
    with Conductor(conductor_url, Timings()) as client:
        yield client


def test_a_reason_stays_until_another_one_is_given(settings: Settings, server: Conductor) -> None:
    """Pausing again without a reason keeps the one that was given; after it was resumed nothing of it is left."""
    name = unique("clock-")
    server.put_schedule(schedules.wanted(settings, name, "definitions", cron=NEVER, parameters={}))

    def reason_after(*words: str) -> str:
        done = k1nb(settings, "schedule", *words, CONDUCTOR_SERVER_URL=server.url)
        assert done.returncode == 0, done.stderr
        return server.schedule(name).paused_reason

    try:
        assert reason_after("pause", name, "-r", "holidays") == "holidays"
        assert reason_after("pause", name) == "holidays"
        assert reason_after("pause", name, "-r", "moving") == "moving"
        reason_after("resume", name)
        assert reason_after("pause", name) == ""
        assert schedules.look(server, server.schedule(name), datetime.now(UTC)).next_run is None
    finally:
        server.remove_schedule(name)
