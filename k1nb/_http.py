"""What every HTTP client of ours shares."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import httpx

from k1nb import __version__

T = TypeVar("T")

USER_AGENT = f"k1nb/{__version__}"


def options(timeout: float, url: str) -> dict[str, Any]:
    """Return the keyword arguments of an httpx client for `url`: no proxy from the environment, one timeout.

    For an address without TLS the system's certificates are not read, which takes longer than a call; the context
    given instead trusts nobody.
    """
    common = {"base_url": url, "timeout": timeout, "trust_env": False, "headers": {"User-Agent": USER_AGENT}}
    plain = {"verify": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)} if url.startswith("http://") else {}
    return {**common, **plain, "follow_redirects": False}


def free_port() -> int:
    """Return a TCP port of this host's loopback that nobody uses now."""
    with socket.socket() as tcp:
        tcp.bind(("127.0.0.1", 0))
        return int(tcp.getsockname()[1])


def words(response: httpx.Response, limit: int = 300) -> str:
    """Return what an error answer says, in the server's own words, on one line; a page says nothing."""
    try:
        body = response.json()
    except (ValueError, RecursionError):  # no JSON, or JSON nested beyond what can be read
        body = response.text
        if body.lstrip().startswith("<"):
            return f"HTTP {response.status_code} with a page instead of words"
    if isinstance(body, dict):
        detail = [str(e.get("message", e)) for e in body.get("validationErrors") or [] if isinstance(e, dict)]
        body = "; ".join(detail) or body.get("message") or body.get("error") or body
    text = " ".join(str(body).split())
    return text[: limit - 1] + "…" if len(text) > limit else text or f"HTTP {response.status_code} without a body"


def sendable(text: str) -> str:
    """Return `text` with `?` for each half of a surrogate pair, as names of files may hold: UTF-8 has none."""
    return text.encode("utf-8", "replace").decode()


def run(function: Callable[..., Coroutine[Any, Any, T]], *arguments: Any) -> T:
    """Run a coroutine function to its end from synchronous code, inside a notebook's running loop too."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(function(*arguments))
    from anyio.from_thread import start_blocking_portal

    with start_blocking_portal() as portal:
        result: T = portal.call(function, *arguments)
    return result
