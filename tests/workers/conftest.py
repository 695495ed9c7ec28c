"""Fixtures of the worker host's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from k1nb.config import Settings
from tests.workers.scratch import Scratch, settings_for


@pytest.fixture
def anyio_backend() -> str:
    """The event loop that the host runs on."""
    return "asyncio"


@pytest.fixture
async def scratch(conductor_url: str) -> AsyncIterator[Scratch]:
    """The test's own client of the session's Conductor."""
    client = Scratch(conductor_url)
    yield client
    await client.close()


@pytest.fixture
def host_settings(conductor_url: str, tmp_path: Path) -> Settings:
    """Settings of a scratch home on the session's Conductor, with waits a fifth as long."""
    return settings_for(conductor_url, tmp_path, timings_scale=0.2)
