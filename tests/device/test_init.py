"""Tests of what the room offers."""

from __future__ import annotations

import subprocess
import sys

from k1nb import device


def test_the_public_names_are_these() -> None:
    """Adding or removing a public name is a decision."""
    assert device.__all__ == sorted(device.__all__)
    assert set(device.__all__) == {
        *("Device", "Inventory", "default_device"),
        *("DeviceClient", "Health", "Wifi", "Info", "Performance", "Pattern", "Patterns"),
        *("CurrentPattern", "Selected", "Readings", "readings", "Uptime", "restarted"),
        *("AudioSnapshot", "Frame", "FrameMetrics", "LatencyProbe", "Rmt"),
        *("Snapshot", "take_snapshot", "restore_snapshot"),
        *("FlashLock", "flash_lock", "is_held", "Transfer", "send_image", "ota_answers", "prove_simulator"),
        *("simulate", "Fault", "Faults", "parse_faults", "checks"),
    }
    assert all(hasattr(device, name) for name in device.__all__)


def test_importing_it_brings_no_web_server() -> None:
    """uvicorn is imported only where devices are simulated."""
    program = "import sys, k1nb.device; sys.exit('uvicorn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
