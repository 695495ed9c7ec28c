"""How the client talks to the server: one table of calls, one place for timeouts, repeats and errors."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from k1nb._http import options, words
from k1nb.conductor._auth import auth as auth_of
from k1nb.conductor._calls import CALLS, Call
from k1nb.config import Settings
from k1nb.errors import ConductorNotFound, ConductorRefused, ConductorUnreachable
from k1nb.timings import Timings

TRIES = 3
"""How often a repeatable call is sent in all."""
_PASSING = frozenset({429, 502, 503, 504})
_NOT_REPEATED = (httpx.ConnectError, httpx.TimeoutException)
"""Nobody there, and silence to the end of the deadline: another try would only make the caller wait."""
Params = Mapping[str, str]
FOREIGN = "CONDUCTOR_SERVER_URL must be the API's address, which ends in /api"
"""What to do about an answer that is not Conductor's."""


class Connection:
    """Sends the calls of `CALLS`; the nouns of the client stand on it.

    Every call raises ConductorUnreachable where no answer came, ConductorNotFound for what is not there and
    ConductorRefused, in the server's own words, for any other error answer. A repeatable call whose connection was
    cut, or that the server calls a passing failure, is sent up to TRIES times; no other call ever is.
    """

    def __init__(self, url: str, timings: Timings, auth: httpx.Auth | None = None, *, owner: str = "") -> None:
        self.url = url
        self._timings = timings
        self._owner = owner
        self._http = httpx.Client(**options(timings.conductor_request, url), auth=auth)

    @classmethod
    def from_settings(cls, settings: Settings, *, timings: Timings | None = None) -> Self:
        """Return a client of the configured server, with the settings' timings unless others are given."""
        timings = timings or settings.timings
        return cls(settings.conductor_server_url, timings, auth_of(settings), owner=settings.owner_email)

    def __repr__(self) -> str:
        """Name the server, and nothing that authenticates."""
        return f"Conductor({self.url!r})"

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection."""
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    def _call(self, name: str, /, *, params: Params | None = None, json: Any = None, **parts: str) -> httpx.Response:
        """Send a call of the table and return its good answer."""
        call = CALLS[name]
        route = call.route.format_map({key: quote(value, safe="") for key, value in parts.items()})
        pauses = self._pauses(call)
        while True:
            try:
                response = self._http.request(call.method, route, params=params, json=json)
            except httpx.HTTPError as error:  # an answer that cannot be unpacked included
                if isinstance(error, _NOT_REPEATED) or not _slept(pauses):
                    raise self._unreachable(error) from error
            else:
                if response.is_success:
                    return response
                if not _passing(response) or not _slept(pauses):
                    raise _refusal(call, response)

    def _pauses(self, call: Call) -> Iterator[float]:
        return iter([self._timings.reconnect_first * 2**n for n in range(TRIES - 1)] if call.repeatable else [])

    def _object(self, name: str, /, *, params: Params | None = None, json: Any = None, **parts: str) -> dict[str, Any]:
        response = self._call(name, params=params, json=json, **parts)
        answer = decoded(response)
        if not isinstance(answer, dict):
            raise foreign(response)
        return answer

    def _objects(self, name: str, /, *, params: Params | None = None, **parts: str) -> list[dict[str, Any]]:
        response = self._call(name, params=params, **parts)
        answer = decoded(response)
        if not isinstance(answer, list) or not all(isinstance(item, dict) for item in answer):
            raise foreign(response)
        return answer

    def _unreachable(self, error: httpx.HTTPError) -> ConductorUnreachable:
        return ConductorUnreachable(
            f"Conductor does not answer at {self.url}: {error or type(error).__name__}",
            hint="see `k1nb status`; start it with `k1nb up conductor`",
        )


def decoded(response: httpx.Response) -> Any:
    """Return an answer's JSON; raises ConductorRefused where it is none."""
    try:
        return response.json()
    except (ValueError, RecursionError):
        raise foreign(response) from None


def foreign(response: httpx.Response) -> ConductorRefused:
    """Return the error for an answer that is not Conductor's."""
    return ConductorRefused(
        f"{response.url} answered {response.status_code} with something that is not Conductor's: {words(response)}",
        status=response.status_code,
        hint=FOREIGN,
    )


def flag(on: bool) -> str:
    """Return a boolean as the server's parameters have it."""
    return "true" if on else "false"


def _slept(pauses: Iterator[float]) -> bool:
    """Wait before another try; False where there is none left."""
    pause = next(pauses, None)
    if pause is None:
        return False
    time.sleep(pause)
    return True


def _passing(response: httpx.Response) -> bool:
    """Tell whether the server may answer better in a moment; Conductor says so of itself in `retryable`."""
    if response.status_code in _PASSING:
        return True
    try:
        said = response.json()
    except (ValueError, RecursionError):
        return False
    return isinstance(said, dict) and said.get("retryable") is True


_EXECUTIONS = "check the id; `k1nb executions list` names those of the last 24 h, with `--hours` older ones"
_LISTS = {
    "/workflow/{id}": _EXECUTIONS,
    "/tasks/{id}/{reference}": _EXECUTIONS,
    "/scheduler/schedules/{name}": "check the name; `k1nb schedule list` names those that are there",
}
"""What tells the names and ids of a route's subjects, by how the route begins."""


def _where_to_look(call: Call) -> str:
    hints = (hint for start, hint in _LISTS.items() if call.route.startswith(start))
    return next(hints, "check the name; `k1nb definitions apply` registers what is shipped")


def _refusal(call: Call, response: httpx.Response) -> ConductorRefused:
    said = f"Conductor refused {call.method} {response.url.path}: {words(response)}"
    if response.status_code == httpx.codes.NOT_FOUND:
        return ConductorNotFound(said, status=404, hint=_where_to_look(call))
    hint = "see what the server says, and correct the request"
    return ConductorRefused(said, status=response.status_code, hint=hint)
