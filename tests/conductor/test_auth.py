"""Access keys, against a real small server that wants them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from k1nb.conductor import Conductor, TokenAuth
from k1nb.conductor._auth import HEADER, auth
from k1nb.config import Settings
from k1nb.errors import ConductorRefused, SettingError
from k1nb.timings import Timings


class Orkes(ThreadingHTTPServer):
    """Gives tokens for the right key, and lets them expire on demand."""

    key = ("key", "secret")

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.tokens = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/api"


class _Handler(BaseHTTPRequestHandler):
    server: Orkes

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if (body["keyId"], body["keySecret"]) != self.server.key:
            return self._answer(401, {"message": "no such key"})
        self.server.tokens += 1
        return self._answer(200, {"token": f"token-{self.server.tokens}"})

    def do_GET(self) -> None:
        if self.headers[HEADER] != f"token-{self.server.tokens}":
            return self._answer(401, {"message": "the token is no longer valid"})
        return self._answer(200, [])

    def _answer(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Stay silent."""


@pytest.fixture
def orkes() -> Iterator[Orkes]:
    """A server that wants a token."""
    server = Orkes()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_token_is_fetched_once_and_renewed(orkes: Orkes) -> None:
    """The key is exchanged before the first request, and again when the token is no longer valid."""
    with Conductor(orkes.url, Timings(), TokenAuth(orkes.url, "key", SecretStr("secret"))) as conductor:
        assert conductor.task_definitions() == []
        assert conductor.task_definitions() == []
        assert orkes.tokens == 1
        orkes.tokens = 7
        assert conductor.task_definitions() == []
        assert orkes.tokens == 8


def test_a_wrong_key_is_refused(orkes: Orkes) -> None:
    """A key that the server does not know ends in the server's own words, and in nobody's secret."""
    with (
        Conductor(orkes.url, Timings(), TokenAuth(orkes.url, "key", SecretStr("wrong"))) as conductor,
        pytest.raises(ConductorRefused) as refusal,
    ):
        conductor.task_definitions()
    assert refusal.value.status == httpx.codes.UNAUTHORIZED
    assert "wrong" not in str(refusal.value)


def test_settings_choose(settings: Settings) -> None:
    """Without a key nothing is sent; half of one is a setting to correct."""
    half = settings.model_copy(update={"conductor_auth_key": "key"})
    whole = half.model_copy(update={"conductor_auth_secret": SecretStr("secret")})
    assert auth(settings) is None
    assert isinstance(auth(whole), TokenAuth)
    with pytest.raises(SettingError, match="CONDUCTOR_AUTH_SECRET"):
        auth(half)
