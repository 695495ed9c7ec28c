"""uvicorn as the simulator needs it; apart, for it takes a tenth of a second to import."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn


class Server(uvicorn.Server):
    """A server that leaves signals to the program it runs in; it stops when `should_exit` is set."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

    async def drop(self) -> None:
        """Drop what is connected yet, as a device does that restarts, and wait until nothing works on it."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks)


def config(app: Any) -> uvicorn.Config:
    """Return the configuration of a server that says and logs nothing of its own."""
    return uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=1,
    )
