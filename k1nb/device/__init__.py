"""Devices: the inventory, the HTTP client, the OTA sender, and a simulator that is one."""

from k1nb.device._answers import (
    AudioSnapshot,
    CurrentPattern,
    Frame,
    FrameMetrics,
    Health,
    Info,
    LatencyProbe,
    Pattern,
    Patterns,
    Performance,
    Rmt,
    Selected,
    Wifi,
)
from k1nb.device._checks import checks
from k1nb.device._client import DeviceClient
from k1nb.device._inventory import Device, Inventory, default_device
from k1nb.device._lock import FlashLock, flash_lock, is_held
from k1nb.device._ota import Transfer, ota_answers, send_image
from k1nb.device._proof import prove_simulator
from k1nb.device._readings import Readings, readings
from k1nb.device._snapshot import Snapshot, restore_snapshot, take_snapshot
from k1nb.device._uptime import Uptime, restarted
from k1nb.device.simulator import Fault, Faults, parse_faults, simulate

__all__ = [
    "AudioSnapshot",
    "CurrentPattern",
    "Device",
    "DeviceClient",
    "Fault",
    "Faults",
    "FlashLock",
    "Frame",
    "FrameMetrics",
    "Health",
    "Info",
    "Inventory",
    "LatencyProbe",
    "Pattern",
    "Patterns",
    "Performance",
    "Readings",
    "Rmt",
    "Selected",
    "Snapshot",
    "Transfer",
    "Uptime",
    "Wifi",
    "checks",
    "default_device",
    "flash_lock",
    "is_held",
    "ota_answers",
    "parse_faults",
    "prove_simulator",
    "readings",
    "restarted",
    "restore_snapshot",
    "send_image",
    "simulate",
    "take_snapshot",
]
