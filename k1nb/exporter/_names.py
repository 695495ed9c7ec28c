"""Host names of devices, looked up without a wait for each other."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_address

from k1nb.device import Device
from k1nb.errors import DeviceUnreachable


async def resolved(device: Device) -> Device:
    """Return the device as seen at its numeric address; raises DeviceUnreachable where its name means nothing.

    Each name has a thread of its own, which ends with the process: a lookup cannot be cancelled, the loop's own
    threads are few, and an end of the exporter waits for them.
    """
    if _is_numeric(device.address):
        return device
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str | OSError] = loop.create_future()

    def settle(found: str | OSError) -> None:
        if not answer.done():
            answer.set_result(found)

    def look_up() -> None:
        found = _address_of(device.address)
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, found)

    threading.Thread(target=look_up, name=f"name of {device.name}", daemon=True).start()
    found = await answer
    if isinstance(found, OSError):
        raise DeviceUnreachable(
            f"the address of device {device.label} cannot be found: {found.strerror or found}",
            hint="give the device's IP address in the inventory",
        ) from found
    return replace(device, address=found)


def _is_numeric(address: str) -> bool:
    try:
        return bool(ip_address(address))
    except ValueError:
        return False


def _address_of(name: str) -> str | OSError:
    try:
        return str(socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)[0][4][0])
    except (OSError, UnicodeError) as error:
        return error if isinstance(error, OSError) else OSError(str(error))
