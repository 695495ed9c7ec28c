"""The task function that runs notebooks: real children, each of which leaves its record."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from typing import Any

import psutil
import pytest
from pydantic import SecretStr, ValidationError

from k1nb.conductor import PolledTask, TaskClient
from k1nb.config import Settings
from k1nb.errors import ParameterError, UnknownName
from k1nb.records import Archive, Record, find_run
from k1nb.workers import TaskContext
from k1nb.workers._effects import Effects
from k1nb.workers._metrics import Metrics
from k1nb.workers.runbook import RunbookIn, RunbookOut, run_runbook
from tests.workers.scratch import until

NOTEBOOK = "prerequisites"
TASK = PolledTask("a", "run_runbook", "e", "run_runbook", {}, 0, 1, 60.0, "runbook")
RETRY = replace(TASK, id="b", retry_count=1, retried_id="a")


async def attempt(settings: Settings, task: PolledTask, **words: Any) -> RunbookOut:
    """Run the function as one attempt at its task."""
    async with TaskClient.from_settings(settings) as client:
        context = TaskContext(settings, task, client, Effects(settings.paths), Metrics(["x"]))
        return await run_runbook(RunbookIn(**{"notebook": NOTEBOOK, **words}), context)


def attempted(settings: Settings, task: PolledTask = TASK, **words: Any) -> RunbookOut:
    """Do the same from outside an event loop."""
    return asyncio.run(attempt(settings, task, **words))


def runs(settings: Settings, before: str = "") -> list[Record]:
    """Return the runs that there are, one excepted."""
    return [record for record in Archive(settings.paths).list() if record.id != before]


async def _staged(settings: Settings, before: str = "") -> Record:
    """Wait until a run has begun and return it."""

    async def there() -> bool:
        return bool(await asyncio.to_thread(runs, settings, before))

    await until(there)
    (record,) = runs(settings, before)
    return record


def test_a_task_has_one_run_however_often_it_is_attempted(settings: Settings) -> None:
    """While a run lives the next attempt waits for it and tells its verdict, and so does every later one.

    A restart has a run of its own; cancelled, that is INTERRUPTED by the signal, and nothing of it runs on.
    """

    async def doubled() -> tuple[RunbookOut, RunbookOut]:
        first = asyncio.create_task(attempt(settings, TASK, parameters={"strict": False}))
        await _staged(settings)
        second = asyncio.create_task(attempt(settings, RETRY, strict=True))
        return await first, await second

    first, second = asyncio.run(doubled())
    record = Archive(settings.paths).get(first.run)
    assert (first.verdict, first.notebook, first.tally) == (record.verdict, NOTEBOOK, second.tally)
    assert (first.exit_code, second.exit_code) == (0 if first.passes else 1, None)
    assert (first.passes, second.passes) == (record.passes, first.verdict == "OK")
    assert first.folder == str(record.folder)
    assert record.parameters["strict"] is False
    assert any(record.id in line for line in first.details)
    assert first.head_number == (record.manifest.seal.number if record.manifest.seal else None)
    later = replace(RETRY, id="d", retried_id="b"), replace(TASK, poll_count=2)
    assert {attempted(settings, task).run for task in later} == {second.run} == {first.run}
    _restarted(settings, first.run)


def _restarted(settings: Settings, before: str) -> None:
    async def cancelled() -> Record:
        work = asyncio.create_task(attempt(settings, replace(TASK, id="c")))
        record = await _staged(settings, before)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        return record

    begun = asyncio.run(cancelled())
    assert begun.manifest.process is not None
    assert not psutil.pid_exists(begun.manifest.process.pid)
    record = find_run(settings, begun.id)
    assert record is not None
    assert (record.verdict, record.running) == ("INTERRUPTED", False)
    assert "stopped by SIGTERM" in record.reason


def test_a_killed_run_is_interrupted_and_resumed_by_the_next_attempt(settings: Settings) -> None:
    """kill -9 of the child leaves an INTERRUPTED record that is told, never a pass; the next attempt resumes it."""

    async def killed() -> RunbookOut:
        work = asyncio.create_task(attempt(settings, TASK))
        record = await _staged(settings)
        assert record.manifest.process is not None
        os.kill(record.manifest.process.pid, signal.SIGKILL)
        return await work

    lost = asyncio.run(killed())
    assert (lost.verdict, lost.passes, lost.exit_code) == ("INTERRUPTED", False, -signal.SIGKILL)
    assert lost.folder.endswith(f"records/{lost.run}")
    again = attempted(settings, RETRY)
    assert again.run != lost.run
    assert again.verdict != "INTERRUPTED"
    resumed = find_run(settings, again.run)
    assert resumed is not None
    assert resumed.manifest.resumes == lost.run
    first = find_run(settings, lost.run)
    assert first is not None
    assert again.began_at == lost.began_at == first.started_at.isoformat(timespec="seconds")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ({"notebook": "/etc/passwd"}, UnknownName),
        ({"notebook": "../prerequisites.ipynb"}, UnknownName),
        ({"notebook": "definitions", "parameters": {"apply": "plan-0123456789ab"}}, ParameterError),
        ({"parameters": {"strct": True}}, ParameterError),
        ({"parameters": {"strict": "perhaps"}}, ParameterError),
        ({"notebook": "definitions", "parameters": {"folder": "/x/hunter2-hunter2"}}, ParameterError),
        ({"parameters": {"strict": None}}, ValidationError),
        ({"parameters": {"strict": [True]}}, ValidationError),
    ],
)
def test_what_may_not_be_run_is_refused_for_good(
    settings: Settings, words: dict[str, Any], error: type[Exception]
) -> None:
    """No file of somebody's choice, no consent, no secret and no parameter that the notebook has not; no record."""
    careful = settings.model_copy(update={"ota_password": SecretStr("hunter2-hunter2")})
    with pytest.raises(error):
        attempted(careful, **words)
    assert runs(settings) == []
