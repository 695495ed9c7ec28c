"""Definitions and executions of one test on the session's real Conductor server."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from k1nb._http import free_port
from k1nb.config import Settings
from k1nb.workers import TaskFunction, WorkerHost

PATIENCE = 60.0


def unique(name: str) -> str:
    """Return a name that no other test uses."""
    return f"{name}_{uuid.uuid4().hex[:10]}"


def settings_for(url: str, home: Path, **changes: Any) -> Settings:
    """Return settings of a scratch home that talk to the server at `url`."""
    changes.setdefault("metrics_port", free_port())
    return Settings(home=home, cache=home / "cache", conductor_server_url=url, **changes)


async def until(condition: Callable[[], Awaitable[bool]], patience: float = PATIENCE) -> None:
    """Wait until the condition holds."""
    async with asyncio.timeout(patience):
        while not await condition():  # noqa: ASYNC110 - the condition is on the server, which sends no events
            await asyncio.sleep(0.05)


class Scratch:
    """A plain HTTP client of the server, independent of the code under test."""

    def __init__(self, url: str) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=30.0, trust_env=False)

    async def close(self) -> None:
        """Close the client."""
        await self._http.aclose()

    async def define(self, task_type: str, **changes: Any) -> str:
        """Register a task type and a workflow of the same name with that one task; return the name."""
        return await self.define_workflow(task_type, [task_type], **changes)

    async def define_workflow(
        self,
        name: str,
        task_types: Sequence[str],
        *,
        wire: Mapping[str, str] | None = None,
        keys: Mapping[str, str] | None = None,
        **changes: Any,
    ) -> str:
        """Register task types and a workflow that runs them in order.

        `wire` says where a type's text comes from, `keys` what else each type gets.
        """
        common = {"ownerEmail": "dev@k1.reinvented", "timeoutSeconds": 600, "timeoutPolicy": "TIME_OUT_WF"}
        facts = {**common, "retryCount": 0, "retryDelaySeconds": 0, "responseTimeoutSeconds": 60, **changes}
        tasks = [{**facts, "name": task_type} for task_type in task_types]
        steps = [
            {
                "name": t,
                "taskReferenceName": f"step{n}",
                "type": "SIMPLE",
                "inputParameters": {
                    "text": (wire or {}).get(t, "${workflow.input.text}"),
                    **(keys or {}),
                },
            }
            for n, t in enumerate(task_types)
        ]
        (await self._http.post("/metadata/taskdefs", json=tasks)).raise_for_status()
        workflow = {**common, "name": name, "version": 1, "schemaVersion": 2, "tasks": steps}
        (await self._http.post("/metadata/workflow", json=workflow)).raise_for_status()
        return name

    async def start(self, name: str, **given: Any) -> str:
        """Start an execution and return its id."""
        response = await self._http.post("/workflow", json={"name": name, "version": 1, "input": given})
        response.raise_for_status()
        return response.text

    async def start_in(self, domain: str, name: str, **given: Any) -> str:
        """Start an execution whose tasks all go to a domain, and return its id."""
        body = {"name": name, "version": 1, "input": given, "taskToDomain": {"*": domain}}
        response = await self._http.post("/workflow", json=body)
        response.raise_for_status()
        return response.text

    async def execution(self, execution_id: str) -> dict[str, Any]:
        """Return an execution with its tasks."""
        response = await self._http.get(f"/workflow/{execution_id}")
        response.raise_for_status()
        found: dict[str, Any] = response.json()
        return found

    async def tasks(self, execution_id: str) -> list[dict[str, Any]]:
        """Return an execution's tasks."""
        found: list[dict[str, Any]] = (await self.execution(execution_id))["tasks"]
        return found

    async def ended(self, execution_id: str, *, patience: float = PATIENCE) -> dict[str, Any]:
        """Wait until an execution has ended and return it."""

        async def over() -> bool:
            return (await self.execution(execution_id))["status"] not in ("RUNNING", "PAUSED")

        await until(over, patience)
        return await self.execution(execution_id)

    async def decide(self, execution_id: str) -> None:
        """Let the server judge an execution's time-outs now instead of at its next sweep."""
        (await self._http.put(f"/workflow/decide/{execution_id}")).raise_for_status()

    async def terminate(self, execution_id: str) -> None:
        """Terminate an execution as an operator would."""
        (await self._http.delete(f"/workflow/{execution_id}", params={"reason": "test"})).raise_for_status()

    async def remove(self, execution_id: str) -> None:
        """Remove an execution and all that is known of it."""
        (await self._http.delete(f"/workflow/{execution_id}/remove")).raise_for_status()

    async def take(self, task_type: str, worker_id: str) -> str:
        """Poll for a task under a worker's name, as one does that is killed then; return the task's id."""
        params: dict[str, str | int] = {"workerid": worker_id, "count": 1, "timeout": 5000}
        (taken,) = (await self._http.get(f"/tasks/poll/batch/{task_type}", params=params)).json()
        return str(taken["taskId"])

    async def give_back(self, execution_id: str, task_id: str, worker_id: str) -> None:
        """Hand a task back into its queue."""
        body = {"taskId": task_id, "workflowInstanceId": execution_id, "workerId": worker_id, "status": "IN_PROGRESS"}
        (await self._http.post("/tasks", json=body)).raise_for_status()

    async def task_log(self, task_id: str) -> list[str]:
        """Return the texts of a task's log."""
        response = await self._http.get(f"/tasks/{task_id}/log")
        return [entry["log"] for entry in response.json()] if response.content else []


@asynccontextmanager
async def hosting(
    settings: Settings, *functions: TaskFunction[Any, Any], domain: str | None = None
) -> AsyncIterator[asyncio.Event]:
    """Run a worker host around a block; yields the event that stops it, and sets it at the end."""
    stop = asyncio.Event()
    running = asyncio.create_task(WorkerHost(settings, functions, domain=domain).run(stop))
    try:
        yield stop
    finally:
        stop.set()
        await running


@asynccontextmanager
async def answering(body: bytes, status: int = 200) -> AsyncIterator[tuple[str, list[str]]]:
    """Serve one answer to every request; yields the API's address and the request lines so far."""
    seen: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        seen.append(head.split(b"\r\n")[0].decode())
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api", seen
