"""Numbers about the tasks of a host, served in Prometheus' format on loopback."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, start_http_server

from k1nb.conductor import ResultStatus

HOST = "127.0.0.1"
CANCELLED = "CANCELLED"
"""Status of a task that the server ended while it ran; the others are those of results."""
HANDED_BACK = "HANDED_BACK"
STATUSES = (
    ResultStatus.COMPLETED.value,
    ResultStatus.FAILED.value,
    ResultStatus.FAILED_WITH_TERMINAL_ERROR.value,
    CANCELLED,
    HANDED_BACK,
)
_SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 5, 15, 30, 60, 120, 300, 600, 900)


class Metrics:
    """The metrics of one host, each counter there from the start with 0 for every task type."""

    def __init__(self, task_types: Iterable[str]) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._executions = Counter(
            "conductor_task_executions",
            "Tasks attended by this host, by how they ended",
            ["task_name", "status"],
            registry=registry,
        )
        self._durations = Histogram(
            "conductor_task_duration_seconds",
            "From a task's start in this host to its end",
            ["task_name"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._builds = Counter(
            "k1_firmware_builds", "Firmware builds, by how they ended", ["status", "environment"], registry=registry
        )
        self._build_durations = Histogram(
            "k1_firmware_build_duration_seconds", "Duration of a firmware build", buckets=_SECONDS, registry=registry
        )
        self._in_flight = Gauge(
            "k1nb_worker_tasks_in_flight", "Tasks being attended now", ["task_name"], registry=registry
        )
        self._continued = Counter(
            "k1nb_forgotten_executions_continued",
            "Executions that the server had forgotten and that this host made it continue",
            registry=registry,
        )
        self._look_age = Gauge(
            "k1nb_worker_last_poll_age_seconds",
            "Since the server last told this host what waits; NaN before it first did",
            registry=registry,
        )
        for name in task_types:
            self._durations.labels(name)
            self._in_flight.labels(name)
            for status in STATUSES:
                self._executions.labels(name, status)

    def watch_age(self, age: Callable[[], float]) -> None:
        """Let the age of the last answer be asked for whenever it is read; called from another thread."""
        self._look_age.set_function(age)

    @contextmanager
    def in_flight(self, task_type: str) -> Iterator[None]:
        """Count a task as being attended."""
        with self._in_flight.labels(task_type).track_inprogress():
            yield

    def ended(self, task_type: str, status: str, seconds: float) -> None:
        """Count a task that was run here."""
        self._executions.labels(task_type, status).inc()
        self._durations.labels(task_type).observe(seconds)

    def handed_back(self, task_type: str) -> None:
        """Count a task that went back into its queue unfinished."""
        self._executions.labels(task_type, HANDED_BACK).inc()

    def continued(self, executions: int) -> None:
        """Count forgotten executions that go on."""
        self._continued.inc(executions)

    @contextmanager
    def build(self, environment: str) -> Iterator[None]:
        """Count and time a firmware build by how the block ends: success, failed or cancelled."""
        began, status = time.monotonic(), "failed"
        try:
            yield
            status = "success"
        except asyncio.CancelledError:
            status = "cancelled"
            raise
        finally:
            self._builds.labels(status, environment).inc()
            self._build_durations.observe(time.monotonic() - began)

    @asynccontextmanager
    async def serving(self, port: int) -> AsyncIterator[None]:
        """Serve the metrics around a block, from a thread; where the port is taken, say so and go on without."""
        log = structlog.get_logger("k1nb.workers")
        try:
            server, thread = start_http_server(port, addr=HOST, registry=self.registry)
        except OSError as error:
            hint = "set METRICS_PORT to a free port and restart the workers; until then nobody can read them"
            log.error(  # noqa: TRY400 - whose port it is matters, our own stack does not
                "the metrics are not served", address=f"{HOST}:{port}", error=error.strerror or str(error), hint=hint
            )
            yield
            return
        log.info("metrics served", address=f"http://{HOST}:{port}/metrics")
        try:
            yield
        finally:
            await asyncio.to_thread(server.shutdown)  # which waits for the server's thread to look up
            server.server_close()
            thread.join()
