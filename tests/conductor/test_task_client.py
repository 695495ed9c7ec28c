"""What a worker says to the server, on a real Conductor."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from k1nb.conductor import PolledTask, ResultStatus, TaskClient, TaskResult
from k1nb.errors import ConductorNotFound, ConductorRefused, ConductorUnreachable
from k1nb.timings import Timings
from tests.workers.scratch import Scratch, answering, unique

pytestmark = pytest.mark.anyio

WORKER = "bench"


@pytest.fixture
def anyio_backend() -> str:
    """The event loop that the client runs on."""
    return "asyncio"


@pytest.fixture
async def scratch(conductor_url: str) -> AsyncIterator[Scratch]:
    """The test's own client of the session's Conductor."""
    client = Scratch(conductor_url)
    yield client
    await client.close()


@pytest.fixture
async def client(conductor_url: str) -> AsyncIterator[TaskClient]:
    """The client under test."""
    async with TaskClient(conductor_url, Timings()) as opened:
        yield opened


async def _polled(client: TaskClient, scratch: Scratch, **changes: Any) -> PolledTask:
    name = await scratch.define(unique("client"), **changes)
    await scratch.start(name, text="x")
    (task,) = await client.poll(name, worker_id=WORKER, wait=5)
    return task


def _done(task: PolledTask, **facts: Any) -> TaskResult:
    return TaskResult(task, ResultStatus.COMPLETED, WORKER, **facts)


async def test_a_log_line_that_is_no_unicode_is_taken(client: TaskClient, scratch: Scratch) -> None:
    """A text with half a surrogate pair, as from a file's name, goes into the log with a question mark."""
    task = await _polled(client, scratch)
    await client.log(task.id, "caf\udce9")
    assert await scratch.task_log(task.id) == ["caf?"]


async def test_a_poll_brings_the_task(client: TaskClient, scratch: Scratch) -> None:
    """A polled task carries its type, place, input, counts and response timeout."""
    task = await _polled(client, scratch, responseTimeoutSeconds=7)
    assert (task.reference, task.input, task.retry_count, task.poll_count) == ("step0", {"text": "x"}, 0, 1)
    assert (task.type, task.workflow_type, task.response_timeout) == (task.workflow_type, task.type, 7.0)


async def test_an_empty_poll_waits_and_brings_nothing(client: TaskClient) -> None:
    """With nothing queued the server holds the poll for the wait and answers with no task."""
    before = time.monotonic()
    assert await client.poll(unique("empty"), worker_id=WORKER, wait=0.5) == []
    assert time.monotonic() - before >= 0.4


async def test_a_wait_above_the_server_s_limit_is_cut_to_it(client: TaskClient, scratch: Scratch) -> None:
    """The server refuses waits above 5 s, so a longer one is not asked for."""
    name = await scratch.define(unique("patient"))
    await scratch.start(name, text="x")
    assert len(await client.poll(name, worker_id=WORKER, wait=60)) == 1


async def test_an_update_brings_the_next_task_of_the_type(client: TaskClient, scratch: Scratch) -> None:
    """A result is answered with the next waiting task, or with nothing where that is not wanted."""
    name = await scratch.define(unique("next"))
    executions = [await scratch.start(name, text=str(n)) for n in range(3)]
    (first,) = await client.poll(name, worker_id=WORKER, wait=5)
    second = await client.update(_done(first, output={"n": 1}))
    assert second is not None
    assert await client.update(_done(second), take_next=False) is None
    (third,) = await client.poll(name, worker_id=WORKER, wait=5)
    assert await client.update(_done(third)) is None
    assert {first.execution_id, second.execution_id, third.execution_id} == set(executions)
    assert (await scratch.tasks(first.execution_id))[0]["outputData"] == {"n": 1}


async def test_a_result_sent_twice_counts_once(client: TaskClient, scratch: Scratch) -> None:
    """A result may be repeated when its answer was lost: the server keeps the first."""
    task = await _polled(client, scratch)
    await client.update(_done(task, output={"n": 1}))
    await client.update(_done(task, output={"n": 2}))
    assert (await scratch.tasks(task.execution_id))[0]["outputData"] == {"n": 1}


