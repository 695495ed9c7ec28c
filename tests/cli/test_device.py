"""The simulated device of `k1nb device simulate` with an OTA password, and a delivery to it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from k1nb import delivery
from k1nb._http import run
from k1nb.config import Settings, environment, load
from k1nb.device import Device, Inventory
from k1nb.errors import OtaError
from k1nb.firmware import Grade, Ledger
from tests.cli.test_app import k1nb
from tests.cli.test_rollback import NEW, stored
from tests.conftest import FreePort, make_home
from tests.device import _images
from tests.device.conftest import simulated


@pytest.fixture
def settings(tmp_path: Path, free_port: FreePort, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a fresh home whose images are streamed."""
    monkeypatch.setenv("K1NB_HOME", str(make_home(tmp_path / "home", free_port, timings_scale=0.2)))
    monkeypatch.setenv("K1NB_OTA_MODE", "streaming")
    return load()


def deliver(settings: Settings, device: Device) -> delivery.Sent:
    """Send an artifact as the worker host does."""
    artifact = stored(settings, NEW, _images.sample(NEW))
    found: list[delivery.Sent] = []

    async def send() -> None:
        found.append(await delivery.send(settings, device, artifact.id, execution_id="first", reason="test"))

    run(send)
    return found[0]


def until_up(settings: Settings, simulation: subprocess.Popen[str]) -> None:
    """Wait until the simulated device answers."""
    for _ in range(100):
        if k1nb(settings, "device", "info", "demo").returncode == 0:
            return
        assert simulation.poll() is None
        time.sleep(0.1)
    raise AssertionError("the simulated device did not come up")


def test_asking_for_a_password_needs_one(settings: Settings, free_port: FreePort) -> None:
    """Without a password the command is used wrongly, and the hint names the settings."""
    Inventory(settings.paths).add(simulated(free_port))
    done = k1nb(settings, "device", "simulate", "demo", "--ota-auth", "md5")
    assert done.returncode == 2
    assert "K1NB_OTA_PASSWORD" in done.stderr


def test_an_image_is_streamed_to_a_device_with_a_password(
    settings: Settings, free_port: FreePort, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mode and password come from the settings; neither command line, log nor ledger shows the password."""
    device = Inventory(settings.paths).add(simulated(free_port))
    monkeypatch.setenv("K1NB_OTA_PASSWORDS", json.dumps({"demo": "open-sesame-4711"}))
    words = [sys.executable, "-m", "k1nb", "device", "simulate", "demo", "--ota-auth", "pbkdf2"]
    with subprocess.Popen(words, env=environment(settings), stderr=subprocess.PIPE, text=True) as simulation:
        try:
            until_up(settings, simulation)
            with pytest.raises(OtaError, match="none is set"):
                deliver(settings, device)
            sent = deliver(load(), device)
        finally:
            simulation.send_signal(signal.SIGTERM)
            _, said = simulation.communicate(timeout=20)
    assert sent.deployment.grade is Grade.ACCEPTED
    assert any("in streaming mode" in line for line in sent.log)
    rows = Ledger(settings.paths).history(device.mac)
    assert "sesame" not in f"{said}{sent}{rows}"
