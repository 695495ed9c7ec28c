"""Tests of what the room offers."""

from __future__ import annotations

import subprocess
import sys

from k1nb import device


def test_the_public_names_are_these() -> None:
    """Adding or removing a public name is a decision."""
    assert device.__all__ == sorted(device.__all__)
    assert set(device.__all__) == {
        *("Device", "Inventory", "clash", "default_device"),
        *("DeviceClient", "Health", "Wifi", "Info", "Performance", "Pattern", "Patterns"),
        *("CurrentPattern", "Selected", "Readings", "readings", "Uptime", "restarted"),
        *("AudioSnapshot", "Frame", "FrameMetrics", "LatencyProbe", "LedFrame", "Rmt"),
        *("Snapshot", "take_snapshot", "restore_snapshot"),
        *("FlashLock", "flash_lock", "is_held", "Transfer", "send_image", "ota_answers", "prove_simulator"),
        *("OtaPassword", "PasswordForm"),
        *("simulate", "Fault", "Faults", "parse_faults", "checks"),
    }
    assert all(hasattr(device, name) for name in device.__all__)


def test_reading_the_inventory_imports_no_network() -> None:
    """httpx and the simulator are imported only where a device is talked to or simulated."""
    heavy = "{'httpx', 'starlette', 'uvicorn', 'k1nb.device.simulator', 'k1nb.firmware'}"
    program = f"import sys; from k1nb.device import Inventory; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_an_unknown_name_is_no_attribute() -> None:
    """A name that the room does not offer is an AttributeError, as in any module."""
    assert not hasattr(device, "nothing_such")
