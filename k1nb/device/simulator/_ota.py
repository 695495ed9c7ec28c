"""The OTA service of the simulated device: invitations by UDP, the image by TCP from whoever invited."""

from __future__ import annotations

import asyncio
import hashlib
import re
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from k1nb.device._facts import FILE_SYSTEM_SIZE, PARTITION_SIZE
from k1nb.device.simulator._board import Board
from k1nb.timings import Timings

FIRMWARE, FILE_SYSTEM = 0, 100
_SPACE = {FIRMWARE: PARTITION_SIZE, FILE_SYSTEM: FILE_SYSTEM_SIZE}
_MAGIC = 0xE9
_READ = 1460
_REPEATS = 3
_BAD_MD5 = "MD5 Check Failed"
_INVITATION = re.compile(rb"(\d{1,10}) (\d{1,5}) (\d{1,10}) (\S+)\s*")
_PASSWORD = re.compile(rb"200 ([0-9a-f]+) ([0-9a-f]+)\s*")


@dataclass(frozen=True, slots=True)
class Invitation:
    """What a host asks the device to fetch."""

    command: int
    port: int
    size: int
    md5: str

    @property
    def fits(self) -> bool:
        """Tell whether the device will connect: it says OK to any size, then finds no room for this one."""
        return 0 < self.size <= _SPACE[self.command]


def read_invitation(data: bytes) -> Invitation | None:
    """Read an invitation; None for what the device meets with silence."""
    found = _INVITATION.fullmatch(data)
    if found is None or len(found[4]) != 32:
        return None
    command, port, size = (int(number) for number in found.groups()[:3])
    return Invitation(command, port, size, found[4].decode("ascii", "replace")) if command in _SPACE else None


class OtaService(asyncio.DatagramProtocol):
    """Takes one invitation after the other; those that come during a transfer wait until it ends."""

    def __init__(self, board: Board, timings: Timings) -> None:
        self._board = board
        self._timings = timings
        self._waiting: asyncio.Queue[tuple[bytes, Any]] = asyncio.Queue(maxsize=8)
        self._asked: tuple[Invitation, str] | None = None
        """The invitation that waits for the password, and the nonce that was sent."""

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Put a datagram into the small buffer that the network stack has."""
        if self._board.live.faults.ota_dead is None and not self._waiting.full():
            self._waiting.put_nowait((data, addr))

    async def run(self, transport: asyncio.DatagramTransport) -> None:
        """Serve invitations until one has led to a new image: then the device restarts."""
        while not self._board.restart.is_set():
            data, host = await self._waiting.get()
            invitation = self._admitted(data, partial(transport.sendto, addr=host))
            if invitation is None:
                continue
            transport.sendto(b"OK", host)
            if invitation.fits and await self._fetch(invitation, str(host[0])):
                self._board.restart.set()

    def _admitted(self, data: bytes, answer: Callable[[bytes], None]) -> Invitation | None:
        """Return the invitation that is to be served; asks for the password first, where there is one.

        As with the device, what comes in the password's place is met with silence and ends the wait for it, even if it
        is an invitation.
        """
        password = self._board.password
        asked, self._asked = self._asked, None
        if asked is None or password is None:
            invitation = read_invitation(data)
            if invitation is None or password is None:
                return invitation
            self._asked = invitation, password.nonce()
            answer(f"AUTH {self._asked[1]}".encode())
            return None
        found = _PASSWORD.fullmatch(data)
        cnonce, proof = (part.decode() for part in found.groups()) if found else ("", "")
        if not len(cnonce) == len(proof) == password.form.length:
            return None
        if password.proven(asked[1], cnonce, proof):
            return asked[0]
        answer(b"Authentication Failed")
        return None

    async def _fetch(self, invitation: Invitation, host: str) -> bool:
        """Connect to the host, take the image, and say how it went."""
        try:
            async with asyncio.timeout(self._timings.ota_connect):
                reader, writer = await asyncio.open_connection(
                    host, invitation.port, local_addr=(self._board.device.address, 0)
                )
        except (OSError, TimeoutError):
            return False
        try:
            return await self._take(invitation, reader, writer)
        except OSError:
            # The host went away: the old firmware stays.
            return False
        finally:
            writer.close()

    async def _take(self, invitation: Invitation, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        image, last = await self._received(invitation, reader, writer)
        if image is None:
            return False
        live = self._board.live
        error = _fault(invitation, image) or (_BAD_MD5 if live.strikes("bad-md5") else None)
        if error is not None:
            result = f"{error}\r\n"
        else:
            await self._accept(invitation, image)
            result = "" if live.strikes("lost-ok") else "OK"
        # In one piece with the last count, as the network likes to deliver them.
        writer.write((last + result).encode())
        # A host that has left hears nothing of it; what was activated is booted all the same.
        with suppress(OSError):
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        return error is None

    async def _accept(self, invitation: Invitation, image: bytes) -> None:
        if invitation.command == FIRMWARE:
            # In a thread: other simulated devices of this process go on meanwhile.
            slot = await asyncio.to_thread(self._board.flash.write, image)
            self._board.flash.activate(slot, starts=not self._board.live.strikes("boots-old"))
        self._board.live.accepted()

    async def _received(
        self, invitation: Invitation, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[bytes | None, str]:
        """Read the image, answering each piece but the last with its count; None where the host fell silent.

        The last count is returned, for it goes out with the result.
        """
        live = self._board.live
        live.invited()
        if fault := live.interrupts(0, invitation.size):
            await _interrupt(fault, reader, writer)
            return None, ""
        image = bytearray()
        count, repeats = "", 0
        while len(image) < invitation.size:
            piece, pause = live.crawling(min(_READ, invitation.size - len(image)))
            await asyncio.sleep(pause)
            try:
                async with asyncio.timeout(self._timings.simulator_patience):
                    data = await reader.read(piece)
            except TimeoutError:
                if not count or repeats == _REPEATS:
                    return None, ""
                repeats += 1
                writer.write(count.encode())
                continue
            if not data:
                return None, ""
            image += data
            if invitation.command == FIRMWARE and image[0] != _MAGIC:
                return bytes(image), ""
            count, repeats = str(len(data)), 0
            if fault := live.interrupts(len(image), invitation.size):
                await _interrupt(fault, reader, writer)
                return None, ""
            if len(image) < invitation.size:
                writer.write(count.encode())
                await writer.drain()
        return bytes(image), count


def _fault(invitation: Invitation, image: bytes) -> str | None:
    """Return what the device would say of an image; like the device, it looks at no chip, no checksum, no name."""
    if invitation.command == FIRMWARE and image[0] != _MAGIC:
        return "Wrong Magic Byte"
    if hashlib.md5(image, usedforsecurity=False).hexdigest() != invitation.md5:
        return _BAD_MD5
    return None


async def _interrupt(fault: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Cut a transfer with a reset, or let it stall until the host leaves."""
    if fault == "stall":
        # Only who reads learns that the host has left; that the bytes are thrown away, the host cannot see.
        while await reader.read(_READ):
            pass
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
