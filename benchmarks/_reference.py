"""The algorithm of the reference sender, espota.py of the Arduino core, written anew from its description.

An invitation by UDP, then lock-step: 1,024 bytes, one read of at most ten bytes, the next 1,024 bytes; at the end up to
five reads for the result. It believes any answer that has OK in it. Blocking sockets, as it has them.
"""

from __future__ import annotations

import hashlib
import socket

CHUNK, ANSWER, RESULT = 1024, 10, 32
INVITATIONS, PATIENCE, RESULTS, LAST_PATIENCE = 10, 10.0, 5, 60.0


class Refused(Exception):
    """The reference sender would have ended with exit code 1."""


def send(image: bytes, host: str, ota_port: int) -> None:
    """Send an image to a device without a password; raises Refused where the reference gives up."""
    with socket.create_server((host, 0), backlog=1) as listening:
        listening.settimeout(PATIENCE)
        md5 = hashlib.md5(image, usedforsecurity=False).hexdigest()
        _invite(f"0 {listening.getsockname()[1]} {len(image)} {md5}\n".encode(), (host, ota_port))
        connection, _ = listening.accept()
        with connection:
            connection.settimeout(PATIENCE)
            _deliver(connection, image)


def _invite(invitation: bytes, device: tuple[str, int]) -> None:
    for _ in range(INVITATIONS):
        with socket.socket(type=socket.SOCK_DGRAM) as udp:
            udp.settimeout(PATIENCE)
            udp.sendto(invitation, device)
            try:
                answer = udp.recv(37)
            except TimeoutError:
                continue
        if answer == b"OK":
            return
        raise Refused(f"bad answer: {answer!r}")
    raise Refused("no response from the device")


def _deliver(connection: socket.socket, image: bytes) -> None:
    answer = b""
    for start in range(0, len(image), CHUNK):
        connection.sendall(image[start : start + CHUNK])
        answer = connection.recv(ANSWER)
    connection.settimeout(LAST_PATIENCE)
    for _ in range(RESULTS):
        if b"OK" in answer:
            return
        answer = connection.recv(RESULT)
    if b"OK" not in answer:
        raise Refused(f"error response from the device: {answer!r}")
