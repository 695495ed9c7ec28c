"""Devices: the inventory, the HTTP client, the OTA sender, and a simulator that is one."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from k1nb.device._answers import (
        AudioSnapshot,
        CurrentPattern,
        Frame,
        FrameMetrics,
        Health,
        Info,
        LatencyProbe,
        LedFrame,
        Pattern,
        Patterns,
        Performance,
        Rmt,
        Selected,
        Wifi,
    )
    from k1nb.device._checks import checks
    from k1nb.device._client import DeviceClient
    from k1nb.device._inventory import Device, Inventory, clash, default_device
    from k1nb.device._lock import FlashLock, flash_lock, is_held
    from k1nb.device._ota import Transfer, ota_answers, send_image
    from k1nb.device._ota_password import OtaPassword, PasswordForm
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
    "LedFrame",
    "OtaPassword",
    "PasswordForm",
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
    "clash",
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

_HOMES = {
    **dict.fromkeys(
        (
            *("AudioSnapshot", "CurrentPattern", "Frame", "FrameMetrics", "Health", "Info", "LatencyProbe", "LedFrame"),
            *("Pattern", "Patterns", "Performance", "Rmt", "Selected", "Wifi"),
        ),
        "_answers",
    ),
    **dict.fromkeys(("checks",), "_checks"),
    **dict.fromkeys(("DeviceClient",), "_client"),
    **dict.fromkeys(("Device", "Inventory", "clash", "default_device"), "_inventory"),
    **dict.fromkeys(("FlashLock", "flash_lock", "is_held"), "_lock"),
    **dict.fromkeys(("Transfer", "ota_answers", "send_image"), "_ota"),
    **dict.fromkeys(("OtaPassword", "PasswordForm"), "_ota_password"),
    **dict.fromkeys(("prove_simulator",), "_proof"),
    **dict.fromkeys(("Readings", "readings"), "_readings"),
    **dict.fromkeys(("Snapshot", "restore_snapshot", "take_snapshot"), "_snapshot"),
    **dict.fromkeys(("Uptime", "restarted"), "_uptime"),
    **dict.fromkeys(("Fault", "Faults", "parse_faults", "simulate"), "simulator"),
}
"""The module of each name; it is imported when the name is asked for: most who read the inventory send nothing."""


def __getattr__(name: str) -> Any:
    """Import the module of a name that is asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
