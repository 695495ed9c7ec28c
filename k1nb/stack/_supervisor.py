"""supervisord as a plain process manager, spoken to over its unix socket."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from k1nb.errors import ServiceError
from k1nb.paths import Paths, private, write_text
from k1nb.stack._rendering import render_main, render_service
from k1nb.stack._services import Service
from k1nb.timings import Timings

ALIVE = ("STARTING", "RUNNING", "STOPPING")
"""supervisord's states in which there is a process."""
_BAD_NAME, _ALREADY_STARTED, _NOT_RUNNING = 10, 60, 70  # supervisor.xmlrpc.Faults


@dataclass(frozen=True, slots=True)
class Process:
    """What supervisord knows of a service."""

    name: str
    state: str
    """STOPPED, STARTING, RUNNING, BACKOFF, STOPPING, EXITED, FATAL or UNKNOWN."""
    pid: int | None
    since: datetime | None
    """Start of the process there is."""
    exit_status: int
    description: str


class Supervisor:
    """The supervisord of one home; every call raises ServiceError where it does not answer."""

    def __init__(self, paths: Paths, timings: Timings) -> None:
        self._timings = timings
        self.folder = paths.stack
        self.runtime = paths.runtime
        self.file = paths.stack / "supervisord.conf"
        self.socket = paths.runtime / "supervisor.sock"
        self.pidfile = paths.runtime / "supervisord.pid"
        self.logs = paths.stack / "logs"

    @property
    def url(self) -> str:
        """The address that its services find in SUPERVISOR_SERVER_URL."""
        return f"unix://{self.socket}"

    def log(self, name: str) -> Path:
        """Return where the service's output goes."""
        return self.logs / f"{name}.log"

    def answers(self) -> bool:
        """Tell whether it runs and speaks to us."""
        try:
            with self._server() as server:
                return bool(server.supervisor.getState()["statename"] == "RUNNING")
        except ServiceError:
            return False

    def launch(self, environment: Mapping[str, str]) -> None:
        """Start it, detached, in a session of its own; `environment` is what every service inherits."""
        private(self.folder)
        private(self.logs)
        private(self.folder / "services")
        private(self.runtime)
        write_text(self.file, render_main(socket=self.socket, pidfile=self.pidfile, logs=self.logs))
        try:
            subprocess.run(
                [sys.executable, "-m", "supervisor.supervisord", "-c", str(self.file)],
                cwd=self.folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=self._timings.service_start,
                check=True,
            )
        except subprocess.SubprocessError as error:
            words = getattr(error, "stderr", "") or str(error)
            raise ServiceError(f"supervisord does not start: {str(words).strip()[-500:]}", hint=self._hint) from error
        self._wait_for_answer()

    def processes(self) -> dict[str, Process]:
        """Return what it knows of each service, by name."""
        with self._server() as server:
            return {info["name"]: _process(info) for info in server.supervisor.getAllProcessInfo()}

    def process(self, name: str) -> Process:
        """Return what it knows of one service."""
        with self._server() as server:
            return _process(server.supervisor.getProcessInfo(name))

    def prepare(self, service: Service) -> Literal["same", "changed", "new"]:
        """Write the service's configuration and tell how it stands to the one in force."""
        write_text(self.file_of(service.name), render_service(service, self.log(service.name)))
        with self._server() as server:
            added, changed, _ = server.supervisor.reloadConfig()[0]
        return "new" if service.name in added else "changed" if service.name in changed else "same"

    def adopt(self, name: str) -> None:
        """Put the prepared configuration of a service in force; it must not run."""
        with self._server() as server:
            _tolerating(_BAD_NAME, server.supervisor.removeProcessGroup, name)
            server.supervisor.addProcessGroup(name)

    def forget(self, name: str) -> None:
        """Drop a service that is no longer wanted; it must not run."""
        self.file_of(name).unlink(missing_ok=True)
        with self._server() as server:
            server.supervisor.reloadConfig()
            server.supervisor.removeProcessGroup(name)

    def start(self, name: str) -> None:
        """Start the service's process, without waiting for it; no-op where it runs."""
        with self._server() as server:
            _tolerating(_ALREADY_STARTED, server.supervisor.startProcess, name, False)

    def stop(self, name: str, within: float) -> None:
        """Stop the service's process and wait until it has ended; no-op where it does not run.

        supervisord itself kills it when its time is over. Raises ServiceError when it outlives even that.
        """
        with self._server() as server:
            _tolerating(_NOT_RUNNING, server.supervisor.stopProcess, name, False)
        deadline = time.monotonic() + within + self._timings.child_stop
        while self.process(name).state in ALIVE:
            if time.monotonic() > deadline:
                raise ServiceError(f"{name} does not stop", hint=f"look at {self.log(name)}")
            time.sleep(self._timings.service_poll)

    def pid(self) -> int:
        """Return the process id of supervisord itself."""
        with self._server() as server:
            return int(server.supervisor.getPID())

    def shut_down(self) -> None:
        """Ask it to end, services included."""
        with self._server() as server:
            server.supervisor.shutdown()

    def tidy(self) -> None:
        """Remove what a killed one leaves in the folder for sockets, which others use as well."""
        for file in (self.socket, self.pidfile, *self.runtime.glob(f"{self.socket.name}.*")):
            file.unlink(missing_ok=True)
        if self.runtime.is_dir() and not any(self.runtime.iterdir()):
            self.runtime.rmdir()

    @property
    def _hint(self) -> str:
        return f"look at {self.logs / 'supervisord.log'}"

    def file_of(self, name: str) -> Path:
        """Return where the service's configuration is."""
        return self.folder / "services" / f"{name}.conf"

    def _wait_for_answer(self) -> None:
        deadline = time.monotonic() + self._timings.service_start
        while not self.answers():
            if time.monotonic() > deadline:
                raise ServiceError("supervisord has started but does not answer", hint=self._hint)
            time.sleep(self._timings.service_poll)

    @contextmanager
    def _server(self) -> Iterator[Any]:
        transport = _UnixTransport(self.socket, self._timings.service_start)
        try:
            with xmlrpc.client.ServerProxy("http://localhost", transport=transport) as server:
                yield server
        except xmlrpc.client.Fault as fault:
            raise ServiceError(f"supervisord refuses: {fault.faultString}", hint=self._hint) from fault
        except (OSError, http.client.HTTPException, xmlrpc.client.ProtocolError) as error:
            raise ServiceError(f"supervisord does not answer: {error}", hint="start it with `k1nb up`") from error


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class _UnixTransport(xmlrpc.client.Transport):
    """XML-RPC over a unix socket; unlike supervisor's own transport, it gives up on a peer that hangs."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__()
        self._path = path
        self._timeout = timeout
        self._kept: _UnixConnection | None = None

    def make_connection(self, host: Any) -> http.client.HTTPConnection:  # noqa: ARG002 - a socket has no host
        if self._kept is None:
            self._kept = _UnixConnection(self._path, self._timeout)
        return self._kept

    def close(self) -> None:
        if self._kept:
            self._kept.close()
            self._kept = None


def _process(info: Mapping[str, Any]) -> Process:
    alive = info["state"] is not None and info["statename"] in ALIVE
    return Process(
        name=info["name"],
        state=info["statename"],
        pid=info["pid"] or None,
        since=datetime.fromtimestamp(info["start"], UTC) if alive else None,
        exit_status=info["exitstatus"],
        description=info["description"],
    )


def _tolerating(fault: int, call: Any, *arguments: Any) -> None:
    """Call supervisord; a fault of that code says that there is nothing to do."""
    try:
        call(*arguments)
    except xmlrpc.client.Fault as error:
        if error.faultCode != fault:
            raise
