"""The Conductor routes that we use, typed; task routes for workers are in `_task_client`."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from k1nb._http import options, words
from k1nb.conductor._auth import auth as auth_of
from k1nb.conductor._executions import Execution, ExecutionStatus, moment
from k1nb.config import Settings
from k1nb.errors import ConductorNotFound, ConductorRefused, ConductorUnreachable, UsageError
from k1nb.timings import Timings

_UNSEARCHABLE = re.compile(r"""["'(),*\\]|\sAND\s""")
"""What the search language of one index or the other cannot have inside a quoted value."""


@dataclass(frozen=True, slots=True)
class PollData:
    """When a worker last asked for tasks of a type."""

    task_type: str
    worker_id: str
    domain: str | None
    last_poll: datetime | None


class Conductor:
    """Synchronous client of one server; use it as a context manager, or close it.

    Every method raises ConductorUnreachable where no answer came, ConductorNotFound for what is not there and
    ConductorRefused, in the server's own words, for any other error answer.
    """

    def __init__(self, url: str, timings: Timings, auth: httpx.Auth | None = None, *, owner: str = "") -> None:
        self.url = url
        self._timings = timings
        self._owner = owner
        self._http = httpx.Client(**options(timings.conductor_request, url), auth=auth)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return a client of the configured server."""
        return cls(settings.conductor_server_url, settings.timings, auth_of(settings), owner=settings.owner_email)

    def __repr__(self) -> str:
        """Name the server, and nothing that authenticates."""
        return f"Conductor({self.url!r})"

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection."""
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    def healthy(self) -> bool:
        """Tell whether the server calls itself healthy; that proves only that HTTP answers."""
        return bool(self._object("/health").get("healthy"))

    def start(
        self,
        name: str,
        input: Mapping[str, Any],  # noqa: A002 - Conductor's own word
        *,
        version: int | None = None,
        correlation_id: str | None = None,
    ) -> str:
        """Start an execution, of the newest version unless one is given, and return its id."""
        body = {"name": name, "version": version, "input": dict(input), "correlationId": correlation_id}
        return self._send("POST", "/workflow", json={**body, "createdBy": self._owner}).text.strip()

    def execution(self, execution_id: str, tasks: bool = True) -> Execution:
        """Return one execution."""
        return self._read([self._object(f"/workflow/{_segment(execution_id)}", includeTasks=_flag(tasks))])[0]

    def children(self, execution: Execution) -> list[Execution]:
        """Return the executions of an execution's sub-workflows, however deep, with their tasks."""
        found: list[Execution] = []
        waiting = [execution]
        while waiting:
            children = [self.execution(task.child_id) for task in waiting.pop().tasks if task.child_id]
            found += children
            waiting += children
        return found

    def correlated(self, name: str, correlation_id: str, closed: bool = True) -> list[Execution]:
        """Return the executions of a workflow started for one intent, without tasks, newest first."""
        # The route with the id in its path cannot carry a slash.
        response = self._send(
            "POST",
            f"/workflow/{_segment(name)}/correlated",
            json=[correlation_id],
            params={"includeClosed": _flag(closed), "includeTasks": "false"},
        )
        answer = _json(response)
        if not isinstance(answer, dict):
            raise _foreign(response)
        return self._read(answer.get(correlation_id) or [])

    def running(self, name: str, correlation_id: str) -> str | None:
        """Return the id of the newest execution of a workflow that works for one intent now; None without one."""
        started = self.correlated(name, correlation_id, closed=False)
        return next((execution.id for execution in started if not execution.status.terminal), None)

    def find(
        self,
        *,
        status: ExecutionStatus | Collection[ExecutionStatus] | None = None,
        name: str | None = None,
        since: datetime | None = None,
        text: str = "",
        size: int = 100,
    ) -> list[Execution]:
        """Return up to `size` executions, without tasks, newest first; search lags behind what has just happened.

        `since` bounds the start; `text` is looked for in names, inputs and outputs. Raises UsageError for a name
        that the search language cannot express.
        """
        query = {
            "query": _query(status, name, since),
            "freeText": text or "*",
            "sort": "startTime:DESC",
            "size": str(size),
        }
        return self._read(self._object("/workflow/search-v2", **query).get("results") or [])

    def follow(self, execution_id: str, *, timings: Timings | None = None) -> Iterator[Execution]:
        """Yield an execution now and whenever it has changed, until it is terminal.

        A server that restarts meanwhile is waited for, as long as `conductor_ready` allows; then
        ConductorUnreachable is raised.
        """
        timings = timings or self._timings
        seen: tuple[object, ...] | None = None
        answered = time.monotonic()
        while True:
            try:
                execution = self.execution(execution_id)
                answered = time.monotonic()
            except ConductorUnreachable:
                if time.monotonic() - answered > timings.conductor_ready:
                    raise
            else:
                if execution.state != seen:
                    seen = execution.state
                    yield execution
                if execution.status.terminal:
                    return
            time.sleep(timings.follow)

    def wait(
        self,
        execution_id: str,
        *,
        timings: Timings | None = None,
        on_change: Callable[[Execution], None] | None = None,
    ) -> Execution:
        """Follow an execution and return it at its end; `on_change` is told of each change. Raises as `follow` does."""
        for execution in self.follow(execution_id, timings=timings):
            if on_change is not None:
                on_change(execution)
        return execution

    def terminate(self, execution_id: str, reason: str) -> None:
        """End an execution as TERMINATED; its failure workflow does not run."""
        self._send("DELETE", f"/workflow/{_segment(execution_id)}", params={"reason": reason})

    def retry(self, execution_id: str) -> None:
        """Continue a failed execution from its failed task, inside its children where they failed."""
        self._send(
            "POST", f"/workflow/{_segment(execution_id)}/retry", params={"resumeSubworkflowTasks": _flag(on=True)}
        )

    def decide(self, execution_id: str) -> None:
        """Let the server look at an execution that it has forgotten."""
        self._send("PUT", f"/workflow/decide/{_segment(execution_id)}")

    def task_definitions(self) -> list[dict[str, Any]]:
        """Return every task definition on the server."""
        return self._objects("/metadata/taskdefs")

    def workflow_definitions(self) -> list[dict[str, Any]]:
        """Return every version of every workflow definition on the server."""
        return self._objects("/metadata/workflow")

    def put_task_definitions(self, definitions: Iterable[Mapping[str, Any]]) -> None:
        """Register task definitions, all or none; those that are there are replaced."""
        self._send("POST", "/metadata/taskdefs", json=[dict(definition) for definition in definitions])

    def put_workflow_definition(self, definition: Mapping[str, Any], *, overwrite: bool = True) -> None:
        """Register one workflow definition; without `overwrite` one that is there is refused."""
        self._send("POST", "/metadata/workflow", json=dict(definition), params={"overwrite": _flag(overwrite)})

    def queue_sizes(self) -> dict[str, int]:
        """Return how many tasks wait in each queue; the name is the task type, with `domain:` before it if any."""
        return {name: int(size) for name, size in self._object("/tasks/queue/all").items()}

    def poll_data(self) -> list[PollData]:
        """Return when each worker last asked for each task type."""
        return [
            PollData(
                task_type=str(item["queueName"]),
                worker_id=item.get("workerId") or "",
                domain=item.get("domain"),
                last_poll=moment(item.get("lastPollTime")),
            )
            for item in self._objects("/tasks/queue/polldata/all")
        ]

    def ask(self, route: str, **params: str) -> dict[str, Any]:
        """Return the JSON object that a GET of a route answers; for the other modules of this room."""
        return self._object(route, **params)

    def _object(self, route: str, **params: str) -> dict[str, Any]:
        response = self._send("GET", route, params=params)
        answer = _json(response)
        if not isinstance(answer, dict):
            raise _foreign(response)
        return answer

    def _objects(self, route: str, **params: str) -> list[dict[str, Any]]:
        response = self._send("GET", route, params=params)
        answer = _json(response)
        if not isinstance(answer, list) or not all(isinstance(item, dict) for item in answer):
            raise _foreign(response)
        return answer

    def _read(self, items: Iterable[Mapping[str, Any]]) -> list[Execution]:
        """Return executions newest first."""
        try:
            executions = [Execution.from_json(item) for item in items]
        except (KeyError, TypeError, ValueError) as error:
            raise ConductorRefused(
                f"{self.url} gave something that is no execution: {type(error).__name__} {error}",
                status=200,
                hint="see `k1nb logs conductor`",
            ) from error
        return sorted(executions, key=lambda e: e.started_at.timestamp() if e.started_at else 0.0, reverse=True)

    def _send(self, method: str, route: str, **arguments: Any) -> httpx.Response:
        try:
            response = self._http.request(method, route, **arguments)
        except httpx.TransportError as error:
            raise ConductorUnreachable(
                f"Conductor does not answer at {self.url}: {error or type(error).__name__}",
                hint="see `k1nb status`; start it with `k1nb up conductor`",
            ) from error
        if response.is_success:
            return response
        said = f"Conductor refused {method} {response.url.path}: {words(response)}"
        if response.status_code == httpx.codes.NOT_FOUND:
            hint = "check the id or name; `k1nb definitions apply` registers what is shipped"
            raise ConductorNotFound(said, status=404, hint=hint)
        hint = "see what the server says, and correct the request"
        raise ConductorRefused(said, status=response.status_code, hint=hint)


