"""A path to a device with a round-trip time: `python -m benchmarks._delay OTA_PORT MILLISECONDS`, until SIGTERM.

Prints the UDP port it listens at. Each byte and each datagram arrives half the round-trip time later, and no more bytes
are under way to the device than the receive window of a K1 has room for: what was taken there is known here another
half later. Threads that sleep, for an event loop rounds its waits up to whole milliseconds.
"""

from __future__ import annotations

import queue
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

HOST = "127.0.0.1"
WINDOW = 5744
"""Bytes that lwIP takes before they are read, as the Arduino core configures it for the ESP32-S3."""
_READ = 65536


class Later:
    """Does what it is given, in order, each thing a fixed time after it was given."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._due: queue.SimpleQueue[tuple[float, Callable[[], None]] | None] = queue.SimpleQueue()
        threading.Thread(target=self._work, daemon=True).start()

    def do(self, action: Callable[[], None]) -> None:
        """Do this later."""
        self._due.put((time.monotonic() + self._seconds, action))

    def end(self) -> None:
        """Do no more once everything is done."""
        self._due.put(None)

    def _work(self) -> None:
        while (item := self._due.get()) is not None:
            time.sleep(max(item[0] - time.monotonic(), 0))
            item[1]()


class Window:
    """How many bytes may still be sent to the device."""

    def __init__(self, size: int) -> None:
        self._room = size
        self._changed = threading.Condition()

    def wait(self) -> int:
        """Wait for room and return how much there is."""
        with self._changed:
            self._changed.wait_for(lambda: self._room > 0)
            return self._room

    def add(self, count: int) -> None:
        """Give room back, or with a negative count take it."""
        with self._changed:
            self._room += count
            self._changed.notify()


def relay(source: socket.socket, sink: socket.socket, half: float, window: int) -> None:
    """Bring what one side sends to the other, half a round trip later, until it ends."""
    there, back, free = Later(half), Later(half), Window(window)

    def deliver(data: bytes) -> None:
        with suppress(OSError):  # who has left gets no more
            sink.sendall(data)
        back.do(lambda: free.add(len(data)))

    def close() -> None:
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    while data := source.recv(min(free.wait(), _READ)):
        free.add(-len(data))
        there.do(lambda data=data: deliver(data))  # type: ignore[misc]  # the data of this turn
    there.do(close)
    there.end()
    back.end()


def connect(host: tuple[str, int], listening: socket.socket, half: float) -> None:
    """Take the device's connection and bring it to the host."""
    with listening:
        device, _ = listening.accept()
    time.sleep(half)
    sender = socket.create_connection(host)
    for one in (device, sender):
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    upload = threading.Thread(target=relay, args=(sender, device, half, WINDOW), daemon=True)
    upload.start()
    relay(device, sender, half, _READ)
    upload.join()
    time.sleep(2 * half)
    device.close()
    sender.close()


def main(ota_port: int, half: float) -> None:
    """Pass invitations on, each with a TCP port of ours in the place of the host's."""
    there, back = Later(half), Later(half)
    with socket.socket(type=socket.SOCK_DGRAM) as hosts:
        hosts.bind((HOST, 0))

        def tell(answer: bytes, host: tuple[str, int]) -> None:
            hosts.sendto(answer, host)

        sys.stdout.write(f"{hosts.getsockname()[1]}\n")
        sys.stdout.flush()
        while True:
            data, host = hosts.recvfrom(1000)
            command, port, rest = data.split(b" ", 2)
            listening = socket.create_server((HOST, 0))
            listening.settimeout(60)
            invitation = b" ".join((command, str(listening.getsockname()[1]).encode(), rest))
            threading.Thread(target=connect, args=((host[0], int(port)), listening, half), daemon=True).start()

            def pass_on(invitation: bytes = invitation, host: tuple[str, int] = host) -> None:
                with socket.socket(type=socket.SOCK_DGRAM) as device:
                    device.settimeout(5)
                    device.sendto(invitation, (HOST, ota_port))
                    answer = device.recv(100)
                back.do(lambda: tell(answer, host))

            there.do(pass_on)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]) / 2000)
