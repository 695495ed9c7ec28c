"""One connection from a device: bytes between its socket and the sender, against the clock."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import cast

from k1nb.device import _espota as espota
from k1nb.timings import Timings

_READ = 4096
_SEND_BUFFER = 16_384
"""What the network stack may keep of what was sent: with more, a streaming sender would be far ahead of its device."""

End = espota.Accepted | espota.Failed


class Link(asyncio.BufferedProtocol):
    """Rests from its connection until `run`; what the device says meanwhile is kept."""

    def __init__(self, arrived: Callable[[Link], None], note: Callable[[str], None], timings: Timings) -> None:
        self._arrived = arrived
        self._note = note
        self._timings = timings
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[End] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._heard = 0.0
        self._full = False
        self._early: list[bytes] = []
        # One small buffer for good: asyncio's own readers take a new one of 256 KiB for every answer of four digits.
        self._buffer = memoryview(bytearray(_READ))
        self._sender: espota.Sender | None = None
        self._transport: asyncio.Transport
        self._on_progress: Callable[[int], None]

    @property
    def peer(self) -> str | None:
        """Address at the other end."""
        name = self._transport.get_extra_info("peername")
        return name[0] if name else None

    async def run(self, sender: espota.Sender, on_progress: Callable[[int], None]) -> End:
        """Bring the image to the device and return how that ended; what `on_progress` raises ends it too."""
        self._sender, self._on_progress = sender, on_progress
        self._heard = self._loop.time()
        for data in self._early:
            self._take(data)
        self._pump()
        self._tick()
        try:
            return await self._over
        finally:
            if self._timer is not None:
                self._timer.cancel()

    def abort(self) -> None:
        """Close at once; what matters has been answered, or is lost anyway."""
        self._over.cancel()
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Announce the connection."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=0)
        self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        self._arrived(self)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio passes it
        """Return the place for what the device says."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Have the sender read what the device said, and send what that allows."""
        self._take(bytes(self._buffer[:nbytes]))

    def eof_received(self) -> None:
        """Note that the device has closed its side."""
        self._take(b"")

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end; where a write found it first, what the device said last still lies in the socket."""
        if self._over.done():
            return
        if exc is not None:
            self._note(f"connection: {getattr(exc, 'strerror', None) or exc}")
        if left := _unread(self._transport.get_extra_info("socket").fileno()):
            self._take(left)
        self._take(b"")

    def pause_writing(self) -> None:
        """Wait until the connection takes more."""
        self._full = True

    def resume_writing(self) -> None:
        """Go on writing."""
        self._full = False
        self._pump()

    def _take(self, data: bytes) -> None:
        if self._over.done():
            return
        if self._sender is None:
            self._early.append(data)
            return
        self._heard = self._loop.time()
        try:
            for event in self._sender.receive(data):
                if isinstance(event, espota.Accepted | espota.Failed):
                    self._over.set_result(event)
                    return
                if isinstance(event, espota.Progress):
                    self._on_progress(event.sent)
        except Exception as error:  # noqa: BLE001 - raised to who waits in `run`: a protocol's callback has no caller
            self._over.set_exception(error)
        self._pump()

    def _pump(self) -> None:
        """Send what the sender hands out, as long as the connection takes it."""
        try:
            while self._sender is not None and not (self._over.done() or self._full or self._transport.is_closing()):
                chunk = self._sender.next_chunk()
                if chunk is None:
                    return
                self._transport.write(chunk)
        except Exception as error:  # noqa: BLE001 - likewise
            self._over.set_exception(error)

    def _tick(self) -> None:
        """End the session once the device has been silent for too long; one timer, however often it is heard."""
        if self._sender is None or self._over.done():
            return
        finishing = self._sender.state is espota.State.FINISHING
        due = self._heard + (self._timings.ota_result if finishing else self._timings.ota_acknowledge)
        if self._loop.time() >= due:
            self._over.set_result(self._sender.silence())
        else:
            self._timer = self._loop.call_at(due, self._tick)


def _unread(descriptor: int) -> bytes:
    """Return what has arrived at a socket whose transport reads no more."""
    found = b""
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as rest:
        while data := rest.recv(_READ):
            found += data
    return found
