"""The service: look at everything, answer scrapes, end at a signal."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
import uvicorn

from k1nb.config import Settings
from k1nb.errors import HostError, PortTaken
from k1nb.exporter._app import application
from k1nb.exporter._conductor import ConductorWatch
from k1nb.exporter._fleet import Fleet

HOST = "127.0.0.1"


class _Server(uvicorn.Server):
    """A server that leaves signals to `serve`."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


async def serve(settings: Settings) -> int:
    """Serve metrics on the loopback at `exporter_port` until SIGTERM or SIGINT, and return 0; PortTaken if it is held.

    A signal ends it at once: what is under way is only a look.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, stop.set)
    try:
        with _bound(settings.exporter_port) as listening:
            await _serve(settings, listening, stop)
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
    return 0


async def _serve(settings: Settings, listening: socket.socket, stop: asyncio.Event) -> None:
    log = structlog.get_logger("k1nb.exporter")
    fleet, conductor = Fleet(settings), ConductorWatch(settings)
    server = _Server(_config(application(fleet, conductor, settings.paths)))
    async with asyncio.TaskGroup() as group:
        looking = group.create_task(fleet.run(), name="fleet")
        serving = group.create_task(server.serve(sockets=[listening]), name="server")
        conductor.start()
        log.info("exporter started", address=f"http://{HOST}:{settings.exporter_port}/metrics")
        await stop.wait()
        looking.cancel()
        server.should_exit = server.force_exit = True
        await serving
    log.info("exporter stopped")


def _config(app: object) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )


def _bound(port: int) -> socket.socket:
    held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.setblocking(False)
        held.bind((HOST, port))
    except OSError as error:
        held.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(
                f"port {port} of the exporter is held by another process",
                hint="stop that process, or set K1NB_EXPORTER_PORT to another port",
            ) from error
        raise HostError(
            f"port {port} of the exporter cannot be had: {error.strerror}",
            hint="set K1NB_EXPORTER_PORT to a port from 1024 on",
        ) from error
    return held
