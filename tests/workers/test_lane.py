"""What one task type does when the way to the server fails: a proxy with faults before a real Conductor."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs

from k1nb.conductor import ResultStatus, TaskClient, TaskResult
from k1nb.workers import TaskContext, TaskFunction, TerminalFailure, WorkerHost, task
from k1nb.workers._attempt import Attempts
from k1nb.workers._metrics import Metrics
from tests.workers.scratch import Scratch, answering, hosting, settings_for, unique, until
from tests.workers.test_host import Given, Made

pytestmark = pytest.mark.anyio

LOSE_REQUEST, LOSE_ANSWER = "lose request", "lose answer"


class Proxy:
    """Passes requests on, one per connection; each update of a task meets the next fault, if one is left.

    A fault is a status to answer with, or the loss of the request or of its answer.
    """

    def __init__(self, upstream: str, *faults: str | int) -> None:
        self._host, self._port = urlsplit(upstream).hostname, urlsplit(upstream).port
        self.faults = list(faults)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            lines = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
            body = await reader.readexactly(int(lines.get(b"content-length", 0)))
            fault = self.faults.pop(0) if self.faults and _reports(head, body) else ""
            writer.write(await self._answer(fault, head.replace(b"keep-alive", b"close") + body))
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client ended first
        finally:
            writer.close()

    async def _answer(self, fault: str | int, request: bytes) -> bytes:
        if isinstance(fault, int):
            return f"HTTP/1.1 {fault} Fault\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
        if fault == LOSE_REQUEST:
            return b""
        reader, writer = await asyncio.open_connection(self._host, self._port)
        writer.write(request)
        answer = await reader.read(-1)
        writer.close()
        return b"" if fault == LOSE_ANSWER else answer


AnyProxy = TypeVar("AnyProxy", bound=Proxy)


def _reports(head: bytes, body: bytes) -> bool:
    """Tell whether a request reports a result; a heartbeat goes the same way."""
    return head.startswith((b"POST /api/tasks ", b"POST /api/tasks/update-v2 ")) and b"extendLease" not in body


def proxied(url: str, *faults: str | int) -> AbstractAsyncContextManager[tuple[str, Proxy]]:
    """Run a proxy with faults before the server at `url`; gives its own address and itself."""
    return serving(Proxy(url, *faults))


@asynccontextmanager
async def serving(proxy: AnyProxy) -> AsyncIterator[tuple[str, AnyProxy]]:
    """Run a proxy; yields its own address and itself."""
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/api", proxy


def counting(name: str, runs: list[str], error: Exception | None = None) -> TaskFunction[Given, Made]:
    """Return a task function that notes its runs."""

    @task(name)
    async def note(given: Given, context: TaskContext) -> Made:
        runs.append(context.task.id)
        if error is not None:
            raise error
        return Made(text=given.text)

    return note


@pytest.mark.parametrize("fault", [LOSE_REQUEST, LOSE_ANSWER, 503, 429])
async def test_a_result_is_sent_until_it_is_heard(
    scratch: Scratch, conductor_url: str, tmp_path: Path, fault: str | int
) -> None:
    """A finished result survives lost requests, lost answers and a server that is not ready; the task runs once."""
    name, runs = await scratch.define(unique("stubborn"), retryCount=3), list[str]()
    with capture_logs() as lines:
        async with proxied(conductor_url, fault, fault) as (url, proxy):
            settings = settings_for(url, tmp_path, timings_scale=0.2)
            async with hosting(settings, counting(name, runs)):
                execution = await scratch.ended(await scratch.start(name, text="x"))
    (only,) = execution["tasks"]
    assert (execution["status"], only["outputData"], len(runs)) == ("COMPLETED", {"text": "x"}, 1)
    assert fault == LOSE_ANSWER or not proxy.faults
    assert [line["event"] for line in lines].count("conductor lost") >= 1


async def test_a_refused_output_becomes_a_terminal_failure(
    scratch: Scratch, conductor_url: str, tmp_path: Path
) -> None:
    """Where a result itself is refused, its task fails for good in the refuser's words instead of hanging."""
    name, runs = await scratch.define(unique("refused"), retryCount=3), list[str]()
    async with (
        proxied(conductor_url, 413) as (url, _),
        hosting(settings_for(url, tmp_path, timings_scale=0.2), counting(name, runs)),
    ):
        execution = await scratch.ended(await scratch.start(name, text="x"))
    (only,) = execution["tasks"]
    assert (only["status"], len(runs)) == ("FAILED_WITH_TERMINAL_ERROR", 1)
    assert "(413)" in only["reasonForIncompletion"]


