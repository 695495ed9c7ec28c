"""The proof that something is a simulated device of this host, and no K1."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import socket
from dataclasses import replace
from ipaddress import ip_address

import httpx

from k1nb._http import options
from k1nb.device._inventory import Device
from k1nb.errors import DeviceUnreachable
from k1nb.paths import Paths
from k1nb.timings import Timings

PROOF_PATH = "/k1nb/simulator"
_MAX_ANSWER = 4096


def proof_of(token: str, nonce: str, device: Device) -> str:
    """Return what the simulator of `device` answers to `nonce`: HMAC-SHA256 under its token, hex.

    MAC, address and ports are part of it, so that a proof passed on from elsewhere does not vouch for another place.
    """
    words = f"{nonce} {device.mac} {device.address} {device.http_port} {device.ota_port}"
    return hmac.new(token.encode(), words.encode(), hashlib.sha256).hexdigest()


async def prove_simulator(device: Device, paths: Paths, timings: Timings) -> bool:
    """Tell whether what answers at the device's address is a simulator that this installation runs.

    Without connecting, False: a device of another kind, an address that is not this host's loopback, a simulator
    that never ran here. One request is made at most; whatever answer it comes to but the right proof is False.
    Raises DeviceUnreachable where nothing listens: a simulator that restarts proves itself later.
    """
    if device.kind != "simulator":
        return False
    place = replace(device, address=await resolve(device))
    if not ip_address(place.address).is_loopback:
        return False
    try:
        token = (paths.simulators / device.name / "token").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return False
    nonce = secrets.token_hex(32)
    try:
        answer = await _ask(place, nonce, timings)
    except httpx.ConnectError as error:
        raise DeviceUnreachable(f"device {device.label} does not answer", hint=device.retry_hint) from error
    except (httpx.HTTPError, TimeoutError, ValueError, RecursionError):
        return False
    proof = answer.get("proof") if isinstance(answer, dict) else None
    return isinstance(proof, str) and hmac.compare_digest(proof.encode(), proof_of(token, nonce, place).encode())


async def _ask(device: Device, nonce: str, timings: Timings) -> object:
    async with (
        asyncio.timeout(timings.device_request),
        httpx.AsyncClient(**options(timings.device_request, device.base_url)) as client,
        client.stream("GET", PROOF_PATH, params={"nonce": nonce}) as response,
    ):
        data = bytearray()
        async for part in response.aiter_raw():
            data += part
            if len(data) > _MAX_ANSWER:
                return None
    return httpx.Response(response.status_code, content=bytes(data)).json() if response.is_success else None


async def resolve(device: Device) -> str:
    """Return the device's IPv4 address; raises DeviceUnreachable where its host name means nothing."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(device.address, None, family=socket.AF_INET, type=socket.SOCK_STREAM)
    except OSError as error:
        raise DeviceUnreachable(
            f"the address of device {device.label} cannot be found: {error.strerror or error}",
            hint="give the device's IP address in the inventory",
        ) from error
    return str(found[0][4][0])
