"""Commands for devices."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from k1nb.cli import _complete, _output
from k1nb.cli._output import Json

if TYPE_CHECKING:
    from k1nb.config import Settings
    from k1nb.device import Device, OtaPassword
    from k1nb.paths import Paths


class Role(StrEnum):
    """What a device is for."""

    test = "test"
    production = "production"


class Kind(StrEnum):
    """Whether a device is one."""

    device = "device"
    simulator = "simulator"


class OtaAuth(StrEnum):
    """How a device wants its OTA password proven: as Arduino cores do up to 3.3.0, or from 3.3.1 on."""

    md5 = "md5"
    pbkdf2 = "pbkdf2"


Name = Annotated[
    str,
    typer.Argument(metavar="NAME", help="Name, MAC or address of the inventory.", autocompletion=_complete.devices),
]


def group(app: typer.Typer) -> typer.Typer:
    """Add the commands to their group."""
    app.command("list")(list_)
    for command in (add, remove, info, history, simulate):
        app.command()(command)
    return app


def list_(json: Json = False) -> None:
    """List the inventory."""
    from k1nb.device import Inventory

    devices = Inventory(_output.settings(logs=False).paths).list()
    if json:
        _output.data([asdict(device) for device in devices])
        return
    from k1nb import show

    show.print_devices(_output.console(), devices)


def add(
    name: Annotated[str, typer.Argument(help="Lower-case letters, digits and hyphens.")],
    mac: Annotated[str, typer.Option(help="MAC address, which identifies the device.")],
    address: Annotated[str, typer.Option(help="IP address or host name.")],
    http_port: Annotated[int, typer.Option(min=1, max=65535)] = 80,
    ota_port: Annotated[int, typer.Option(min=1, max=65535)] = 3232,
    role: Annotated[Role, typer.Option(help="CI reaches only devices of role test.")] = Role.test,
    kind: Annotated[Kind, typer.Option(help="A simulator is started by `k1nb up`.")] = Kind.device,
) -> None:
    """Add a device to the inventory; nothing is sent to it."""
    from k1nb.device import Device, Inventory

    device = Device(name, mac, address, http_port, ota_port, role.value, kind.value)
    Inventory(_output.settings().paths).add(device)
    _output.note(f"added {device.label}")
    if kind is Kind.simulator:
        _output.note("hint: `k1nb up simulator` has it simulated")


def remove(name: Name) -> None:
    """Take a device out of the inventory; its ledger and artifacts stay."""
    from k1nb.device import Inventory

    inventory = Inventory(_output.settings().paths)
    device = inventory.get(name)
    inventory.remove(device.name)
    _output.note(f"removed {device.label}")


def info(name: Name, json: Json = False) -> None:
    """Ask a device how it is; exit code 1 when it does not answer."""
    from k1nb._http import run
    from k1nb.device import DeviceClient, Inventory, Readings, readings

    settings = _output.settings()
    device = Inventory(settings.paths).get(name)

    async def ask() -> Readings:
        async with DeviceClient(device, settings.paths, settings.timings) as client:
            return await readings(client)

    seen = run(ask)
    if json:
        _output.data({**asdict(device), "readings": seen.as_dict()})
        return
    from k1nb import show

    show.print_readings(_output.console(), device, seen)


def history(
    name: Name,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1_000_000, help="At most so many.")] = 20,
    json: Json = False,
) -> None:
    """Show what was sent to a device, newest first, and how far that is proven; nothing is asked of it.

    It is the ledger of this machine; a device that is no longer in the inventory is known there by its MAC.
    """
    from k1nb.firmware import device_history

    paths = _output.settings(logs=False).paths
    mac, label = _known(paths, name)
    found = device_history(paths, mac, limit)
    if json:
        _output.data([past.as_dict() for past in found])
        return
    from k1nb import show

    show.print_history(_output.console(), label, found)
    if len(found) == limit:
        _output.note(f"there may be more than these {limit}: --limit")


def _known(paths: Paths, name: str) -> tuple[str, str]:
    """Return a device's MAC and label; one that only the ledger knows is named by its MAC."""
    from k1nb.device import Inventory
    from k1nb.errors import UnknownName
    from k1nb.firmware import Ledger

    try:
        device = Inventory(paths).get(name)
    except UnknownName:
        mac = name.strip().upper().replace("-", ":")
        if mac not in Ledger(paths).macs():
            raise
        return mac, mac
    return device.mac, device.label


