"""Downloads of audio files: from allowed hosts, to the address that was checked, and no more than allowed."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path

import httpx

from k1nb import _http
from k1nb.config import Settings
from k1nb.errors import RetryableFailure, TerminalFailure
from k1nb.paths import private, unwritable

ANY_PUBLIC = "*"
"""Among the allowed hosts: every host with a public address."""
_DEFAULT_PORTS = {"http": 80, "https": 443}
_EMBEDDING = (
    ip_network("64:ff9b::/96"),
    ip_network("64:ff9b:1::/48"),
    ip_network("2002::/16"),
    ip_network("2001::/32"),
)
"""IPv6 networks that lead to an IPv4 address inside: NAT64, 6to4, Teredo."""

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Download:
    """A file as it was fetched."""

    path: Path
    size: int
    """Bytes."""
    sha256: str


async def download(settings: Settings, url: str, *, resolve: Resolve | None = None) -> Download:
    """Fetch a file into the artifact root, named by its sha256.

    The name is looked up once; the connection goes to an address that was found allowed, whatever the name leads to
    meanwhile. Redirects are not followed. Raises TerminalFailure for what may not be fetched, is too large or is not
    there, RetryableFailure where the host does not answer, StorageError.
    """
    target = _target(url)
    allowed = settings.audio_hosts.split()
    _require_listed(target.host, allowed)
    port = target.port or _DEFAULT_PORTS[target.scheme]
    found = await (resolve or _resolve)(target.host, port)
    addresses = [ip_address(text) for text in found]
    _require_allowed(target.host, addresses, allowed)
    try:
        async with asyncio.timeout(settings.timings.audio_download):
            return await _fetch(settings, target, addresses)
    except (httpx.TransportError, TimeoutError) as error:
        what = str(error) or type(error).__name__
        raise RetryableFailure(f"{target.host} does not give the file: {what}", hint="is the host up?") from error


def _target(url: str) -> httpx.URL:
    try:
        target = httpx.URL(url)
    except (httpx.InvalidURL, TypeError) as error:
        raise TerminalFailure(f"{url!r} is no address: {error}", hint="give an http or https address") from None
    if target.userinfo:
        raise TerminalFailure(
            "an address with a user or password in it is not fetched",
            hint="put the file where it can be had without: parameters of an execution are no place for secrets",
        )
    if target.scheme not in _DEFAULT_PORTS or not target.host:
        raise TerminalFailure(f"{url!r} is not fetched: only http and https are", hint="give an http or https address")
    return target


def _require_listed(host: str, allowed: Sequence[str]) -> None:
    if ANY_PUBLIC not in allowed and not _listed(host, allowed):
        raise TerminalFailure(
            f"{host} is no host that audio files may be fetched from: {', '.join(allowed) or 'none is'}",
            hint="add it to the setting K1NB_AUDIO_HOSTS",
        )


def _listed(host: str, allowed: Sequence[str]) -> bool:
    return host.lower().rstrip(".") in {name.lower().rstrip(".") for name in allowed}


async def _resolve(host: str, port: int) -> Sequence[str]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise RetryableFailure(f"the name {host} is not known: {error}", hint="check the address") from error
    return [str(entry[4][0]).partition("%")[0] for entry in found]


def _require_allowed(host: str, addresses: Sequence[Address], allowed: Sequence[str]) -> None:
    """Raise TerminalFailure if any address that the name has may not be reached."""
    for address in map(_plain, addresses):
        named = _listed(host, allowed) and not _never(address)
        if not named and not _public(address):
            raise TerminalFailure(
                f"{host} is at {address}, which is not public: it is not fetched from",
                hint="a host of your own network has to be named in K1NB_AUDIO_HOSTS",
            )


def _plain(address: Address) -> Address:
    return (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address


def _never(address: Address) -> bool:
    """Tell what not even a named host is reached at: cloud metadata and other link-local services, and no hosts."""
    if address.is_loopback:  # IPv6 counts its own as reserved
        return False
    return address.is_link_local or address.is_multicast or address.is_unspecified or address.is_reserved


def _public(address: Address) -> bool:
    embeds = any(address in network for network in _EMBEDDING if network.version == address.version)
    return address.is_global and not _never(address) and not embeds


async def _fetch(settings: Settings, target: httpx.URL, addresses: Sequence[Address]) -> Download:
    """Fetch from the first address that takes the connection."""
    for left, address in zip(reversed(range(len(addresses))), addresses, strict=True):
        try:
            return await _fetch_from(settings, target, address)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            if not left:
                raise
    raise RetryableFailure(f"{target.host} has no address", hint="check the address")


async def _fetch_from(settings: Settings, target: httpx.URL, address: Address) -> Download:
    timeout, limit = settings.timings.audio_download, settings.audio_max_mb * 1024 * 1024
    place = target.copy_with(host=str(address))
    headers = {"Host": target.netloc.decode("ascii"), "Accept-Encoding": "identity"}
    # The certificate is held against the name, though the connection goes to an address.
    tls = {"sni_hostname": target.raw_host.decode("ascii")}
    async with (
        httpx.AsyncClient(**_http.options(timeout, str(place))) as client,
        client.stream("GET", place, headers=headers, extensions=tls) as response,
    ):
        _require_file(response, target, limit)
        return await _keep(response, private(settings.paths.audio), limit)


def _require_file(response: httpx.Response, target: httpx.URL, limit: int) -> None:
    status = response.status_code
    if response.is_redirect:
        raise TerminalFailure(
            f"{target.host} sends elsewhere: {response.headers.get('Location', '')[:200]}",
            hint="redirects are not followed: give that address itself",
        )
    if status >= 500 or status in (408, 429):
        raise RetryableFailure(f"{target.host} answers {status}", hint="try again later")
    if not response.is_success:
        raise TerminalFailure(f"{target.host} answers {status}", hint="check the address")
    said = response.headers.get("Content-Length", "")
    if said.isdigit() and int(said) > limit:
        raise _too_large(limit)


async def _keep(response: httpx.Response, folder: Path, limit: int) -> Download:
    digest, size = hashlib.sha256(), 0
    with _incoming(folder) as temporary:
        with temporary.open("wb") as file:
            async for part in response.aiter_raw():
                size += len(part)
                if size > limit:
                    raise _too_large(limit)
                digest.update(part)
                file.write(part)
        path = folder / f"{digest.hexdigest()}.audio"
        temporary.replace(path)
    return Download(path, size, digest.hexdigest())


@contextmanager
def _incoming(folder: Path) -> Iterator[Path]:
    """Yield a file of its own that is gone afterwards unless it was moved; raises StorageError."""
    try:
        handle, name = tempfile.mkstemp(prefix=".incoming-", dir=folder)
        os.close(handle)
        try:
            yield Path(name)
        finally:
            Path(name).unlink(missing_ok=True)
    except TimeoutError:  # of the network, and an OSError all the same
        raise
    except OSError as error:
        raise unwritable(folder, error) from error


def _too_large(limit: int) -> TerminalFailure:
    return TerminalFailure(
        f"the file has more than {limit // 1024 // 1024} MiB", hint="cut it, or raise the setting K1NB_AUDIO_MAX_MB"
    )