async def test_a_heartbeat_extends_the_response_timeout(client: TaskClient, scratch: Scratch) -> None:
    """Without a heartbeat the server times the task out; with heartbeats it stays, handed out once."""
    silent, kept = [await _polled(client, scratch, responseTimeoutSeconds=2) for _ in range(2)]
    for _ in range(6):
        await asyncio.sleep(0.5)
        assert await client.heartbeat(kept)
    for task in (silent, kept):
        await scratch.decide(task.execution_id)
    states = [(await scratch.tasks(task.execution_id))[0] for task in (silent, kept)]
    assert [s["status"] for s in states] == ["TIMED_OUT", "IN_PROGRESS"]
    assert states[1]["pollCount"] == 1
    assert not await client.heartbeat(silent)


async def test_an_in_progress_report_gives_the_task_back(client: TaskClient, scratch: Scratch) -> None:
    """An IN_PROGRESS report is no heartbeat: the task is queued again at once, its retries unspent."""
    task = await _polled(client, scratch)
    await client.update(TaskResult(task, ResultStatus.IN_PROGRESS, WORKER, log="given back"), take_next=False)
    (again,) = await client.poll(task.type, worker_id="other", wait=5)
    assert (again.id, again.retry_count, again.poll_count) == (task.id, 0, 2)
    assert await scratch.task_log(task.id) == ["given back"]


async def test_a_heartbeat_tells_of_a_terminated_execution(client: TaskClient, scratch: Scratch) -> None:
    """After its execution was terminated, a task's heartbeat says that nobody waits for it."""
    task = await _polled(client, scratch)
    assert await client.heartbeat(task)
    await scratch.terminate(task.execution_id)
    assert not await client.heartbeat(task)
    assert await client.update(_done(task)) is None
    assert (await scratch.tasks(task.execution_id))[0]["status"] == "CANCELED"


async def test_a_task_that_is_gone_is_not_found(client: TaskClient, scratch: Scratch) -> None:
    """A task of a removed execution has no heartbeat, and its result raises ConductorNotFound."""
    task = await _polled(client, scratch)
    await scratch.terminate(task.execution_id)
    await scratch.remove(task.execution_id)
    assert not await client.heartbeat(task)
    with pytest.raises(ConductorNotFound, match="No such"):
        await client.update(_done(task))


async def test_a_reason_is_cut_visibly(client: TaskClient, scratch: Scratch) -> None:
    """The server keeps 500 characters of a reason; what is cut ends in an ellipsis."""
    task = await _polled(client, scratch)
    await client.update(TaskResult(task, ResultStatus.FAILED, WORKER, reason="r" * 600))
    kept = (await scratch.tasks(task.execution_id))[0]["reasonForIncompletion"]
    assert (len(kept), kept[-2:]) == (500, "r…")


async def test_log_lines_arrive_as_they_are(client: TaskClient, scratch: Scratch) -> None:
    """A task's log keeps quotes, line ends and umlauts, and an empty text is left out."""
    task = await _polled(client, scratch)
    await client.log(task.id, 'a "b"\nü')
    await client.log(task.id, "")
    assert await scratch.task_log(task.id) == ['a "b"\nü']


async def test_no_server_is_unreachable() -> None:
    """Where nothing listens, the error names the server and says what to do."""
    async with TaskClient("http://127.0.0.1:9/api", Timings()) as client:
        with pytest.raises(ConductorUnreachable, match=r"127\.0\.0\.1:9") as caught:
            await client.poll("any", worker_id=WORKER, wait=0.1)
    assert caught.value.hint


NONSENSE = [b"<html>hello</html>", b'{"tasks": 1}', b'[{"name": "no task"}]', b"[1]", b"null", b"\xff", b"[" * 100_000]


@pytest.mark.parametrize("answer", NONSENSE)
async def test_an_answer_that_is_not_conductor_s_is_refused(answer: bytes) -> None:
    """Another program on the server's port is told from a server without tasks."""
    async with answering(answer) as (url, _), TaskClient(url, Timings()) as client:
        with pytest.raises(ConductorRefused, match="not Conductor's"):
            await client.poll("any", worker_id=WORKER, wait=0.1)


async def test_a_refusal_carries_the_server_s_words() -> None:
    """An error answer to a poll is a refusal with status and words, a missing route included."""
    async with answering(b'{"message": "no"}', 404) as (url, _), TaskClient(url, Timings()) as client:
        with pytest.raises(ConductorRefused, match=r"\(404\): no") as caught:
            await client.poll("any", worker_id=WORKER, wait=0.1)
    assert not isinstance(caught.value, ConductorNotFound)
