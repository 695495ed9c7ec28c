"""What may answer in a device's place: servers on the loopback that are no K1."""

from __future__ import annotations

import socketserver
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tests.serving import serving

NOWHERE = "127.0.0.1"
DEEP = "[" * 100_000
"""JSON nested beyond what can be read."""

Answer = Callable[[socketserver.StreamRequestHandler], None]


def _http(body: bytes, status: str = "200 OK", kind: str = "application/json", more: str = "") -> Answer:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return _bytes(head.encode() + body)


def _bytes(data: bytes) -> Answer:
    def answer(handler: socketserver.StreamRequestHandler) -> None:
        handler.wfile.write(data)

    return answer


def _silence(handler: socketserver.StreamRequestHandler) -> None:
    handler.rfile.read()


def _trickle(handler: socketserver.StreamRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{")
    while True:
        handler.wfile.write(b" ")
        time.sleep(0.05)


HTML = b"<!DOCTYPE html><html><title>Router</title>\n<p>Log in</p></html>"
ANSWERS: dict[str, tuple[Answer, str]] = {
    "nonsense": (_http(b'{"status": 7, "uptime_ms": "long"}'), "as no K1 does"),
    "truncated": (_http(b'{"status": "ok", '), "without a JSON object"),
    "list": (_http(b"[1, 2]"), "without a JSON object"),
    "deep": (_http(DEEP.encode()), "nested"),
    "latin": (_http(b'{"status": "\xe9"}'), "as no K1 does"),
    "html": (_http(HTML, kind="text/html"), "without a JSON object"),
    "html-404": (_http(HTML, "404 Not Found", "text/html"), "answered 404"),
    "redirect": (_http(b"", "302 Found", more="Location: http://127.0.0.1:1/\r\n"), "HTTP 302"),
    "closes": (_bytes(b""), "no answer"),
    "ssh": (_bytes(b"SSH-2.0-OpenSSH_9.6\r\n"), "no answer"),
    "silent": (_silence, "no answer"),
    "10-mb": (_http(b'{"a": "' + b"x" * 10_000_000 + b'"}'), "more than 262144 bytes"),
    "10-mb-head": (_bytes(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 10_000_000), "no answer"),
    "trickle": (_trickle, "no answer"),
}


@contextmanager
def listening(answer: Answer) -> Iterator[int]:
    """Answer every connection to a port on the loopback with this."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):  # the client hangs up on what it has had enough of
                if answer is not _silence:
                    self.rfile.readline()
                answer(self)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request: object, client_address: object) -> None:
            """Say nothing: clients that hang up are what is tested."""

    with serving(Server((NOWHERE, 0), Handler)) as server:
        yield int(server.server_address[1])
