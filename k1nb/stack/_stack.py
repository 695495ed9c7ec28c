"""The local target: up and down."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from k1nb.config import Settings, environment
from k1nb.errors import ConductorUnreachable, HostError, ServiceError
from k1nb.paths import private
from k1nb.stack._jar import Notify, ignore
from k1nb.stack._logs import last_lines
from k1nb.stack._memory import Memory, secrets_digest
from k1nb.stack._processes import end_left_over, left_over, listens, require_free
from k1nb.stack._progress import ServiceLine, about
from k1nb.stack._ready import ReadyProbe
from k1nb.stack._services import SERVICES, WORKERS, Service, chosen, configured, describe
from k1nb.stack._status import ServiceStatus, status
from k1nb.stack._supervisor import Supervisor


def up(settings: Settings, services: Sequence[str] = (), on_progress: Notify | None = None) -> list[ServiceStatus]:
    """Start the services of the target, or those named, and return when they are ready.

    Ready means: the API answers, the shipped definitions are applied, and an execution of `k1nb-ready` was completed
    by our workers. What already runs is left alone, unless its settings have changed. Raises PrerequisiteError,
    DownloadError, PortTaken, or ServiceError with the last lines of the log.
    """
    notify = on_progress or ignore
    names = chosen(settings, services)
    with _alone(settings, notify):
        names = _with_those_to_restart(settings, names)
        bring_up(
            settings, [describe(settings, name, about(name, notify)) for name in names], notify, everything=not services
        )
    return status(settings)


def bring_up(settings: Settings, services: Sequence[Service], notify: Notify, *, everything: bool = False) -> None:
    """Start these services in this order, each ready before the next; those that rely on none are begun at once.

    Nobody relies on those either: where one of them fails the others are started, then its error is raised.
    """
    supervisor = Supervisor(settings.paths, settings.timings)
    memory = Memory.read(settings)
    _supervise(settings, supervisor, memory, notify)
    if everything:
        _drop_unwanted(settings, supervisor, notify)
    began: dict[str, float | None] = {}
    failed: list[HostError] = []
    for service in (one for one in services if one.early):
        with _collecting(failed, memory, service):
            began[service.name] = _launch(supervisor, memory, service, notify)
    for service in services:
        with _collecting(failed, memory, service):
            if not service.early:
                began[service.name] = _launch(supervisor, memory, service, notify)
            if service.name in began:
                _get_ready(settings, supervisor, memory, service, began[service.name], notify)
                if service.once_ready:
                    service.once_ready(about(service.name, notify))
    if failed:
        raise failed[0]


@contextmanager
def _collecting(failed: list[HostError], memory: Memory, service: Service) -> Iterator[None]:
    """Keep the error of a service that nobody relies on; any other's passes through."""
    try:
        yield
    except HostError as error:
        if not service.early:
            raise
        memory.failed(service.name, error.message)
        failed.append(error)


def down(settings: Settings, services: Sequence[str] = (), on_progress: Notify | None = None) -> list[ServiceStatus]:
    """Stop the services, or those named, in the reverse order of their start; workers are given their drain.

    Without names supervisord ends as well. A service stopped so stays stopped until it is started by name, or all are.
    """
    notify = on_progress or ignore
    names = chosen(settings, services)
    with _alone(settings, notify):
        take_down(settings, names, notify, everything=not services)
    return status(settings)


def take_down(settings: Settings, names: Sequence[str], notify: Notify, *, everything: bool) -> None:
    """Stop what runs of these services; with `everything` end supervisord and whatever it left behind, too."""
    supervisor = Supervisor(settings.paths, settings.timings)
    memory = Memory.read(settings)
    if not supervisor.answers():
        _end_left_over(settings, supervisor, notify, () if everything else names)
    known = supervisor.processes() if supervisor.answers() else {}
    wanted = [*reversed(names)] if not everything else sorted(known, key=_stop_order)
    for name in wanted:
        if name in known and known[name].state in ("STARTING", "RUNNING", "STOPPING", "BACKOFF"):
            notify(f"stopping {name}" + (", it finishes its running tasks first" if name == WORKERS else ""))
            supervisor.stop(name, _stop_within(settings, name))
    for name in names:
        memory.stopped(name)
    if everything:
        _end_supervisor(settings, supervisor)


def _stop_order(name: str) -> int:
    return -SERVICES.index(name) if name in SERVICES else 1


def _stop_within(settings: Settings, name: str) -> float:
    return settings.timings.drain + 10 if name == WORKERS else settings.timings.service_stop


