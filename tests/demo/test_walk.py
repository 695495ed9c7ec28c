"""The demo, run as a newcomer would run it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from k1nb import stack
from k1nb.config import Settings
from k1nb.demo import DEVICE, ensure_device
from k1nb.device import Device, Inventory
from k1nb.errors import UsageError
from tests.cli.test_app import k1nb
from tests.device._witness import witness


def test_the_demo_ends_well_and_touches_no_other_device(line: Settings) -> None:
    """The demo delivers a commit to its own simulated device, and a K1_DEVICE_IP hears nothing of it."""
    with witness() as heard:
        address = f"127.0.0.1:{heard.device().http_port}"
        done = k1nb(line, "demo", K1_DEVICE_IP=address)
    # What runs belongs to the whole session: put its settings back.
    stack.up(line)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "grade IDENTIFIED" in done.stdout
    assert heard.heard == []
    folder = next(line_ for line_ in done.stdout.splitlines() if line_.startswith("record")).split(maxsplit=1)[1]
    assert json.loads((Path(folder) / "manifest.json").read_text())["verdict"] in ("OK", "WARN")


def test_the_demo_s_device_is_made_once(settings: Settings) -> None:
    """The simulated device keeps its ports from one demo to the next."""
    assert ensure_device(settings) == ensure_device(settings)


def test_a_real_device_of_that_name_is_left_alone(settings: Settings) -> None:
    """Where somebody has a real device called demo, the demo refuses to start."""
    Inventory(settings.paths).add(Device(DEVICE, "AA:BB:CC:DD:EE:FF", "127.0.0.1"))
    with pytest.raises(UsageError, match="no simulator"):
        ensure_device(settings)
