"""Access keys, against a real small server that wants them."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
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
from tests.conductor.flaky import answer, flaky
from tests.serving import serving


class Orkes(ThreadingHTTPServer):
    """Gives tokens for the right key, and lets them expire on demand."""

    key = ("key", "secret")

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.tokens = 0
        self.accepts = True
        """Whether the newest token is good for anything."""
        self.lives: float | None = None
        """Seconds that a token says it lives; None for one that says nothing."""

    def token(self) -> str:
        """Return the newest token."""
        if self.lives is None:
            return f"token-{self.tokens}"
        claims = json.dumps({"exp": self.expires, "n": self.tokens}).encode()
        return f"e30.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.sig"

    def another(self) -> None:
        """Make another token the newest."""
        self.tokens += 1
        self.expires = time.time() + (self.lives or 0)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/api"


class _Handler(BaseHTTPRequestHandler):
    server: Orkes

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if (body["keyId"], body["keySecret"]) != self.server.key:
            return self._answer(401, {"message": f"no such key with the secret {body['keySecret']}"})
        self.server.another()
        return self._answer(200, {"token": self.server.token()})

    def do_GET(self) -> None:
        if self.headers[HEADER] != self.server.token() or not self.server.accepts:
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
    with serving(Orkes()) as server:
        yield server


def test_a_token_is_fetched_once_and_renewed(orkes: Orkes) -> None:
    """The key is exchanged before the first request, and again when the token is no longer valid."""
    with Conductor(orkes.url, Timings(), TokenAuth(orkes.url, "key", SecretStr("secret"))) as conductor:
        assert conductor.task_definitions() == []
        assert conductor.task_definitions() == []
        assert orkes.tokens == 1
        orkes.tokens = 7
        assert conductor.task_definitions() == []
        assert orkes.tokens == 8


SECRET = SecretStr("secret")


def client(orkes: Orkes, timings: Timings | None = None) -> Conductor:
    """Return a client with the right key."""
    timings = timings or Timings()
    return Conductor(orkes.url, timings, TokenAuth(orkes.url, "key", SECRET, timings))


def test_a_token_is_renewed_once_per_request(orkes: Orkes) -> None:
    """A server that takes no token at all is asked for one more, not for ever, and its refusal is told."""
    orkes.accepts = False
    with client(orkes) as conductor, pytest.raises(ConductorRefused, match="no longer valid") as refusal:
        conductor.task_definitions()
    assert (refusal.value.status, orkes.tokens) == (401, 2)


@pytest.mark.parametrize(
    ("lives", "timings", "fetched"),
    [
        (3600.0, Timings(), 1),
        (3600.0, Timings(token_margin=3601.0), 1),
        (0.4, Timings(token_margin=0.1), 2),
        (None, Timings(token_life=0.2), 2),
        (None, Timings(), 1),
        (-100.0, Timings(), 1),
    ],
)
def test_a_token_is_renewed_before_it_expires(
    orkes: Orkes, lives: float | None, timings: Timings, fetched: int
) -> None:
    """A token's own expiry, or the time it is taken to live, is kept; a clock that differs is no reason to renew."""
    orkes.lives = lives
    with client(orkes, timings) as conductor:
        conductor.task_definitions()
        time.sleep(0.35)
        conductor.task_definitions()
        conductor.task_definitions()
    assert orkes.tokens == fetched


def test_many_requests_share_a_token(orkes: Orkes) -> None:
    """Of requests that begin at once, one fetches the token and the others wait for it, after a 401 as well."""

    async def ask() -> set[int]:
        auth = TokenAuth(orkes.url, "key", SECRET)
        async with httpx.AsyncClient(base_url=orkes.url, auth=auth, trust_env=False) as http:
            first = await asyncio.gather(*(http.get("/metadata/taskdefs") for _ in range(20)))
            orkes.another()
            second = await asyncio.gather(*(http.get("/metadata/taskdefs") for _ in range(20)))
            return {response.status_code for response in [*first, *second]}

    assert asyncio.run(ask()) == {200}
    assert orkes.tokens == 3


def test_threads_share_a_token(orkes: Orkes) -> None:
    """Of threads that ask at once, one fetches the token."""
    with client(orkes) as conductor, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: conductor.task_definitions(), range(16)))
    assert (answers, orkes.tokens) == ([[]] * 16, 1)


def test_a_wrong_key_is_refused(orkes: Orkes) -> None:
    """A key that the server does not know ends in the server's own words, and in nobody's secret."""
    with (
        Conductor(orkes.url, Timings(), TokenAuth(orkes.url, "key", SecretStr("wrong-one"))) as conductor,
        pytest.raises(ConductorRefused, match="no such key") as refusal,
    ):
        conductor.task_definitions()
    assert refusal.value.status == httpx.codes.UNAUTHORIZED
    assert "wrong-one" not in str(refusal.value)
    assert "secret" in (refusal.value.hint or "")


@pytest.mark.parametrize("body", [b"{}", b"[]", b"nonsense", b'{"token": ""}'])
def test_an_exchange_without_a_token_is_refused(body: bytes) -> None:
    """A good answer that carries no token is an error of the server's, never a request without one."""
    with flaky(answer(body)) as server:
        auth = TokenAuth(server.url, "key", SECRET)
        with Conductor(server.url, Timings(), auth) as conductor, pytest.raises(ConductorRefused, match="no token"):
            conductor.healthy()
        assert len(server.seen) == 1


def test_a_server_without_keys_is_told_from_a_wrong_key() -> None:
    """Conductor OSS, which has no access keys, answers 404, and the hint says to unset them."""
    with flaky(answer(b'{"message": "not here"}', 404)) as server:
        auth = TokenAuth(server.url, "key", SECRET)
        with Conductor(server.url, Timings(), auth) as conductor, pytest.raises(ConductorRefused) as refusal:
            conductor.healthy()
    assert "unset" in (refusal.value.hint or "")


def test_nothing_shows_the_secret(orkes: Orkes) -> None:
    """Neither the strategy nor its errors show secret or token."""
    auth = TokenAuth(orkes.url, "key", SECRET)
    with Conductor(orkes.url, Timings(), auth) as conductor:
        conductor.task_definitions()
    assert "secret" not in repr(auth)
    assert "token-1" not in repr(auth)


def test_settings_choose(settings: Settings) -> None:
    """Without a key nothing is sent; half of one is a setting to correct."""
    half = settings.model_copy(update={"conductor_auth_key": "key"})
    whole = half.model_copy(update={"conductor_auth_secret": SecretStr("secret")})
    assert auth(settings) is None
    assert isinstance(auth(whole), TokenAuth)
    with pytest.raises(SettingError, match="CONDUCTOR_AUTH_SECRET"):
        auth(half)
