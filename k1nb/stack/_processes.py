"""Processes on this machine: who holds a port, and which are ours though nobody keeps them."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable, Sequence

import psutil

from k1nb.errors import PortTaken, ServiceError
from k1nb.stack._services import SERVICES, Endpoint, Service
from k1nb.stack._supervisor import Supervisor
from k1nb.timings import Timings


def require_free(service: Service) -> None:
    """Raise PortTaken, naming the holder, where the service could not listen."""
    for endpoint in service.endpoints:
        _require_free(service.name, endpoint)


def listens(endpoint: Endpoint, timeout: float) -> bool:
    """Tell whether something accepts connections at a TCP endpoint."""
    try:
        with socket.create_connection((endpoint.host, endpoint.port), timeout=timeout):
            return True
    except OSError:
        return False


def holder(endpoint: Endpoint) -> str:
    """Name the process that holds the port, as far as this user may know it."""
    process = holding(endpoint, psutil.process_iter())
    return f"{process.name()} (pid {process.pid})" if process else "a program of another user"


def holding(endpoint: Endpoint, processes: Iterable[psutil.Process]) -> psutil.Process | None:
    """Return the process that holds the port; None where none of these does, as far as this user may know."""
    return next((process for process in processes if _holds(process, endpoint)), None)


def left_over(supervisor: Supervisor) -> list[psutil.Process]:
    """Return every live process of this home's stack, supervisord included, whether anybody keeps it or not.

    They are known by what they carry: supervisord its configuration file, its services the address of its socket.
    Ourselves and our parents are never among them.
    """
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    mine = [p for p in psutil.process_iter() if p.pid not in own and _uid(p) == os.getuid()]
    return [p for p in mine if _is_supervisord(p, supervisor) or _is_kept(p, supervisor)]


def service_name(process: psutil.Process) -> str | None:
    """Return as which service supervisord started the process, or the one that started it."""
    return _variable(process, "SUPERVISOR_PROCESS_NAME")


def end_left_over(supervisor: Supervisor, timings: Timings, names: Sequence[str] = ()) -> list[str]:
    """End what an earlier supervisord left behind, workers first and with their drain; return what was ended.

    With names, only these services are ended; a supervisord that lives but does not answer takes all of them along.
    Raises ServiceError when something outlives SIGKILL.
    """
    ended = []
    keepers = [p for p in left_over(supervisor) if _is_supervisord(p, supervisor)]
    if keepers:
        ended.append("supervisord")
        _end(keepers, timings.drain + timings.service_stop, timings)
    for name in reversed([name for name in SERVICES if name in names or not names]):
        processes = [p for p in left_over(supervisor) if service_name(p) == name]
        if processes:
            ended.append(name)
            _end(processes, timings.drain, timings)
    rest = [] if names else left_over(supervisor)
    _end(rest, timings.child_stop, timings)
    return ended + [str(p.pid) for p in rest]


def _end(processes: Sequence[psutil.Process], within: float, timings: Timings) -> None:
    """SIGTERM to those that have no parent among them, then SIGKILL to whatever is left."""
    group = {p.pid for p in processes}
    _each(psutil.Process.terminate, (p for p in processes if _parent(p) not in group))
    _, alive = psutil.wait_procs(processes, timeout=within)
    _each(psutil.Process.kill, alive)
    _, alive = psutil.wait_procs(alive, timeout=timings.child_stop)
    if alive:
        raise ServiceError(f"process {alive[0].pid} of an earlier stack does not end", hint=f"kill {alive[0].pid}")


def _each(act: object, processes: Iterable[psutil.Process]) -> None:
    for process in processes:
        try:
            act(process)  # type: ignore[operator]
        except psutil.NoSuchProcess:
            continue


def refusal(endpoint: Endpoint) -> OSError | None:
    """Return why nobody could listen at an endpoint now; None where somebody could."""
    kind = socket.SOCK_STREAM if endpoint.kind == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as probe:
        if endpoint.kind == "tcp":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((endpoint.host, endpoint.port))
        except OSError as error:
            return error
    return None


def _require_free(name: str, endpoint: Endpoint) -> None:
    error = refusal(endpoint)
    if error is None:
        return
    if error.errno == errno.EADDRINUSE:
        text = f"{endpoint.kind} port {endpoint}, wanted by {name}, is held by {holder(endpoint)}"
        raise PortTaken(text, hint=f"stop that program, or {endpoint.remedy}")
    raise ServiceError(f"{name} cannot listen on {endpoint}: {error.strerror}", hint=endpoint.remedy)


def _holds(process: psutil.Process, endpoint: Endpoint) -> bool:
    try:
        connections = process.net_connections(kind=endpoint.kind)
    except psutil.Error:
        return False
    wanted = psutil.CONN_LISTEN if endpoint.kind == "tcp" else psutil.CONN_NONE
    return any(c.laddr and c.laddr.port == endpoint.port and c.status == wanted for c in connections)


def _is_supervisord(process: psutil.Process, supervisor: Supervisor) -> bool:
    try:
        words = process.cmdline()
    except psutil.Error:
        return False
    return "supervisor.supervisord" in words and str(supervisor.file) in words


def _is_kept(process: psutil.Process, supervisor: Supervisor) -> bool:
    return _variable(process, "SUPERVISOR_SERVER_URL") == supervisor.url


def _variable(process: psutil.Process, name: str) -> str | None:
    try:
        return process.environ().get(name)
    except (psutil.Error, OSError):
        return None


def _uid(process: psutil.Process) -> int | None:
    try:
        return process.uids().real
    except psutil.Error:
        return None


def _parent(process: psutil.Process) -> int | None:
    try:
        return process.ppid()
    except psutil.Error:
        return None
