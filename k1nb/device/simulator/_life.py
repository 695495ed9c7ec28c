"""The life of simulated devices: power on, serve, restart after an OTA, power off."""

from __future__ import annotations

import asyncio
import errno
import secrets
import socket
from collections.abc import Coroutine, Mapping, Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from k1nb.device._inventory import Device
from k1nb.device._ota_password import OtaPassword
from k1nb.device.simulator._board import Board
from k1nb.device.simulator._faults import Faults, faults_of
from k1nb.device.simulator._flash import Flash
from k1nb.device.simulator._http import WebServer
from k1nb.device.simulator._ota import OtaService
from k1nb.errors import HostError, K1Error, PortTaken, UsageError
from k1nb.paths import Paths, private, write_text
from k1nb.timings import Timings

if TYPE_CHECKING:
    from k1nb.device.simulator._server import Server


async def simulate(
    devices: Sequence[Device],
    *,
    paths: Paths,
    timings: Timings,
    stop: asyncio.Event,
    faults: Mapping[str, Faults] | Faults | None = None,
    passwords: Mapping[str, OtaPassword] | None = None,
) -> None:
    """Serve simulated devices until `stop` is set; their flash survives under the simulators' folder.

    `faults` are those of every device, or of some by name; `passwords` by name what their OTA services ask for.
    Raises UsageError for a device that is no simulator or would listen beyond loopback, PortTaken for a port that is
    held, StorageError for a damaged flash; where one device cannot be served, none is.
    """
    chosen = faults_of((device.name for device in devices), faults)
    for device in devices:
        _require_simulated(device)
    try:
        async with asyncio.TaskGroup() as lives:
            for device in devices:
                board = _board(device, paths, chosen[device.name], (passwords or {}).get(device.name))
                life = _live(board, timings, stop)
                lives.create_task(life, name=f"simulator {device.name}")
    except BaseExceptionGroup as group:
        known, _ = group.split(K1Error)
        if known is None:
            raise
        raise _first(known) from None


def _first(group: BaseExceptionGroup[K1Error]) -> K1Error:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner


def _require_simulated(device: Device) -> None:
    if device.kind != "simulator":
        raise UsageError(
            f"{device.label} is a device, not a simulator", hint="name an inventory entry of kind simulator"
        )
    try:
        loopback = ip_address(device.address).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise UsageError(
            f"simulated device {device.label} is not on loopback", hint="give it the address 127.0.0.1 in the inventory"
        )


def _board(device: Device, paths: Paths, faults: Faults, password: OtaPassword | None) -> Board:
    folder = private(paths.simulators / device.name)
    token = secrets.token_hex(32)
    write_text(folder / "token", token + "\n")
    return Board(device, Flash(folder), token, faults, password)


async def _live(board: Board, timings: Timings, stop: asyncio.Event) -> None:
    while True:
        await _serve(board, timings, stop)
        if board.live.off:
            await stop.wait()
        if stop.is_set():
            return
        await _first_of(stop.wait(), asyncio.sleep(timings.simulator_reboot))
        if stop.is_set():
            return
        board.boot()


async def _serve(board: Board, timings: Timings, stop: asyncio.Event) -> None:
    """Answer by HTTP and OTA until the device restarts or `stop` is set; then close both, at once."""
    device = board.device
    with (
        _bound(device, socket.SOCK_STREAM, device.http_port) as http,
        _bound(device, socket.SOCK_DGRAM, device.ota_port) as ota,
    ):
        udp, service = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: OtaService(board, timings), sock=ota
        )
        server = _server(board)
        try:
            async with asyncio.TaskGroup() as tasks:
                if board.live.faults.http_dead is None:
                    tasks.create_task(server.serve(sockets=[http]))
                serving = tasks.create_task(service.run(udp))
                await _first_of(stop.wait(), board.restart.wait(), _looped(board))
                serving.cancel()
                udp.abort()
                server.should_exit = server.force_exit = True
        finally:
            udp.abort()
            for listening in getattr(server, "servers", ()):
                listening.close()
            await server.drop()


async def _looped(board: Board) -> None:
    """Wait until the running image restarts by itself: for ever, with one that does not."""
    await (asyncio.Event().wait() if board.live.loop is None else asyncio.sleep(board.live.loop))


def _server(board: Board) -> Server:
    from k1nb.device.simulator._server import Server, config

    return Server(config(WebServer(board)))


def _bound(device: Device, kind: socket.SocketKind, port: int) -> socket.socket:
    held = socket.socket(socket.AF_INET, kind)
    try:
        if kind is socket.SOCK_STREAM:
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.setblocking(False)
        held.bind((device.address, port))
    except OSError as error:
        held.close()
        raise _not_bound(device, kind, port, error) from error
    return held


def _not_bound(device: Device, kind: socket.SocketKind, port: int, error: OSError) -> HostError:
    what = f"{'TCP' if kind is socket.SOCK_STREAM else 'UDP'} port {port} of simulated device {device.name}"
    if error.errno == errno.EADDRINUSE:
        return PortTaken(
            f"{what} is held by another process", hint="stop that process, or change the port in the inventory"
        )
    return HostError(f"{what} cannot be had: {error.strerror}", hint="choose a port from 1024 on in the inventory")


async def _first_of(*waits: Coroutine[Any, Any, object]) -> None:
    """Wait until one of the waits is over, and end the others."""
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
