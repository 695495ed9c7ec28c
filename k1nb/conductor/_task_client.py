"""What a worker says to the Conductor server: poll, heartbeat, log, update."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import Any, ClassVar, Self

import httpx

from k1nb._http import options, sendable, words
from k1nb.conductor._auth import auth as auth_of
from k1nb.config import Settings
from k1nb.errors import ConductorNotFound, ConductorRefused, ConductorUnreachable
from k1nb.timings import Timings

LONGEST_REASON = 500
"""Characters of `reasonForIncompletion` that the server keeps."""


class ResultStatus(StrEnum):
    """What a worker may report about a task."""

    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    """Tried again as the task definition says."""
    FAILED_WITH_TERMINAL_ERROR = "FAILED_WITH_TERMINAL_ERROR"
    IN_PROGRESS = "IN_PROGRESS"
    """Given back: the server makes the task SCHEDULED and queues it again, its retries unspent."""


@dataclass(frozen=True, slots=True)
class PolledTask:
    """A task as the server handed it to a worker; from then on it is IN_PROGRESS there."""

    id: str
    type: str
    execution_id: str
    reference: str
    input: Mapping[str, Any]
    retry_count: int
    poll_count: int
    response_timeout: float
    """Seconds without a heartbeat after which the server gives the task up; 0 means never."""
    workflow_type: str
    correlation_id: str | None = None
    put_off: int = 0
    """How often it was handed back before it was begun, for others had to be served first."""
    retried_id: str | None = None
    """The task that this one is another attempt at; a rerun and a restart have none."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> PolledTask:
        """Read the server's JSON; raises KeyError or TypeError where it is no task."""
        return cls(
            id=data["taskId"],
            type=data["taskDefName"],
            execution_id=data["workflowInstanceId"],
            reference=data["referenceTaskName"],
            input=data.get("inputData") or {},
            retry_count=data.get("retryCount", 0),
            poll_count=data.get("pollCount", 0),
            response_timeout=float(data.get("responseTimeoutSeconds") or 0),
            workflow_type=data.get("workflowType", ""),
            correlation_id=data.get("correlationId"),
            put_off=times_put_off(data.get("outputData")),
            retried_id=data.get("retriedTaskId"),
        )


_PUT_OFF = "k1nb_put_off"


def times_put_off(output: Any) -> int:
    """Return how often a task was put off, which is kept in its output until it is done."""
    count = output.get(_PUT_OFF) if isinstance(output, Mapping) else 0
    return count if isinstance(count, int) else 0


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What a worker reports about a task it was handed."""

    task: PolledTask
    status: ResultStatus
    worker_id: str
    output: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    """Why it is not completed; cut to what the server keeps."""
    log: str = ""
    """Appended to the task's log."""
    callback_after: int = 0
    """Seconds that a task which is given back stays out of its queue."""

    @classmethod
    def later(cls, task: PolledTask, worker_id: str, seconds: int) -> TaskResult:
        """Return the result that puts a task off."""
        output = {_PUT_OFF: task.put_off + 1}
        return cls(task, ResultStatus.IN_PROGRESS, worker_id, output, callback_after=seconds)

    def as_json(self) -> dict[str, Any]:
        """Return the body of an update."""
        body: dict[str, Any] = {
            "taskId": self.task.id,
            "workflowInstanceId": self.task.execution_id,
            "workerId": self.worker_id,
            "status": self.status.value,
            "outputData": dict(self.output),
        }
        if self.callback_after:
            body["callbackAfterSeconds"] = self.callback_after
        if self.reason:
            body["reasonForIncompletion"] = shorten(self.reason)
        if self.log:
            body["logs"] = [{"taskId": self.task.id, "log": self.log, "createdTime": round(time.time() * 1000)}]
        return body


