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
from k1nb.firmware import Grade, Ledger, Outcome
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


MAC = "02:4B:31:00:00:01"


@pytest.fixture
def sent(settings: Settings) -> Settings:
    """A home with a device that got three images; the newest is stored no more."""
    ledger = Ledger(settings.paths)
    Inventory(settings.paths).add(Device("demo", MAC, "127.0.0.1", 8001, 8002))
    artifacts = [stored(settings, f"k1-{n:012x}", _images.sample(NEW, seed=n)).id for n in (1, 2)] + ["f" * 64]
    for number, artifact in enumerate(artifacts):
        row = ledger.begin(MAC, artifact, f"execution-{number}", f"rollout r{number}")
        ledger.raise_grade(row.id, Grade.SENT, f"sent {number}")
        ledger.conclude(row.id, Outcome.failed, f"line {number}\nand more")
    ledger.begin("02:4B:31:00:00:09", artifacts[0], "elsewhere", "other")
    return settings


def test_a_devices_history_is_shown_newest_first(sent: Settings) -> None:
    """Each row tells when, what, from which commit, how far, for whom and why, also where the artifact is gone."""
    done = k1nb(sent, "device", "history", "demo")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [f"execution-{n}" in line for n, line in zip((2, 1, 0), lines[1:], strict=True)] == [True] * 3
    assert "ffffffffffff" in lines[1]
    assert "not stored" in lines[1]
    for said in ("SENT", "failed", "rollout r1: line 1 …", "000000000002"):
        assert said in lines[2]
    assert "elsewhere" not in done.stdout


def test_a_devices_history_as_data_and_bounded(sent: Settings) -> None:
    """As data a row carries its commit; a bound is kept, and said."""
    rows = json.loads(k1nb(sent, "device", "history", MAC, "--json").stdout)
    assert [row["commit"] for row in rows] == [None, "000000000002" + "0" * 28, "000000000001" + "0" * 28]
    assert [row["stored"] for row in rows] == [False, True, True]
    done = k1nb(sent, "device", "history", "demo", "--limit", "1")
    assert len(done.stdout.splitlines()) == 2
    assert "--limit" in done.stderr


def test_a_device_that_was_removed_is_known_by_its_mac(sent: Settings) -> None:
    """What the ledger knows can be asked for when the inventory does not know it any more; others are refused."""
    Inventory(sent.paths).remove("demo")
    assert len(json.loads(k1nb(sent, "device", "history", MAC.lower().replace(":", "-"), "--json").stdout)) == 3
    unknown = k1nb(sent, "device", "history", "demo")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert f"{sent.home} (K1NB_HOME)" in unknown.stderr


def test_a_device_that_got_nothing_says_so(settings: Settings) -> None:
    """An empty history is a sentence, and as data an empty list."""
    Inventory(settings.paths).add(Device("bench", MAC, "127.0.0.1", 8001, 8002))
    assert "nothing was ever sent to bench" in k1nb(settings, "device", "history", "bench").stdout
    assert json.loads(k1nb(settings, "device", "history", "bench", "--json").stdout) == []


def test_an_artifact_names_its_devices(sent: Settings) -> None:
    """Beside its MAC a device stands by the name that it has in the inventory."""
    artifact = json.loads(k1nb(sent, "device", "history", "demo", "--json").stdout)[-1]["artifact_id"]
    shown = k1nb(sent, "artifacts", "show", artifact).stdout
    assert [line.split()[:2] for line in shown.splitlines() if MAC in line] == [["demo", MAC]]
    assert "not in the inventory  02:4B:31:00:00:09" in shown