async def test_a_refused_log_becomes_a_terminal_failure(scratch: Scratch, conductor_url: str, tmp_path: Path) -> None:
    """Where only the log of a failure is large, it is left out like an output, and the task ends."""
    name, runs = await scratch.define(unique("wordy")), list[str]()
    async with (
        proxied(conductor_url, 413) as (url, _),
        hosting(settings_for(url, tmp_path, timings_scale=0.2), counting(name, runs, TerminalFailure("x" * 5_000))),
    ):
        execution = await scratch.ended(await scratch.start(name, text="x"))
    (only,) = execution["tasks"]
    assert (only["status"], len(runs)) == ("FAILED_WITH_TERMINAL_ERROR", 1)
    assert "(413)" in only["reasonForIncompletion"]


async def test_a_reason_that_is_no_unicode_reaches_the_server(
    scratch: Scratch, conductor_url: str, tmp_path: Path
) -> None:
    """A failure that names a file whose name is not UTF-8 is reported like any other."""
    name, error = await scratch.define(unique("cafe")), FileNotFoundError(os.fsdecode(b"caf\xe9"))
    async with hosting(settings_for(conductor_url, tmp_path, timings_scale=0.2), counting(name, [], error)):
        execution = await scratch.ended(await scratch.start(name, text="x"))
    assert execution["tasks"][0]["reasonForIncompletion"] == "FileNotFoundError: caf?"


async def test_a_result_that_cannot_be_sent_fails_its_task(
    scratch: Scratch, conductor_url: str, tmp_path: Path
) -> None:
    """A result that no request can carry ends its task with the reason, instead of leaving it to its time-out."""
    name, settings = await scratch.define(unique("unsent")), settings_for(conductor_url, tmp_path)
    execution_id = await scratch.start(name, text="x")
    function = counting(name, [])
    async with TaskClient.from_settings(settings) as client:
        stopped = asyncio.create_task(asyncio.sleep(600, 0.0))
        shared = WorkerHost(settings, [function])._share(client, Metrics([name]), stopped)
        (polled,) = await client.poll(name, worker_id=shared.worker_id, wait=5)
        odd = TaskResult(polled, ResultStatus.COMPLETED, shared.worker_id, {"text": object()})
        with capture_logs() as lines:
            assert await Attempts(function, shared).deliver(odd, take_next=True) is None
        stopped.cancel()
    (only,) = (await scratch.ended(execution_id))["tasks"]
    assert (only["status"], [line["event"] for line in lines]) == ("FAILED", ["a result cannot be sent"])
    assert "not JSON serializable" in only["reasonForIncompletion"]


async def test_a_result_refused_for_good_is_dropped(scratch: Scratch, conductor_url: str, tmp_path: Path) -> None:
    """A result that has nothing left to leave out is given up with an error in the log, and the host serves on."""
    name = await scratch.define(unique("given_up"))
    runs, error = list[str](), TerminalFailure("no")
    with capture_logs() as lines:
        async with (
            proxied(conductor_url, 400) as (url, _),
            hosting(settings_for(url, tmp_path, timings_scale=0.2), counting(name, runs, error)),
        ):
            first = await scratch.start(name, text="x")
            await scratch.ended(await scratch.start(name, text="y"))
    (only,) = await scratch.tasks(first)
    assert only["status"] == "IN_PROGRESS"
    assert [line["event"] for line in lines if line["log_level"] == "error"] == ["the server refuses a result"]


async def test_a_result_nobody_waits_for_is_forgotten(scratch: Scratch, conductor_url: str, tmp_path: Path) -> None:
    """While a result cannot be delivered, the end of its execution ends the tries."""
    name, runs = await scratch.define(unique("forgotten")), list[str]()
    async with (
        proxied(conductor_url, *[500] * 1000) as (url, proxy),
        hosting(settings_for(url, tmp_path, timings_scale=0.2), counting(name, runs)),
    ):
        execution_id = await scratch.start(name, text="x")
        while len(proxy.faults) > 998:  # noqa: ASYNC110 - the proxy has no events
            await asyncio.sleep(0.05)
        await scratch.terminate(execution_id)
    assert (await scratch.tasks(execution_id))[0]["status"] == "CANCELED"
    assert len(proxy.faults) > 900


