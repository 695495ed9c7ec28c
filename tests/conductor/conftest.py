"""Fixtures of the conductor room's tests: a client under test and a worker by hand, on the session's real server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from k1nb.conductor import Conductor
from k1nb.timings import Timings
from tests.conductor.hand import Hand


@pytest.fixture
def conductor(conductor_url: str) -> Iterator[Conductor]:
    """The client under test, on the session's Conductor."""
    with Conductor(conductor_url, Timings(follow=0.1), owner="tests") as client:
        yield client


@pytest.fixture
def hand(conductor_url: str) -> Iterator[Hand]:
    """A worker by hand, on the session's Conductor."""
    worker = Hand(conductor_url)
    yield worker
    worker.close()
