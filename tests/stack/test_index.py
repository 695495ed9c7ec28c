"""The local server's index is cleared of what was removed, while the server works."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from k1nb.conductor import Conductor, ExecutionStatus
from k1nb.config import Settings
from k1nb.errors import StorageError
from k1nb.stack import clear_index
from tests.conductor.builders import a_workflow, unique


def test_what_was_removed_is_named_by_no_search(line: Settings) -> None:
    """A removed execution leaves no row behind, in no time; one that stays is found as before, and another starts."""
    name = unique("indexed-")
    wait = {"name": "wait", "taskReferenceName": "wait", "type": "WAIT", "inputParameters": {"duration": "1 hour"}}
    with Conductor.from_settings(line) as server:
        server.put_workflow_definition({**a_workflow(), "name": name, "tasks": [wait]})
        ids = [server.start(name, {}) for _ in range(3)]
        for one in ids:
            server.terminate(one, "the test wants it ended")
        deadline = time.monotonic() + 20
        while len(server.find(name=name, status=ExecutionStatus.TERMINATED)) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.1)  # search lags
        began = time.monotonic()
        for one in ids[:2]:
            server.remove(one)
        assert clear_index(line) >= 4  # each of its workflow and its task
        assert time.monotonic() - began < 10  # less than the server would wait for its own lock
        assert [found.id for found in server.find(name=name, status=ExecutionStatus.TERMINATED)] == ids[2:]
        assert clear_index(line) == 0
        server.terminate(server.start(name, {}), "the test is over")


def test_no_server_has_nothing_to_clear(settings: Settings) -> None:
    """Where no server ever ran nothing is made."""
    assert clear_index(settings) == 0
    assert not settings.paths.stack.exists()


def test_a_foreign_file_is_named(settings: Settings) -> None:
    """What is no database of the server gives an error that names it."""
    file: Path = settings.paths.stack / "conductor" / "conductor.sqlite"
    file.parent.mkdir(parents=True)
    file.write_text("not a database")
    with pytest.raises(StorageError, match=r"conductor\.sqlite was not cleared"):
        clear_index(settings)
