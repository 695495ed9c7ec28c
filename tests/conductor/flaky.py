"""A server on a real socket that fails as it is told, and keeps what it was sent."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.serving import serving

GOOD = b"{}"


def answer(body: bytes = GOOD, status: int = 200) -> bytes:
    """Return a whole HTTP answer."""
    kind, size = "Content-Type: application/json", f"Content-Length: {len(body)}"
    closing = "Connection: close"  # no second request may meet a connection that is about to be closed
    head = "\r\n".join((f"HTTP/1.1 {status} X", kind, size, closing, "", ""))
    return head.encode() + body


CUT = b""
"""The connection is closed without a word."""
HALF = answer(b'{"half": 1}')[:-4]
"""The connection is closed within the answer."""
BUSY = answer(b'{"message": "busy"}', 503)
LOCKED = answer(b'{"message": "the database is locked", "retryable": true}', 500)
GARBLED = answer().replace(b"Content-Type", b"Content-Encoding: gzip\r\nContent-Type")
"""The answer calls itself compressed, and is not."""
SILENT = b"silent"
"""Nothing is said, and the connection stays."""
BROKEN = answer(b'{"message": "broken", "retryable": false}', 500)


class Flaky(socketserver.ThreadingTCPServer):
    """Gives one answer per connection, in order; the last one stays."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, answers: Sequence[bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = list(answers)
        self.over = threading.Event()
        self.seen: list[tuple[str, bytes]] = []
        """Request line and body of each request."""

    @property
    def url(self) -> str:
        """The API's address."""
        return f"http://127.0.0.1:{self.server_address[1]}/api"


class _Handler(socketserver.StreamRequestHandler):
    server: Flaky

    def handle(self) -> None:
        line = self.rfile.readline().decode().strip()
        length = 0
        while (header := self.rfile.readline().strip()) != b"":
            name, _, value = header.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        self.server.seen.append((line, self.rfile.read(length)))
        answers = self.server.answers
        given = answers.pop(0) if len(answers) > 1 else answers[0]
        if given is SILENT:
            self.server.over.wait()
        else:
            self.wfile.write(given)


@contextmanager
def flaky(*answers: bytes) -> Iterator[Flaky]:
    """Serve these answers in order, the last one for ever."""
    with serving(Flaky(answers)) as server:
        yield server
        server.over.set()
