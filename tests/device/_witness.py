"""Something at a device's address that is no simulator: it notes every connection, datagram and byte."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from k1nb.device import Device


class Witness:
    """A TCP port and a UDP port on loopback, watched."""

    def __init__(self) -> None:
        self.http = socket.create_server(("127.0.0.1", 0))
        self.udp = socket.socket(type=socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        self.heard: list[tuple[str, bytes]] = []
        self.answer = b""
        """What is answered to each TCP connection."""
        self.first: list[bytes] = []
        """What is answered before that, one by one."""
        self.done = threading.Event()

    def device(self, **changes: Any) -> Device:
        """Return an inventory entry that points here."""
        ports = {"http_port": self.http.getsockname()[1], "ota_port": self.udp.getsockname()[1]}
        words: dict[str, Any] = {"name": "k1", "mac": "02:4B:31:00:00:09", "address": "127.0.0.1", **ports, **changes}
        return Device(**words)

    def watch(self) -> None:
        """Note what arrives until told that it is over."""
        for held in (self.http, self.udp):
            held.settimeout(0.02)
        while not self.done.is_set():
            try:
                connection, _ = self.http.accept()
            except TimeoutError:
                pass
            else:
                with connection:
                    connection.settimeout(5)
                    self.heard.append(("tcp", _request(connection)))
                    connection.sendall(self.first.pop(0) if self.first else self.answer)
            with suppress(TimeoutError):
                self.heard.append(("udp", self.udp.recv(4096)))


def _request(connection: socket.socket) -> bytes:
    """Read an HTTP request: its head, and as much body as the head says; or whatever else came."""
    data = connection.recv(4096)
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head.lower())
    while length is not None and len(body) < int(length[1]):
        more = connection.recv(4096)
        if not more:
            break
        data, body = data + more, body + more
    return data


def http(body: bytes, status: str = "200 OK", **headers: object) -> bytes:
    """Return an HTTP answer."""
    lines = {"Content-Type": "application/json", "Content-Length": len(body), "Connection": "close", **headers}
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


@contextmanager
def witness() -> Iterator[Witness]:
    """Watch a device's ports for as long as the block lasts, and a little longer."""
    watched = Witness()
    thread = threading.Thread(target=watched.watch)
    thread.start()
    try:
        yield watched
        time.sleep(0.1)
    finally:
        watched.done.set()
        thread.join(10)
        watched.http.close()
        watched.udp.close()
        assert not thread.is_alive()
