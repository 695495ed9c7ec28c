"""Sounds that are made here, and a server on loopback that gives them."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.serving import serving

RATE = 44_100
Sound = np.ndarray[Any, np.dtype[np.float32]]


def clicks(bpm: float, seconds: float = 12.0, rate: int = RATE) -> Sound:
    """Return short strokes of a tone, so many a minute."""
    sound = np.zeros(int(seconds * rate), dtype=np.float32)
    at = np.arange(int(0.03 * rate)) / rate
    stroke = (0.8 * np.sin(2 * np.pi * 1000 * at) * np.exp(-at / 0.005)).astype(np.float32)
    for moment in np.arange(0.0, seconds - 0.1, 60 / bpm):
        first = int(moment * rate)
        sound[first : first + len(stroke)] += stroke
    return sound


def sine(hertz: float, seconds: float = 2.0, rate: int = RATE) -> Sound:
    """Return a tone of half the full amplitude."""
    tone: Sound = (0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)
    return tone


def write(file: Path, sound: Sound, rate: int = RATE) -> Path:
    """Write a sound in the format of the file's ending."""
    file.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(file, sound, rate, format=file.suffix[1:].upper())
    return file


class _Handler(BaseHTTPRequestHandler):
    """Gives what the server has under a path: a status, headers and a body."""

    def do_GET(self) -> None:
        """Answer, and note what was asked for."""
        server: Any = self.server
        server.asked.append((self.path, self.headers["Host"]))
        status, headers, body = server.answers.get(self.path, (404, {}, b""))
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Sounds(ThreadingHTTPServer):
    """A server on loopback; `answers` by path, `asked` with the host that was named."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: list[tuple[str, str]] = []

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        """Return the address of a path."""
        return f"http://{host}:{self.server_port}{path}"

    def give(self, path: str, body: bytes, status: int = 200, **headers: str) -> str:
        """Have a path answered so, and return its address; an empty header is left out."""
        self.answers[path] = (status, {name.replace("_", "-"): value for name, value in headers.items()}, body)
        return self.url(path)


@pytest.fixture
def sounds() -> Iterator[Sounds]:
    """The server, running."""
    with serving(Sounds()) as server:
        yield server
