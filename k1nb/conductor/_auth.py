"""Who we are to a Conductor server that asks (Orkes); Conductor OSS does not."""

from __future__ import annotations

from collections.abc import Generator

import httpx
from pydantic import SecretStr

from k1nb.config import Settings
from k1nb.errors import SettingError

HEADER = "X-Authorization"


class TokenAuth(httpx.Auth):
    """Exchanges a key and its secret for a token at `/token`, and again whenever the server answers 401.

    Serves synchronous and asynchronous clients alike. Source: Orkes' access keys, POST /api/token.
    """

    requires_response_body = True

    def __init__(self, url: str, key: str, secret: SecretStr) -> None:
        self._url = f"{url}/token"
        self._key = key
        self._secret = secret
        self._token = ""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send the request with a token; an error answer to the exchange itself is what the caller sees."""
        if not self._token:
            self._keep((yield self._exchange()))
        request.headers[HEADER] = self._token
        response = yield request
        if response.status_code == httpx.codes.UNAUTHORIZED:
            self._keep((yield self._exchange()))
            request.headers[HEADER] = self._token
            yield request

    def _exchange(self) -> httpx.Request:
        body = {"keyId": self._key, "keySecret": self._secret.get_secret_value()}
        return httpx.Request("POST", self._url, json=body)

    def _keep(self, response: httpx.Response) -> None:
        try:
            self._token = str(response.json()["token"]) if response.is_success else ""
        except (ValueError, KeyError, TypeError):  # no token: the request itself will be refused, in the server's words
            self._token = ""


def auth(settings: Settings) -> TokenAuth | None:
    """Return the authentication that the settings ask for, if any; raises SettingError for half of it."""
    key, secret = settings.conductor_auth_key, settings.conductor_auth_secret
    if key and secret:
        return TokenAuth(settings.conductor_server_url, key, secret)
    if key or secret:
        missing = "CONDUCTOR_AUTH_SECRET" if key else "CONDUCTOR_AUTH_KEY"
        raise SettingError(f"the Conductor server's access key is given by half: {missing} is missing", hint="set both")
    return None