def simulate(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...", help="Inventory entries of kind simulator.", autocompletion=_complete.devices
        ),
    ],
    fault: Annotated[
        list[str] | None, typer.Option(metavar="FAULT", help="NAME[=VALUE][xCOUNT], see above; may be repeated.")
    ] = None,
    ota_auth: Annotated[
        OtaAuth | None,
        typer.Option(help="Have OTA ask for the password of K1NB_OTA_PASSWORD or K1NB_OTA_PASSWORDS, in this form."),
    ] = None,
) -> None:
    """Simulate devices in the foreground until SIGTERM or Ctrl-C.

    Each --fault makes all of them fail in one way:

    \b
      cut=PERCENT          the connection is reset at PERCENT of the image
      stall[=PERCENT]      no answers from PERCENT (50) of the image on
      crawl[=BYTES]        the image is read at BYTES (1) a second
      bad-md5              the transfer ends with MD5 Check Failed
      lost-ok              image accepted and booted, the last OK never sent
      boots-old            image accepted, then the one before is booted
      boot-loop[=SECONDS]  restarts every SECONDS (3) after an OTA
      never-returns        off after an OTA, until simulated again
      moves                after an OTA it is at 127.0.0.2, with the same ports
      swapped              after an OTA another device answers at its address
      slow=SECONDS         every HTTP answer comes SECONDS later
      refuses              429 to every HTTP request
      ota-dead             HTTP answers, OTA does not
      http-dead            OTA answers, HTTP refuses connections

    The first seven take a count: cut=50x1 hits one transfer, the next one goes through; without a count all are hit.
    What has been hit is forgotten when the command ends. The private routes below /k1nb/ are never slow or refused.
    Unhealthy firmware, or firmware with little heap, is no fault of a device: send it such an image.
    """
    import asyncio

    from k1nb.device import Inventory, parse_faults, simulate

    faults = parse_faults(fault or ())
    settings = _output.service_settings("simulator")
    devices = [Inventory(settings.paths).get(name) for name in names]
    passwords = {device.name: _password(settings, device, ota_auth) for device in devices} if ota_auth else {}

    async def serve() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await simulate(
            devices, paths=settings.paths, timings=settings.timings, stop=stop, faults=faults, passwords=passwords
        )

    if fault:
        _output.note(f"simulating with the faults {' '.join(faults.words())}")
    with _service_named(settings):
        asyncio.run(serve())


@contextmanager
def _service_named(settings: Settings) -> Iterator[None]:
    """Say that it is this home's own simulator service that holds a port, where that runs."""
    from k1nb.errors import PortTaken
    from k1nb.stack import status

    try:
        yield
    except PortTaken as error:
        # The service is this command, too.
        ours = {os.getpid(), os.getppid(), None}
        if all(each.name != "simulator" or each.pid in ours for each in status(settings)):
            raise
        raise PortTaken(
            f"{error.message}; the simulator service runs, which simulates the devices of the inventory",
            hint="stop it with `k1nb down simulator`; afterwards `k1nb up simulator` starts it again",
        ) from error


def _password(settings: Settings, device: Device, form: OtaAuth) -> OtaPassword:
    from k1nb.device import OtaPassword, PasswordForm
    from k1nb.errors import UsageError

    secret = settings.ota_password_of(device.name)
    if secret is None:
        raise UsageError(
            f"simulated device {device.name} cannot ask for an OTA password, for none is set",
            hint=f"set K1NB_OTA_PASSWORD, or {device.name} in K1NB_OTA_PASSWORDS",
        )
    return OtaPassword(secret, PasswordForm(form))
