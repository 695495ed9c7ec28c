"""A device's side of the OTA protocol for tests of the sender: small, blocking, and nasty on request."""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import socket
import struct
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from time import monotonic, sleep

Talk = Callable[[socket.socket, int], None]
"""What the peer does with its connection to the sender and the size it was promised."""


@dataclass
class Peer:
    """Listens for invitations on loopback; what it got is kept for the test to look at."""

    talk: Talk | None = None
    """None: say OK, but never connect."""
    answer: bytes | None = b"OK"
    ignore: int = 0
    """How many invitations are lost on the way."""
    answers: int = 1
    password: str | None = None
    """What the peer asks for before it connects."""
    nonce: str = "0123456789abcdef0123456789abcdef"
    """32 hex digits ask for the MD5 form of the password, 64 for the PBKDF2 form."""
    before: Callable[[tuple[str, int]], None] | None = None
    """Called with the sender's TCP address before the peer connects."""
    invitations: list[bytes] = field(default_factory=list)
    image: bytes = b""
    port: int = 0

    def serve(self, udp: socket.socket) -> None:
        """Take one session."""
        while True:
            try:
                data, sender = udp.recvfrom(1000)
            except (TimeoutError, OSError):
                return
            if data == b"stop":
                return
            if data.startswith(b"200 "):
                if not self._proves(data):
                    udp.sendto(b"Authentication Failed", sender)
                    continue
            else:
                self.invitations.append(data)
                if len(self.invitations) <= self.ignore:
                    continue
                if self.password is not None:
                    udp.sendto(f"AUTH {self.nonce}".encode(), sender)
                    continue
            for _ in range(self.answers if self.answer is not None else 0):
                udp.sendto(self.answer or b"", sender)
            if self.talk is not None:
                invitation = self.invitations[-1].split()
                self._connect((sender[0], int(invitation[1])), int(invitation[2]))
                return

    def _proves(self, data: bytes) -> bool:
        """Tell whether a datagram proves the password."""
        cnonce, _, proof = data.decode()[4:].rstrip("\n").partition(" ")
        return proof == proof_of(self.password or "", self.nonce, cnonce)

    def _connect(self, sender: tuple[str, int], size: int) -> None:
        if self.before is not None:
            self.before(sender)
        assert self.talk is not None
        with socket.create_connection(sender, timeout=5) as connection:
            self.talk(connection, size)

    def read(self, connection: socket.socket, most: int = 1460) -> bytes:
        """Read some of the image."""
        data = connection.recv(most)
        self.image += data
        return data

    def finish(self, connection: socket.socket, size: int, say: str = "OK") -> None:
        """Read the rest with an answer for each piece, then say `say` in one piece with the last count."""
        while data := self.read(connection):
            last = len(self.image) == size
            connection.sendall(f"{len(data)}{say if last else ''}".encode())
            if last:
                return

    @property
    def md5(self) -> str:
        """MD5 of what arrived."""
        return hashlib.md5(self.image, usedforsecurity=False).hexdigest()


def proof_of(password: str, nonce: str, cnonce: str) -> str:
    """Return what proves a password to a device of core 2.x (32 digits) or of core 3.3.1 (64), from its description."""
    if len(nonce) == 32:
        inner = hashlib.new("md5", password.encode(), usedforsecurity=False).hexdigest()
        return hashlib.new("md5", ":".join((inner, nonce, cnonce)).encode(), usedforsecurity=False).hexdigest()
    block = salted = hmac.digest(
        sha256(password.encode()).hexdigest().encode(), f"{nonce}:{cnonce}".encode() + bytes((0, 0, 0, 1)), "sha256"
    )
    for _ in range(9_999):
        block = hmac.digest(sha256(password.encode()).hexdigest().encode(), block, "sha256")
        salted = bytes(one ^ other for one, other in zip(salted, block, strict=True))
    return sha256(":".join((salted.hex(), nonce, cnonce)).encode()).hexdigest()


@contextmanager
def listening(peer: Peer) -> Iterator[Peer]:
    """Let a peer serve in a thread for as long as the block lasts."""
    with socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        udp.settimeout(10)
        peer.port = udp.getsockname()[1]
        thread = threading.Thread(target=peer.serve, args=(udp,))
        thread.start()
        try:
            yield peer
        finally:
            with socket.socket(type=socket.SOCK_DGRAM) as stop:
                stop.sendto(b"stop", ("127.0.0.1", peer.port))
            thread.join(10)
            assert not thread.is_alive()


def reset(connection: socket.socket) -> None:
    """Cut a connection as a device does that loses power: with a reset, once what was said has arrived."""
    deadline = monotonic() + 10
    while int.from_bytes(fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)), sys.byteorder):
        assert monotonic() < deadline
        sleep(0.001)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def slowly(connection: socket.socket, text: str) -> None:
    """Send a text byte by byte, each in its own segment."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in text.encode():
        connection.sendall(bytes([byte]))
        sleep(0.002)
