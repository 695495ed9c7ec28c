"""What a web app's page shows to whoever asks: that it answers, which release it is, and that its calls arrive."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
from pydantic import TypeAdapter, ValidationError

from k1nb._http import options
from k1nb.errors import HostError
from k1nb.timings import Timings

RELEASE_FILE = "k1nb-release.json"
"""Beside the page: which release it is, and where the API of its device is. The page may read it."""
INFO = "/api/device-info"
"""The alias of the device's identity: it has a rate window of its own."""
_TRIES = 3


@dataclass(frozen=True, slots=True)
class ReleaseFacts:
    """What a release says of itself."""

    release: str
    release_version: str
    environment: str
    webapp: str
    """Id of the web app."""
    commit: str
    device: str
    mac: str
    api: str
    """Where the device's API is."""


_FACTS = TypeAdapter(ReleaseFacts)


async def served(url: str, release: str, timings: Timings) -> str:
    """Return the evidence that a release is what is served at `url`; raises HostError where it is not."""
    facts = await release_at(url, timings)
    if facts.release != release:
        raise HostError(f"{url} serves release {facts.release}, not {release}", hint="does it serve `current`?")
    return f"{url} serves release {release}"


async def release_at(url: str, timings: Timings) -> ReleaseFacts:
    """Return what the release that is served at `url` says of itself; raises HostError without a clear answer."""
    response = await get(urljoin(url, RELEASE_FILE), timings)
    try:
        return _FACTS.validate_json(response.content)
    except ValidationError:
        raise HostError(
            f"{response.url} tells of no release", hint="let the web server serve the target's `current`"
        ) from None


async def page_parts(url: str, timings: Timings) -> int:
    """Return how many parts of its own the page at `url` names, after each has answered; raises HostError."""
    response = await get(url, timings)
    kind = response.headers.get("content-type", "")
    if not kind.startswith("text/html") or not response.text.strip():
        raise HostError(f"{url} answers with {kind or 'no type'} and no page", hint="let it serve index.html")
    parts = [part for part in _parts(response.text) if _same_origin(urljoin(url, part), url)]
    for part in parts:
        await get(urljoin(url, part), timings)
    return len(parts)


async def device_by(api: str, origin: str, timings: Timings) -> str:
    """Return the MAC that a page's call to its device's API gets; raises HostError where a browser would get none."""
    response = await get(urljoin(api, INFO), timings, {"Origin": origin})
    allowed = response.headers.get("access-control-allow-origin")
    if allowed not in ("*", origin):
        raise HostError(f"{api} lets no page of {origin} read its answers", hint="it must allow that origin")
    try:
        answer: Any = response.json()
        return str(answer["mac"]).upper()
    except (ValueError, KeyError, TypeError):
        raise HostError(f"{response.url} answers as no K1 does", hint="is that the device's address?") from None


async def get(url: str, timings: Timings, headers: dict[str, str] | None = None) -> httpx.Response:
    """Return a good answer, after a rate limit has been waited for; raises HostError for any other."""
    base = f"{urlsplit(url).scheme}://{urlsplit(url).netloc}"
    try:
        async with httpx.AsyncClient(**options(timings.webapp_request, base)) as client:
            for _ in range(_TRIES):
                response = await client.get(url, headers=headers)
                if response.status_code != httpx.codes.TOO_MANY_REQUESTS:
                    break
                await asyncio.sleep(timings.reboot_poll)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise HostError(f"{url} does not answer: {error or type(error).__name__}", hint="is it served?") from error
    if response.status_code != httpx.codes.OK:
        raise HostError(f"{url} answers {response.status_code}", hint="is it served?")
    return response


def _same_origin(one: str, other: str) -> bool:
    return urlsplit(one)[:2] == urlsplit(other)[:2]


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        wanted = {"script": "src", "link": "href", "img": "src"}.get(tag)
        self.found += [value for name, value in attrs if name == wanted and value]


def _parts(page: str) -> list[str]:
    parser = _Parser()
    parser.feed(page)
    parser.close()
    return list(dict.fromkeys(parser.found))


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's own word
        """Say nothing: whoever asks is this process."""


@contextmanager
def _serving(folder: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[str]:
    """Serve a folder on the loopback, on a port of its own, and yield its address."""
    with _serving(folder) as url:
        yield url
