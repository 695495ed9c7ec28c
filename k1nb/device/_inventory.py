"""The inventory: which devices there are, where they answer, and what may be done to them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock

from k1nb.config import Settings
from k1nb.errors import StorageError, UnknownName, UsageError
from k1nb.paths import Paths, private, write_text

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_MAC = re.compile(r"[0-9A-F]{2}(:[0-9A-F]{2}){5}")
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_ROLES = ("test", "production")
_KINDS = ("device", "simulator")
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Device:
    """One K1, identified by its MAC; raises UsageError for a value that cannot be one."""

    name: str
    mac: str
    """Upper-case hex with colons; given in lower case or with dashes it is brought into that form."""
    address: str
    """IPv4 address or host name, without port."""
    http_port: int = 80
    ota_port: int = 3232
    role: Literal["test", "production"] = "test"
    kind: Literal["device", "simulator"] = "device"

    def __post_init__(self) -> None:
        """Bring the MAC into its one form and refuse what no device can have."""
        mac = str(self.mac).upper().replace("-", ":")
        self._require("name", _NAME.fullmatch(self.name), "lower-case letters, digits and dashes, at most 32")
        self._require("mac", _MAC.fullmatch(mac), "six hex pairs such as 02:4B:31:00:00:01")
        object.__setattr__(self, "mac", mac)
        self._require("address", _is_host(self.address), "an IPv4 address or a host name, without port")
        for port in ("http_port", "ota_port"):
            value = getattr(self, port)
            self._require(port, type(value) is int and 0 < value < 65536, "a port from 1 to 65535")
        self._require("role", self.role in _ROLES, "test or production")
        self._require("kind", self.kind in _KINDS, "device or simulator")

    def _require(self, key: str, fits: object, wanted: str) -> None:
        if not fits:
            raise UsageError(f"{key} {getattr(self, key)!r} of a device is refused", hint=f"give {wanted}")

    @property
    def base_url(self) -> str:
        """Where the device's HTTP interface is."""
        return f"http://{self.address}:{self.http_port}"

    @property
    def place(self) -> str:
        """What is connected to: kind, address, and the ports of HTTP and OTA."""
        return f"{self.kind} at {self.address}, HTTP {self.http_port}, OTA {self.ota_port}"

    @property
    def label(self) -> str:
        """Name and place, for people."""
        return f"{self.name} ({self.address}:{self.http_port})"

    @property
    def retry_hint(self) -> str:
        """What to do when this device gives no answer."""
        if self.kind == "simulator":
            return f"start it with `k1nb up simulator`, then look with `k1nb device info {self.name}`"
        return f"check its power, Wi-Fi and address, then look with `k1nb device info {self.name}`"


_Devices = list[Device]


def _is_host(text: str) -> bool:
    if re.fullmatch(r"[0-9.]+", text):
        try:
            return bool(IPv4Address(text))
        except ValueError:
            return False
    return len(text) < 254 and all(_LABEL.fullmatch(part) for part in text.rstrip(".").split("."))


class Inventory:
    """The devices of this installation, kept in one file under the home."""

    def __init__(self, paths: Paths) -> None:
        self._folder = paths.devices
        self._file = paths.devices / "inventory.json"

    @property
    def file(self) -> Path:
        """The file that the devices are kept in."""
        return self._file

    def list(self) -> _Devices:
        """Return every device, in the order in which they were added; StorageError if the file is damaged."""
        try:
            text = self._file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError) as error:
            raise self._damaged(error) from error
        try:
            return _parse(text)
        except (ValueError, TypeError, KeyError, RecursionError, UsageError) as error:
            raise self._damaged(error) from error

    def get(self, key: str) -> Device:
        """Find a device by name, MAC, `address` or `address:port`.

        Raises UnknownName, which lists what is known; also where an address alone means several devices.
        """
        devices = self.list()
        found = [device for device in devices if key.strip().casefold() in _keys(device)]
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(device.name for device in found)
            raise UnknownName(f"{key!r} means several devices: {names}", hint="give the device's name")
        known = ", ".join(device.label for device in devices) or "none yet"
        where = f"{self._folder.parent} (K1NB_HOME)"
        hint = f"known in {where}: {known}; add it with `k1nb device add`"
        raise UnknownName(f"no device {key!r} in the inventory", hint=hint)

    def add(self, device: Device) -> Device:
        """Add a device; raises UsageError where its name, MAC or place belongs to another one already."""

        def added(devices: _Devices) -> _Devices:
            for other in devices:
                if taken := clash(device, other):
                    raise UsageError(
                        f"{taken} already belongs to device {other.name}",
                        hint=f"remove it first with `k1nb device remove {other.name}`, or give another one",
                    )
            return [*devices, device]

        self._change(added)
        return device

    def remove(self, name: str) -> Device:
        """Take a device out and return it; raises UnknownName. Its ledger and snapshots stay."""
        device = self.get(name)
        self._change(lambda devices: [other for other in devices if other.mac != device.mac])
        return device

    def _change(self, change: Callable[[_Devices], _Devices]) -> None:
        private(self._folder)
        with FileLock(self._folder / ".inventory.lock"):
            devices = change(self.list())
            data = {"format": _FORMAT, "devices": [asdict(device) for device in devices]}
            write_text(self._file, json.dumps(data, indent=2) + "\n")

    def _damaged(self, error: Exception) -> StorageError:
        what = error.message if isinstance(error, UsageError) else str(error)
        return StorageError(
            f"cannot read the inventory {self._file}: {what}", hint="mend the file; it was left as it is"
        )


def _parse(text: str) -> _Devices:
    data: Any = json.loads(text)
    if data["format"] != _FORMAT:
        raise ValueError(f"format {data['format']!r} is not {_FORMAT}")
    return [Device(**entry) for entry in data["devices"]]


def _keys(device: Device) -> set[str]:
    address = device.address.casefold()
    mac = device.mac.casefold()
    return {device.name, mac, mac.replace(":", "-"), address, f"{address}:{device.http_port}"}


def clash(device: Device, other: Device) -> str | None:
    """Say what two entries of the inventory have in common that belongs to one device alone; None if nothing."""
    if device.name == other.name:
        return f"name {device.name}"
    if device.mac == other.mac:
        return f"MAC {device.mac}"
    if device.address.casefold() == other.address.casefold():
        for field in fields(Device):
            if field.name.endswith("_port") and getattr(device, field.name) == getattr(other, field.name):
                return f"{field.name} {getattr(device, field.name)} at {device.address}"
    return None


def default_device(settings: Settings) -> Device | None:
    """Return the device that K1_DEVICE_IP names, or None where it is not set.

    Raises UnknownName when the inventory does not hold it: an address alone says neither MAC nor role.
    """
    if settings.k1_device_ip is None:
        return None
    try:
        return Inventory(settings.paths).get(settings.k1_device_ip)
    except UnknownName as error:
        raise UnknownName(f"K1_DEVICE_IP: {error.message}", hint=error.hint) from None


def at(device: Device, address: str) -> Device:
    """Return the device as seen at a resolved numeric address."""
    return replace(device, address=address)