def shorten(text: str, limit: int = LONGEST_REASON) -> str:
    """Cut a text, visibly, by default to what the server keeps of a reason."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


class TaskClient:
    """Asynchronous client of the server's task routes, for workers; use it as a context manager.

    Every method raises ConductorUnreachable where no answer came and ConductorRefused for an error answer.
    `connections` bounds the sockets; a poll that waits holds one for its whole wait.
    """

    LONGEST_WAIT: ClassVar[float] = 5.0
    """Seconds; the server answers 400 to a poll that wants to wait longer."""

    def __init__(self, url: str, timings: Timings, auth: httpx.Auth | None = None, *, connections: int = 100) -> None:
        self.url = url
        self._timeout = timings.conductor_request
        self._http = httpx.AsyncClient(
            **options(self._timeout, url),
            auth=auth,
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        )

    @classmethod
    def from_settings(cls, settings: Settings, *, connections: int = 100) -> Self:
        """Return a client of the configured server; raises SettingError for half an access key."""
        return cls(settings.conductor_server_url, settings.timings, auth_of(settings), connections=connections)

    async def __aenter__(self) -> Self:
        """Open the client."""
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection."""
        await self._http.__aexit__(kind, error, trace)

    async def queue_sizes(self) -> dict[str, int]:
        """Return how many tasks wait in each queue; those that wait for their time, a next try for one, count as well.

        A queue is named by its task type, with `domain:` before it if there is one. It costs the server one query,
        where a poll that waits costs it ten a second.
        """
        what = "the question what waits"
        response = await self._send(what, "GET", "/tasks/queue/all")
        _check(what, response)
        data = _json(what, response)
        if not isinstance(data, dict) or not all(isinstance(size, int) for size in data.values()):
            raise _nonsense(what, response)
        return data

    async def poll(
        self, task_type: str, *, worker_id: str, domain: str | None = None, count: int = 1, wait: float = 0.0
    ) -> list[PolledTask]:
        """Return up to `count` tasks of a type, waiting up to `wait` seconds (5 at most).

        The server answers when `count` tasks are there or the time is up, so only `count=1` is answered as soon as
        there is one. Never cancel it: a task handed to an abandoned poll comes back only after its response timeout.
        """
        wait = min(wait, self.LONGEST_WAIT)
        params: dict[str, str | int] = {"workerid": worker_id, "count": count, "timeout": round(wait * 1000)}
        if domain is not None:
            params["domain"] = domain
        timeout = httpx.Timeout(self._timeout, read=self._timeout + wait)
        what = f"a poll for {task_type}"
        response = await self._send(what, "GET", f"/tasks/poll/batch/{task_type}", params=params, timeout=timeout)
        if response.is_error:
            raise _refusal(what, response)
        items = _json(what, response)
        if not isinstance(items, list):
            raise _nonsense(what, response)
        return [_task(what, response, item) for item in items]

    async def update(self, result: TaskResult, *, take_next: bool = True) -> PolledTask | None:
        """Report a result; with `take_next`, return the next task of the same type if one is waiting.

        With `take_next` and none waiting the server takes 100 ms longer to answer.
        The server ignores, without saying so, a report about a task that has already ended. Raises
        ConductorNotFound where the execution is gone.
        """
        what = f"the result of {result.task.type} {result.task.id}"
        route = "/tasks/update-v2" if take_next else "/tasks"
        response = await self._send(what, "POST", route, json=result.as_json())
        _check(what, response)
        following = _json(what, response) if take_next and response.content else None
        return _task(what, response, following) if following else None

    async def heartbeat(self, task: PolledTask) -> bool:
        """Start the task's response timeout afresh and return True, or return False where it has ended.

        Ended is a task that was cancelled, timed out or removed with its execution. The server's answer to a
        lease extension is the same for those, so they are asked for. An IN_PROGRESS update is no heartbeat:
        it queues the task for another worker.
        """
        if not await self.running(task):
            return False
        what = f"a heartbeat of {task.type} {task.id}"
        body = {"taskId": task.id, "workflowInstanceId": task.execution_id, "extendLease": True}
        response = await self._send(what, "POST", "/tasks", json=body)
        if response.status_code == httpx.codes.NOT_FOUND:
            return False
        _check(what, response)
        return True

    async def running(self, task: PolledTask) -> bool:
        """Tell whether the server still takes the task and its execution for running.

        Both are asked for: a heartbeat that crosses the end of an execution makes the server write the task back as
        it was, and it would seem to run for ever.
        """
        what = f"the state of {task.type} {task.id}"
        if await self._status(what, f"/tasks/{task.id}") != ResultStatus.IN_PROGRESS:
            return False
        execution = await self._status(what, f"/workflow/{task.execution_id}", includeTasks="false")
        return execution in ("RUNNING", "PAUSED")

    async def _status(self, what: str, route: str, **params: str) -> Any:
        """Return the status of a task or an execution; None where it is gone."""
        response = await self._send(what, "GET", route, params=params)
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        _check(what, response)
        data = _json(what, response)
        if not isinstance(data, dict):
            raise _nonsense(what, response)
        return data.get("status")

    async def log(self, task_id: str, text: str) -> None:
        """Append a text to a task's log; an empty one is left out, for the server refuses it."""
        if not text:
            return
        what = f"a log line of task {task_id}"
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        content = sendable(text).encode()
        _check(what, await self._send(what, "POST", f"/tasks/{task_id}/log", content=content, headers=headers))

    async def _send(self, what: str, method: str, route: str, **arguments: Any) -> httpx.Response:
        try:
            return await self._http.request(method, route, **arguments)
        except httpx.HTTPError as error:
            raise ConductorUnreachable(
                f"Conductor at {self.url} gave no answer to {what}: {error or type(error).__name__}",
                hint="look with `k1nb status`, start it with `k1nb up conductor`",
                reached=not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout),
            ) from error


def _check(what: str, response: httpx.Response) -> None:
    if response.status_code == httpx.codes.NOT_FOUND:
        raise ConductorNotFound(
            f"Conductor does not know {what}: {words(response)}",
            status=response.status_code,
            hint="its execution has ended; see `k1nb executions list`",
        )
    if response.is_error:
        raise _refusal(what, response)


def _refusal(what: str, response: httpx.Response) -> ConductorRefused:
    return ConductorRefused(
        f"Conductor refused {what} ({response.status_code}): {words(response)}",
        status=response.status_code,
        hint="k1nb logs conductor",
    )


def _nonsense(what: str, response: httpx.Response) -> ConductorRefused:
    return ConductorRefused(
        f"the answer to {what} is not Conductor's: {words(response)}",
        status=response.status_code,
        hint=f"check CONDUCTOR_SERVER_URL: {response.url.scheme}://{response.url.netloc.decode()}",
    )


def _json(what: str, response: httpx.Response) -> Any:
    try:
        return response.json()
    except (ValueError, RecursionError):
        raise _nonsense(what, response) from None


def _task(what: str, response: httpx.Response, data: Any) -> PolledTask:
    try:
        return PolledTask.from_json(data)
    except (KeyError, TypeError, AttributeError, ValueError):
        raise _nonsense(what, response) from None
