"""Who we are to a Conductor server that asks (Orkes); Conductor OSS does not."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
import time
from collections.abc import AsyncGenerator, Generator

import httpx
from pydantic import SecretStr

from k1nb._http import words
from k1nb.config import Settings
from k1nb.errors import ConductorRefused, SettingError
from k1nb.timings import Timings

HEADER = "X-Authorization"

Flow = Generator[httpx.Request, httpx.Response, None]


class TokenAuth(httpx.Auth):
    """Exchanges a key and its secret for a token at `/token`: at first, before it expires, and once after a 401.

    Serves synchronous and asynchronous clients alike; of many requests at once one fetches the token, the others
    wait for it. A refused exchange is a ConductorRefused. Source: Orkes' access keys, POST /api/token.
    """

    requires_response_body = True

    def __init__(self, url: str, key: str, secret: SecretStr, timings: Timings | None = None) -> None:
        self._url = f"{url}/token"
        self._key = key
        self._secret = secret
        self._timings = timings or Timings()
        self._token = ""
        self._renew_at = 0.0
        self._sync = threading.Lock()
        self._async = asyncio.Lock()

    def __repr__(self) -> str:
        """Name the key, and no secret."""
        return f"TokenAuth({self._url!r}, key={self._key!r})"

    def sync_auth_flow(self, request: httpx.Request) -> Flow:
        """Send the request with a token, and once more with a new one where the server no longer takes it."""
        used = ""
        while True:
            with self._sync:
                if self._wanted(used):
                    response = yield self._exchange()
                    response.read()
                    self._keep(response)
                token = self._token
            request.headers[HEADER] = token
            response = yield request
            if used or response.status_code != httpx.codes.UNAUTHORIZED:
                return
            used = token

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Send the request with a token, and once more with a new one where the server no longer takes it."""
        used = ""
        while True:
            async with self._async:
                if self._wanted(used):
                    response = yield self._exchange()
                    await response.aread()
                    self._keep(response)
                token = self._token
            request.headers[HEADER] = token
            response = yield request
            if used or response.status_code != httpx.codes.UNAUTHORIZED:
                return
            used = token

    def _wanted(self, refused: str) -> bool:
        """Tell whether a token is to be fetched: there is none, it is about to expire, or it is the refused one."""
        return self._token in ("", refused) or time.time() >= self._renew_at

    def _exchange(self) -> httpx.Request:
        body = {"keyId": self._key, "keySecret": self._secret.get_secret_value()}
        return httpx.Request("POST", self._url, json=body)

    def _keep(self, response: httpx.Response) -> None:
        """Keep a token and the time to renew it; raises ConductorRefused where none was given."""
        self._token = ""
        if response.is_success:
            try:
                token = str(response.json()["token"])
            except (ValueError, KeyError, TypeError, RecursionError):
                token = ""
            if token:
                self._token, self._renew_at = token, self._due(token)
                return
        said = words(response).replace(self._secret.get_secret_value(), "***") if response.is_error else "no token"
        unknown = "this server has no access keys: unset CONDUCTOR_AUTH_KEY and CONDUCTOR_AUTH_SECRET"
        raise ConductorRefused(
            f"Conductor gave no token for the access key {self._key} ({response.status_code}): {said}",
            status=response.status_code,
            hint=unknown if response.status_code == httpx.codes.NOT_FOUND else "check the access key and its secret",
        )

    def _due(self, token: str) -> float:
        now = time.time()
        expires = _expiry(token)
        if expires is None or expires <= now:  # by a clock that is not ours, if it was given to us expired
            return now + self._timings.token_life
        # One that lives shorter than the margin would be fetched for every request.
        return max(expires - self._timings.token_margin, now + (expires - now) / 2)


def _expiry(token: str) -> float | None:
    """Return when a JSON web token expires, in seconds since 1970; None where it does not say so."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        said = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return float(said["exp"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def auth(settings: Settings) -> TokenAuth | None:
    """Return the authentication that the settings ask for, if any; raises SettingError for half of it."""
    key, secret = settings.conductor_auth_key, settings.conductor_auth_secret
    if key and secret:
        return TokenAuth(settings.conductor_server_url, key, secret, settings.timings)
    if key or secret:
        missing = "CONDUCTOR_AUTH_SECRET" if key else "CONDUCTOR_AUTH_KEY"
        raise SettingError(f"the Conductor server's access key is given by half: {missing} is missing", hint="set both")
    return None