@contextmanager
def _alone(settings: Settings, notify: Notify) -> Iterator[None]:
    """Hold the lock that keeps two `up` or `down` of one home apart."""
    timings = settings.timings
    private(settings.home)
    lock = FileLock(private(settings.paths.stack) / "up.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        notify("waiting for another `k1nb up` or `k1nb down` to finish")
        try:
            lock.acquire(timeout=timings.conductor_ready + timings.probe_ready + timings.drain)
        except Timeout:
            raise ServiceError(
                "another `k1nb up` or `k1nb down` is still at work", hint="wait for it, or end it"
            ) from None
    try:
        yield
    finally:
        lock.release()


def _with_those_to_restart(settings: Settings, names: Sequence[str]) -> tuple[str, ...]:
    """Add what runs with secrets that are no longer in force, for all of that is started anew."""
    supervisor = Supervisor(settings.paths, settings.timings)
    if not supervisor.answers() or Memory.read(settings).secrets == secrets_digest(settings):
        return tuple(names)
    running = [name for name, process in supervisor.processes().items() if process.state in ("STARTING", "RUNNING")]
    return tuple(name for name in configured(settings) if name in names or name in running)


def _supervise(settings: Settings, supervisor: Supervisor, memory: Memory, notify: Notify) -> None:
    """Have a supervisord that answers and was given the secrets in force."""
    digest = secrets_digest(settings)
    if supervisor.answers():
        if memory.secrets == digest:
            return
        notify("a secret has changed since the services were started: stopping them")
        take_down(settings, (), notify, everything=True)
    _end_left_over(settings, supervisor, notify)
    supervisor.launch(environment(settings, K1NB_RUN=""))
    memory.given(digest)


def _end_left_over(settings: Settings, supervisor: Supervisor, notify: Notify, names: Sequence[str] = ()) -> None:
    ended = end_left_over(supervisor, settings.timings, names)
    if ended:
        notify(f"ended what an earlier stack left behind: {', '.join(ended)}")


def _drop_unwanted(settings: Settings, supervisor: Supervisor, notify: Notify) -> None:
    """Stop what supervisord keeps but this installation no longer has, such as simulators without a device."""
    wanted = configured(settings)
    for name in supervisor.processes():
        if name not in wanted:
            notify(f"stopping {name}: it is no longer configured")
            supervisor.stop(name, settings.timings.service_stop)
            supervisor.forget(name)


def _launch(supervisor: Supervisor, memory: Memory, service: Service, notify: Notify) -> float | None:
    """Have the service running as described; return when its start began, None where it ran already."""
    began, notify = time.monotonic(), about(service.name, notify)
    how = supervisor.prepare(service)
    state = supervisor.process(service.name).state if how != "new" else "STOPPED"
    runs = state in ("STARTING", "RUNNING")
    if how == "changed" and runs:
        notify(f"{service.name} was started with other settings: restarting it")
    if state not in ("STOPPED", "EXITED", "FATAL") and (how == "changed" or not runs):
        supervisor.stop(service.name, service.stop_within)
        runs = False
    if how != "same":
        supervisor.adopt(service.name)
    if not runs:
        require_free(service)
        notify(f"starting {service.name}")
        supervisor.start(service.name)
    memory.started(service.name)
    return None if runs else began


def _get_ready(
    settings: Settings,
    supervisor: Supervisor,
    memory: Memory,
    service: Service,
    began: float | None,
    notify: Notify,
) -> None:
    """Wait until the service is ready."""
    try:
        _await_ready(settings, supervisor, service)
    except ServiceError as error:
        memory.failed(service.name, error.message)
        raise
    took = "" if began is None else f" after {time.monotonic() - began:.1f} s"
    notify(ServiceLine(f"{service.name} is ready{took}", service.name, ready=True))


def _await_ready(settings: Settings, supervisor: Supervisor, service: Service) -> None:
    deadline = time.monotonic() + service.start_within
    pid = supervisor.process(service.name).pid
    while True:
        process = supervisor.process(service.name)
        if process.state not in ("STARTING", "RUNNING") or process.pid != pid:
            raise _ended(supervisor, service, process.exit_status)
        if _is_ready(settings, service, settled=process.state == "RUNNING"):
            return
        if time.monotonic() > deadline:
            if isinstance(service.ready, ReadyProbe):
                service.ready.give_up()
            raise _not_ready(supervisor, service)
        time.sleep(settings.timings.service_poll)


def _is_ready(settings: Settings, service: Service, *, settled: bool) -> bool:
    if service.ready:
        try:
            return service.ready()
        except ConductorUnreachable as error:
            raise ServiceError(
                f"{service.name} runs, but cannot work: {error.message}",
                hint="start the server with `k1nb up conductor`",
            ) from error
    tcp = [endpoint for endpoint in service.endpoints if endpoint.kind == "tcp"]
    return all(listens(endpoint, settings.timings.device_request) for endpoint in tcp) if tcp else settled


def _ended(supervisor: Supervisor, service: Service, exit_status: int) -> ServiceError:
    """Stop the attempts to restart a service that ends by itself, and say what it said."""
    supervisor.stop(service.name, service.stop_within)
    log = supervisor.log(service.name)
    status = f" (exit status {exit_status})" if exit_status else ""
    return ServiceError(f"{service.name} ended right after its start{status}{_last_words(log)}", hint=f"read {log}")


def _not_ready(supervisor: Supervisor, service: Service) -> ServiceError:
    log = supervisor.log(service.name)
    within = f"{service.start_within:.0f} s"
    return ServiceError(f"{service.name} runs, but was not ready within {within}{_last_words(log)}", hint=f"read {log}")


def _last_words(log: Path) -> str:
    lines = last_lines(log, 10)
    return "; its last words:\n" + "\n".join(f"  {line}" for line in lines) if lines else ""


def _end_supervisor(settings: Settings, supervisor: Supervisor) -> None:
    """End supervisord, and what it or an earlier one left behind."""
    if supervisor.answers():
        supervisor.shut_down()
        deadline = time.monotonic() + settings.timings.service_stop
        while left_over(supervisor) and time.monotonic() < deadline:
            time.sleep(settings.timings.service_poll)
    end_left_over(supervisor, settings.timings)
    supervisor.tidy()
