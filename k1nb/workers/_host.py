"""The worker host: one event loop and one HTTP client for every task type."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import signal
import socket
from collections.abc import Sequence
from typing import Any

import structlog

from k1nb.conductor import TaskClient
from k1nb.config import Settings
from k1nb.errors import StorageError, UsageError
from k1nb.workers._devices import Devices
from k1nb.workers._effects import Effects
from k1nb.workers._in_hand import InHand
from k1nb.workers._lane import Lane
from k1nb.workers._link import Link
from k1nb.workers._lock import HostLock
from k1nb.workers._metrics import Metrics
from k1nb.workers._outputs import Outputs, prune
from k1nb.workers._recovery import Recovery
from k1nb.workers._registry import all_tasks
from k1nb.workers._result import Results
from k1nb.workers._scout import Scout
from k1nb.workers._shared import Shared
from k1nb.workers._task import TaskFunction
from k1nb.workers._watch import Watch
from k1nb.workers._watchdog import Watchdog


def worker_id(settings: Settings) -> str:
    """Return the name under which this home's worker host polls; the same after every restart."""
    digest = hashlib.sha256(os.fsencode(settings.home.resolve())).hexdigest()[:8]
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
        metrics = Metrics(function.name for function in self._tasks)
        # A poll and as many updates and heartbeats as tasks run would each hold one; few do at once.
        connections = 2 * len(self._tasks) + 8
        async with (
            TaskClient.from_settings(settings, connections=connections) as client,
            asyncio.TaskGroup() as group,
        ):
            shared = self._share(client, metrics, group.create_task(_until(stop)))
            async with metrics.serving(settings.metrics_port):
                with Watchdog(settings.timings, shared.scout.running_looks):
                    await self._tidy()
                    recovery = Recovery(shared)
                    await recovery.run(crashed=crashed)
                    self._log.info("worker host started", worker=shared.worker_id, task_types=len(self._tasks))
                    await self._poll(shared, recovery)
        self._log.info("worker host stopped", worker=shared.worker_id)

    def _share(self, client: TaskClient, metrics: Metrics, stopped: asyncio.Task[float]) -> Shared:
        settings, name = self._settings, worker_id(self._settings)
        link, outputs = Link(settings.conductor_server_url), Outputs(settings.paths)
        scout = Scout(client, link, settings.timings)
        metrics.watch_age(scout.age)
        return Shared(
            settings=settings,
            client=client,
            link=link,
            scout=scout,
            results=Results(name, settings.redact, outputs),
            outputs=outputs,
            effects=Effects(settings.paths),
            devices=Devices(settings.paths),
            in_hand=InHand(),
            metrics=metrics,
            worker_id=name,
            domain=self._domain,
            stopped=stopped,
        )

    async def _tidy(self) -> None:
        try:
            await asyncio.to_thread(prune, self._settings.paths)
        except StorageError as error:
            self._log.warning("old files of the workers stay", error=error.message)

    async def _poll(self, shared: Shared, recovery: Recovery) -> None:
        lanes = [Lane(function, shared) for function in self._tasks]
        async with asyncio.TaskGroup() as group:
            group.create_task(Watch(shared).run(), name="forgotten executions")
            group.create_task(recovery.follow(), name="lost tasks")
            group.create_task(shared.scout.run(lanes, shared.stopped), name="scout")
            for lane in lanes:
                group.create_task(lane.run(), name=lane.queue)


async def _until(event: asyncio.Event) -> float:
    """Wait for the event and return the loop's time then, which starts the drain."""
    await event.wait()
    return asyncio.get_running_loop().time()


async def serve(
    settings: Settings, tasks: Sequence[TaskFunction[Any, Any]] | None = None, *, domain: str | None = None
) -> int:
    """Run the worker host (with all task functions unless given) until SIGTERM or SIGINT; return 0.

    With `domain` only the tasks of that task domain are polled for; raises UsageError where it cannot be one. Further
    signals change nothing: who wants an end at any price has SIGKILL.
    """
    if domain is not None and not re.fullmatch(r"[A-Za-z0-9_.-]+", domain):
        raise UsageError(f"{domain!r} is no task domain", hint="use letters, digits, dots, dashes and underscores")
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
