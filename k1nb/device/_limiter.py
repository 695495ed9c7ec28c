"""Rate windows: the device takes one call per route and window, from all clients together.

So the windows belong to the host: one small file per device and route under the home. Whoever calls holds that
file's lock for as long as the call lasts, and leaves in it when the next call may come.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import structlog

from k1nb.device._facts import Route
from k1nb.device._inventory import Device
from k1nb.errors import StorageError
from k1nb.paths import Paths, private, unwritable

MARGIN = 1.2
"""A window is waited for with a fifth more: its clock is the device's, not ours."""
AT_ONCE = 2
"""Requests that one device is given at the same time."""
LONGEST_REFUSAL = 1.0
"""Seconds that a device may want to be left alone after a refusal, where its window is shorter."""

_MARK = struct.Struct("<d")
_BUSY = float("inf")
"""Stands in the file while a call lasts. Met with the lock free, it says that the caller died in its call."""
_LOOK = 0.01
"""Seconds between two looks at what another process holds and will let go of without a window."""


class Turn:
    """One call in its turn: what the next one has to wait for."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def free_in(self, seconds: float) -> None:
        """Note what the device says of this route, or what is known: the next call may come in so many seconds."""
        self._seconds = seconds

    @property
    def free_at(self) -> float:
        """The moment, by the host's clock, from which on the next call may come, if this one ends now."""
        return time.monotonic() + self._seconds


class RateLimiter:
    """Spaces the calls to one device, route by route, among all processes of this host that use this home.

    A process that dies in a call frees its route after one window. Where the files cannot be had the windows are kept
    for this client alone: a window spares the device, but its rescue must not fail for a disk.
    """

    def __init__(self, paths: Paths, device: Device) -> None:
        self._folder = paths.devices / "windows" / device.mac.replace(":", "")
        # The order in which the callers of this process come.
        self._locks: defaultdict[Route, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._free: dict[Route, float] = {}
        """When the next call may come, as far as this client alone knows; used where the files cannot be had."""
        self._told = False
        self._log = structlog.get_logger("k1nb.device").bind(device=device.name)

    @asynccontextmanager
    async def turn(self, route: Route) -> AsyncIterator[Turn]:
        """Wait until the route's window has passed and a place is free; the window starts anew at the end."""
        async with self._locks[route]:
            held = await self._taken(route)
            turn = Turn(_window(route))
            try:
                yield turn
            finally:
                self._free[route] = turn.free_at
                for file, free_at in zip(held, (turn.free_at, None), strict=False):
                    # What the device did is done, whether its window can be noted or not.
                    with suppress(OSError):
                        _let_go(file, free_at)

    async def _taken(self, route: Route) -> tuple[int, ...]:
        """Wait for the turn and return the files that hold it; none where they cannot be had."""
        try:
            file = await self._turn_of(route)
            try:
                return file, await self._place()
            except BaseException:
                with suppress(OSError):
                    _let_go(file, time.monotonic())
                raise
        except StorageError as error:
            if not self._told:
                self._told = True
                self._log.warning("rate windows are kept for this client alone", error=error.message, hint=error.hint)
            await asyncio.sleep(max(0.0, self._free.get(route, 0.0) - time.monotonic()))
            return ()

    async def _turn_of(self, route: Route) -> int:
        """Wait for the route and return its file, locked and marked as busy."""
        path = private(self._folder) / _file_name(route)
        while True:
            with self._storage(), _opened(path) as file:
                wait = _attempt(file, route)
                if not wait:
                    return os.dup(file)
            await asyncio.sleep(wait)

    async def _place(self) -> int:
        """Wait for one of the places at the device and return its file, locked."""
        while True:
            for number in range(AT_ONCE):
                with self._storage(), _opened(self._folder / f"place-{number}") as file:
                    if _locked(file):
                        return os.dup(file)
            await asyncio.sleep(_LOOK)

    @contextmanager
    def _storage(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise unwritable(self._folder, error) from error


def _attempt(file: int, route: Route) -> float:
    """Take the route if it is free and return 0, or return the seconds after which another look is worth it."""
    if not _locked(file):
        # Whoever is calling opens a window afterwards; whoever only looks is gone at once.
        return max(_window(route), _LOOK) if _free_at(file) == _BUSY else _LOOK / 10
    now = time.monotonic()
    free_at = _free_at(file)
    longest = max(_window(route), LONGEST_REFUSAL)
    if free_at - now > longest:
        # Its caller died in the call, or the host has booted since and its clock starts at 0 again.
        free_at = now + _window(route)
        _mark(file, free_at)
    if free_at > now:
        return free_at - now
    _mark(file, _BUSY)
    return 0.0


def _let_go(file: int, free_at: float | None = None) -> None:
    """Unlock a file and close it, after noting when the route is free; children that were just forked keep no lock."""
    try:
        if free_at is not None:
            _mark(file, free_at)
        fcntl.flock(file, fcntl.LOCK_UN)
    finally:
        os.close(file)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """Open a file for as long as the block lasts; a duplicate made there keeps the lock."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield file
    finally:
        os.close(file)


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _free_at(file: int) -> float:
    """Read the moment; a file that is new or damaged lets pass, as a device does that was never called."""
    data = os.pread(file, _MARK.size, 0)
    return float(_MARK.unpack(data)[0]) if len(data) == _MARK.size else 0.0


def _mark(file: int, moment: float) -> None:
    os.pwrite(file, _MARK.pack(moment), 0)


def _window(route: Route) -> float:
    return route.window * MARGIN / 1000


def _file_name(route: Route) -> str:
    return f"{route.method}{route.path.replace('/', '.')}"
