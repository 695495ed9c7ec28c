"""The web server of the simulated device: dispatch, limits and error shapes, as an ASGI application."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from k1nb.device._facts import JSON_MEMORY, MAX_BODY, Route
from k1nb.device._proof import PROOF_PATH
from k1nb.device.simulator._board import Board
from k1nb.device.simulator._routes import ROUTES, Answer, Crash, Handler, refusal

_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET,POST,OPTIONS",
    "Access-Control-Allow-Headers": "Content-Type",
    "Access-Control-Allow-Credentials": "false",
}
_CLOSE = {"Connection": "close"}
_NOT_HANDLED = "Handler did not handle the request"


class WebServer:
    """Answers as the device does; one instance per device."""

    def __init__(self, board: Board) -> None:
        self._board = board

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; after a crash the connection ends without an answer."""
        try:
            response = await self._respond(Request(scope, receive))
        except ClientDisconnect:
            return
        except Crash:
            self._board.restart.set()
            # An answer that is never finished makes the server drop the connection.
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})
            return
        if (slow := self._board.live.faults.slow) is not None and not scope["path"].startswith(PROOF_PATH):
            await _pass(slow.value, receive)
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=_CORS | _CLOSE)
        found = match(request.method, request.url.path)
        if found is None:
            return _rendered(Answer({"error": "Not found"}, 404))
        route, handler = found
        body = await _body(request) if route.method == "POST" else b""
        if body is None:
            return _rendered(Answer({"error": "payload_too_large", "max_size": MAX_BODY}, 413))
        as_json = request.headers.get("content-type", "").startswith("application/json")
        if route.method == "POST" and not (body and as_json):
            return Response(_NOT_HANDLED, 501, headers=_CLOSE, media_type="text/plain")
        return _rendered(self._handled(route, handler, dict(request.query_params), body))

    def _handled(self, route: Route, handler: Handler, query: dict[str, str], body: bytes) -> Answer:
        if left := self._milliseconds_left(route):
            limits = {"X-RateLimit-Window": str(route.window), "X-RateLimit-NextAllowedMs": str(left)}
            answer = refusal(self._board, 429, "rate_limited", "Too many requests")
            return Answer(answer.body, answer.status, limits)
        fields = _parsed(body) if body else {}
        if fields is None:
            return refusal(self._board, 400, "invalid_json", "Invalid JSON")
        return handler(self._board, query, fields)

    def _milliseconds_left(self, route: Route) -> int:
        """Return how long a route is refused yet: for its whole window, at any time, where the device refuses all.

        The private routes have no window: what tells of a fault from outside works under each of them.
        """
        if self._board.live.faults.refuses is None or not route.window:
            return self._board.milliseconds_left(route)
        self._board.flash.count_refusal()
        return route.window


def match(method: str, path: str) -> tuple[Route, Handler] | None:
    """Find the route for a request: the first one registered whose path is this one or lies above it."""
    for route, handler in ROUTES.items():
        if route.method == method and (path == route.path or path.startswith(route.path + "/")):
            return route, handler
    return None


def _rendered(answer: Answer) -> Response:
    headers = {**_CORS, **_CLOSE, **answer.headers}
    if isinstance(answer.body, str):
        return Response(answer.body, answer.status, headers=headers, media_type="text/plain")
    content = json.dumps(answer.body, separators=(",", ":"))
    return Response(content, answer.status, headers=headers | {"Content-Type": "application/json"})


async def _pass(seconds: float, receive: Receive) -> None:
    """Let so much time pass; less where the client, or the device, goes away meanwhile."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass


async def _body(request: Request) -> bytes | None:
    """Read a request's body; None where it is larger than the device takes."""
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > MAX_BODY:
            return None
    return bytes(data)


def _parsed(body: bytes) -> dict[str, Any] | None:
    """Parse a body into the device's document memory; None where it is no JSON or does not fit."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return {}
    return None if _memory(value) > JSON_MEMORY else value


def _memory(fields: dict[str, Any]) -> int:
    """Return what a flat object takes in the device's JSON library: 16 bytes a member, and its texts."""
    texts = [*fields, *(value for value in fields.values() if isinstance(value, str))]
    return 16 * len(fields) + sum(len(text.encode()) + 1 for text in texts)