def _foreign(response: httpx.Response) -> ConductorRefused:
    return ConductorRefused(
        f"{response.url} answered {response.status_code} with something that is not Conductor's: {words(response)}",
        status=response.status_code,
        hint="CONDUCTOR_SERVER_URL must be the API's address, which ends in /api",
    )


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        raise _foreign(response) from None


def _segment(text: str) -> str:
    return quote(text, safe="")


def _flag(on: bool) -> str:
    return "true" if on else "false"


def _query(
    status: ExecutionStatus | Collection[ExecutionStatus] | None, name: str | None, since: datetime | None
) -> str:
    """Return a search expression; values are quoted, which Elasticsearch needs and SQLite allows."""
    parts = []
    if status:
        values = [status] if isinstance(status, ExecutionStatus) else list(status)
        parts.append(f"status IN ({','.join(_quoted(value) for value in values)})")
    if name is not None:
        parts.append(f"workflowType={_quoted(name)}")
    if since is not None:
        parts.append(f"startTime>{int(since.timestamp() * 1000)}")
    return " AND ".join(parts)


def _quoted(value: str) -> str:
    if not value or _UNSEARCHABLE.search(value):
        raise UsageError(f"cannot search for {value!r}", hint="give the whole name, without quotes, commas or *")
    return f'"{value}"'