class SlowPolls(Proxy):
    """A proxy that keeps the answer of a poll that brings a task until it is released."""

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        self.brought, self.released = asyncio.Event(), asyncio.Event()

    async def _answer(self, fault: str | int, request: bytes) -> bytes:
        answer = await super()._answer(fault, request)
        if b"/tasks/poll/batch/" in request and b"taskId" in answer:
            self.brought.set()
            await self.released.wait()
        return answer


async def test_a_task_that_arrives_while_stopping_is_not_lost(
    scratch: Scratch, conductor_url: str, tmp_path: Path
) -> None:
    """What a poll still brings after a stop goes back into the queue, not into a dead process."""
    name, runs = await scratch.define(unique("arriving")), list[str]()
    with capture_logs() as lines:
        async with serving(SlowPolls(conductor_url)) as (url, proxy):
            settings = settings_for(url, tmp_path, timings_scale=0.5)
            async with hosting(settings, counting(name, runs)) as stop:
                execution_id = await scratch.start(name, text="x")
                await proxy.brought.wait()
                stop.set()
                proxy.released.set()
    (only,) = await scratch.tasks(execution_id)
    assert (only["status"], runs) == ("SCHEDULED", [])
    assert any(line["event"] == "task handed back" for line in lines)


async def test_a_server_that_fails_is_asked_ever_less_often(tmp_path: Path) -> None:
    """A server whose answers are none, as of one whose database fails, is asked ever less often, and polled once."""
    async with answering(b"[]") as (url, seen), hosting(settings_for(url, tmp_path), counting("hasty", [])):
        await asyncio.sleep(1)
    looks = [line for line in seen if "/tasks/queue/all" in line]
    assert (1 <= len(looks) <= 4, sum("/tasks/poll/batch/hasty" in line for line in seen)) == (True, 1)


class Swallowing(Proxy):
    """Loses the first answers that bring a task: those of polls, or those of results that ask for the next task."""

    def __init__(self, upstream: str, route: bytes, count: int) -> None:
        super().__init__(upstream)
        self._route = route
        self.left = count

    async def _answer(self, fault: str | int, request: bytes) -> bytes:
        answer = await super()._answer(fault, request)
        if self.left and self._route in request.split(b"\r\n", 1)[0] and b'"taskId"' in answer:
            self.left -= 1
            return b""
        return answer


@pytest.mark.parametrize("route", [b"/tasks/poll/", b"/tasks/update-v2"])
async def test_a_task_whose_answer_was_lost_goes_on_at_once(
    scratch: Scratch, conductor_url: str, tmp_path: Path, route: bytes
) -> None:
    """A task that an answer would have brought is handed back and run once, long before its response timeout."""
    name, runs = await scratch.define(unique("swallowed"), responseTimeoutSeconds=600), list[str]()
    ids = [await scratch.start(name, text="x") for _ in range(8)]
    async with serving(Swallowing(conductor_url, route, 1)) as (url, proxy):
        settings = settings_for(url, tmp_path, timings_scale=0.2)
        async with hosting(settings, counting(name, runs)):
            ended = [await scratch.ended(one) for one in ids]
            assert proxy.left == 0
    assert {execution["status"] for execution in ended} == {"COMPLETED"}
    assert sorted(runs) == sorted(task["taskId"] for execution in ended for task in execution["tasks"])
    logs = [await scratch.task_log(one) for one in runs]
    assert any("which the answer to its poll did not reach" in line for log in logs for line in log)


async def test_what_is_in_hand_is_not_taken_for_lost(scratch: Scratch, conductor_url: str, tmp_path: Path) -> None:
    """While a lost task is looked for, one that runs meanwhile is left alone."""
    name, gate, runs = await scratch.define(unique("held")), asyncio.Event(), list[str]()

    @task(name, concurrency=4)
    async def wait(given: Given, context: TaskContext) -> Made:
        runs.append(context.task.id)
        await gate.wait()
        return Made(text=given.text)

    async def begun(count: int) -> bool:
        return len(runs) >= count

    held = await scratch.start(name, text="held")
    async with (
        serving(Swallowing(conductor_url, b"/tasks/poll/", 0)) as (url, proxy),
        hosting(settings_for(url, tmp_path, timings_scale=0.2), wait),
    ):
        await until(partial(begun, 1))
        proxy.left = 1
        lost = await scratch.start(name, text="lost")
        await until(partial(begun, 2))
        gate.set()
        executions = [await scratch.ended(one) for one in (held, lost)]
    assert [execution["status"] for execution in executions] == ["COMPLETED", "COMPLETED"]
    assert (len(runs), executions[0]["tasks"][0]["pollCount"], executions[1]["tasks"][0]["pollCount"]) == (2, 1, 2)
