"""Devices: the inventory, the HTTP client, the OTA sender, and a simulator that is one."""

from k1nb.device._answers import (
    CurrentPattern,
    Health,
    Info,
    Pattern,
    Patterns,
    Performance,
    Selected,
    Wifi,
)
from k1nb.device._checks import checks
from k1nb.device._client import DeviceClient
from k1nb.device._inventory import Device, Inventory, default_device
from k1nb.device._lock import FlashLock, flash_lock
from k1nb.device._ota import Transfer, ota_answers, send_image
from k1nb.device._proof import prove_simulator
from k1nb.device._readings import Readings, readings
from k1nb.device._snapshot import Snapshot, restore_snapshot, take_snapshot
from k1nb.device.simulator import Fault, Faults, parse_faults, simulate

__all__ = [
    "CurrentPattern",
    "Device",
    "DeviceClient",
    "Fault",
    "Faults",
    "FlashLock",
    "Health",
    "Info",
    "Inventory",
    "Pattern",
    "Patterns",
    "Performance",
    "Readings",
    "Selected",
    "Snapshot",
    "Transfer",
    "Wifi",
    "checks",
    "default_device",
    "flash_lock",
    "ota_answers",
    "parse_faults",
    "prove_simulator",
    "readings",
    "restore_snapshot",
    "send_image",
    "simulate",
    "take_snapshot",
]
