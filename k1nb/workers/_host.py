"""The worker host: one event loop and one HTTP client for every task type."""

from __future__ import annotations

import asyncio
import hashlib
import signal
import socket
from collections.abc import Sequence
from typing import Any

import structlog

from k1nb.conductor import TaskClient
from k1nb.config import Settings
from k1nb.workers._lane import Lane
from k1nb.workers._link import Link
from k1nb.workers._lock import HostLock
from k1nb.workers._recovery import Recovery
from k1nb.workers._registry import all_tasks
from k1nb.workers._result import Results
from k1nb.workers._scout import Scout
from k1nb.workers._shared import Shared
from k1nb.workers._task import TaskFunction
from k1nb.workers._watch import Watch


def worker_id(settings: Settings) -> str:
    """Return the name under which this home's worker host polls; the same after every restart."""
    digest = hashlib.sha256(str(settings.home.resolve()).encode()).hexdigest()[:8]
    return f"{socket.gethostname()}:{digest}"


class WorkerHost:
    """Serves task functions until it is told to stop, then drains. See `Lane` for what happens to one task."""

    def __init__(
        self, settings: Settings, tasks: Sequence[TaskFunction[Any, Any]], *, domain: str | None = None
    ) -> None:
        self._settings = settings
        self._tasks = tasks
        self._domain = domain
        self._log = structlog.get_logger("k1nb.workers")

    async def run(self, stop: asyncio.Event) -> None:
        """Poll until `stop` is set; return when the last running task is finished or handed back.

        What runs gets `timings.drain` seconds from then. A lost server is waited for, not an error. Raises
        ServiceError where another host of this home is running.
        """
        with HostLock(self._settings.paths) as lock:
            await self._serve(stop, crashed=lock.crashed)

    async def _serve(self, stop: asyncio.Event, *, crashed: bool) -> None:
        settings = self._settings
        name = worker_id(settings)
        link = Link(settings.conductor_server_url)
        # A poll and as many updates and heartbeats as tasks run would each hold one; few do at once.
        connections = 2 * len(self._tasks) + 8
        async with (
            TaskClient.from_settings(settings, connections=connections) as client,
            asyncio.TaskGroup() as group,
        ):
            stopped = group.create_task(_until(stop))
            await Recovery(settings, client, link, worker_id=name).run(stopped, crashed=crashed)
            self._log.info("worker host started", worker=name, task_types=len(self._tasks), domain=self._domain)
            group.create_task(Watch(settings, link).run(stopped), name="forgotten executions")
            scout = Scout(client, link, settings.timings)
            results = Results(name, settings.redact)
            shared = Shared(settings, client, link, scout, results, name, self._domain, stopped)
            lanes = [Lane(function, shared) for function in self._tasks]
            for lane in lanes:
                group.create_task(lane.run(), name=lane.queue)
            group.create_task(scout.run(lanes, stopped), name="scout")
        self._log.info("worker host stopped", worker=name)


async def _until(event: asyncio.Event) -> float:
    """Wait for the event and return the loop's time then, which starts the drain."""
    await event.wait()
    return asyncio.get_running_loop().time()


async def serve(
    settings: Settings, tasks: Sequence[TaskFunction[Any, Any]] | None = None, *, domain: str | None = None
) -> int:
    """Run the worker host (with all task functions unless given) until SIGTERM or SIGINT; return 0.

    Further signals change nothing: who wants an end at any price has SIGKILL.
    """
    host = WorkerHost(settings, all_tasks() if tasks is None else tasks, domain=domain)
    stop = asyncio.Event()
    log = structlog.get_logger("k1nb.workers")

    def ask(number: signal.Signals) -> None:
        log.info("still draining" if stop.is_set() else "stopping", signal=number.name)
        stop.set()

    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, ask, number)
    try:
        await host.run(stop)
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
    return 0
