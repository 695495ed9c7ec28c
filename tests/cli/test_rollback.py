"""The command `rollback`, run as a user would run it, on a simulated device and without a Conductor."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from k1nb import delivery
from k1nb._http import run
from k1nb.config import Settings, load
from k1nb.device import Device, DeviceClient, Inventory
from k1nb.firmware import Artifact, ArtifactStore, Grade, Ledger, Outcome
from tests.cli.test_app import k1nb
from tests.conftest import FreePort, make_home
from tests.device import _images
from tests.device.conftest import Running, running, simulated

OLD, NEW = "k1-" + "0" * 12, "k1-" + "1" * 12


def stored(settings: Settings, stamp: str, data: bytes) -> Artifact:
    """Put an image into the store."""
    image = settings.home / f"{stamp}.bin"
    image.write_bytes(data)
    version = stamp[3:] + "0" * 28
    store = ArtifactStore(settings.paths)
    return store.put(image, version=version, environment="e", repo="r", branch="main", stamp=stamp)


def proven(settings: Settings, device: Device, artifact: Artifact, execution_id: str) -> None:
    """Enter into the ledger that the device is proven to run an artifact."""
    ledger = Ledger(settings.paths)
    row = ledger.begin(device.mac, artifact.id, execution_id, "test")
    ledger.raise_grade(row.id, Grade.IDENTIFIED, "seen", accepted_at=datetime.now(UTC))
    ledger.conclude(row.id, Outcome.succeeded, "outcome succeeded")


def home(folder: Path, free_port: FreePort) -> Settings:
    """Return the settings of a fresh home whose Conductor does not answer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("K1NB_HOME", str(make_home(folder, free_port, timings_scale=0.2)))
        return load()


@contextmanager
def bench(settings: Settings, free_port: FreePort) -> Iterator[Running]:
    """Run a simulated device that was brought from one good image to another."""
    device = Inventory(settings.paths).add(simulated(free_port))
    old = stored(settings, OLD, _images.sample(OLD, seed=1))
    new = stored(settings, NEW, _images.sample(NEW, seed=2))
    with running([device], settings.paths, settings.timings) as simulation:
        proven(settings, device, old, "first")

        async def send() -> None:
            await delivery.send(settings, device, new.id, execution_id="second", reason="test")

        run(send)
        simulation.wait_until_up(2)
        proven(settings, device, new, "second")
        yield simulation


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, free_port: FreePort) -> Settings:
    """Settings of a home for the tests that change nothing."""
    return home(tmp_path_factory.mktemp("rollback") / "home", free_port)


@pytest.fixture(scope="module")
def still(place: Settings, free_port: FreePort) -> Iterator[Running]:
    """A simulated device for the tests that change nothing."""
    with bench(place, free_port) as simulation:
        yield simulation


def test_without_consent_the_plan_is_shown(place: Settings, still: Running) -> None:
    """The plan names both artifacts, the device's MAC and the ages, changes nothing, and says how to apply it."""
    before = still.state()["flashes_completed"]
    done = k1nb(place, "rollback", "demo")
    assert done.returncode == 0, done.stderr
    assert still.device.mac in done.stdout
    assert "ago" in done.stdout
    assert "--apply plan-" in done.stderr
    shown = json.loads(k1nb(place, "rollback", "demo", "--json").stdout)
    store = {artifact.stamp: artifact.id for artifact in ArtifactStore(place.paths).list()}
    assert (shown["from"], shown["to"]) == (store[NEW], store[OLD])
    assert shown["plan"]["id"] in done.stdout
    assert still.state()["flashes_completed"] == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--apply", "plan-0123456789ab"), "is not the plan"),
        (("--direct", "--apply", "plan-0123456789ab"), "is not the plan"),
        (("--to", "0" * 64), "no artifact"),
        (("--to", "x"), "is no artifact id"),
    ],
)
def test_what_was_not_consented_to_is_refused(
    place: Settings, still: Running, words: tuple[str, ...], said: str
) -> None:
    """Consent to another plan, and an artifact that is not there, end 2 and send nothing."""
    done = k1nb(place, "rollback", "demo", *words)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "hint:" in done.stderr
    assert still.state()["flashes_completed"] == 1


def test_without_a_conductor_the_way_without_it_is_named(place: Settings, still: Running) -> None:
    """Where Conductor is down, applying ends 1 and its hint is --direct."""
    plan = json.loads(k1nb(place, "rollback", "demo", "--json").stdout)["plan"]["id"]
    done = k1nb(place, "rollback", "demo", "--apply", plan)
    assert done.returncode == 1
    assert "rollback demo --direct" in done.stderr
    assert still.state()["flashes_completed"] == 1


def test_a_device_that_runs_the_target_is_left_alone(place: Settings, still: Running) -> None:
    """Where the device shows the target's stamp already, nothing is planned."""
    (new,) = [artifact for artifact in ArtifactStore(place.paths).list() if artifact.stamp == NEW]
    done = k1nb(place, "rollback", "demo", "--to", new.id[:12], "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["plan"]["steps"] == []
    assert still.state()["flashes_completed"] == 1


def test_dead_ota_needs_usb_before_anything_is_sent(place: Settings, still: Running, free_port: FreePort) -> None:
    """A device that answers HTTP but not OTA gives needs_usb and ends 1; sample firmware gets no command for a chip."""
    inventory = Inventory(place.paths)
    device = inventory.remove("demo")
    inventory.add(replace(device, ota_port=free_port()))
    try:
        done = k1nb(place, "rollback", "demo")
        shown = json.loads(k1nb(place, "rollback", "demo", "--json").stdout)
    finally:
        inventory.remove("demo")
        inventory.add(device)
    assert done.returncode == 1
    assert "needs_usb" in done.stdout
    assert "must never be written to a real chip" in done.stdout
    assert "esptool" not in done.stdout
    assert shown["result"]["outcome"] == "needs_usb"
    assert still.state()["flashes_completed"] == 1
    assert len(Ledger(place.paths).history(device.mac)) == 2


def test_a_rollback_without_conductor_is_done_once(tmp_path: Path, free_port: FreePort) -> None:
    """Applied directly, the device is proven on its last good image with its look put back; again, nothing is done."""
    settings = home(tmp_path / "home", free_port)
    with bench(settings, free_port) as simulation:

        async def set_look() -> None:
            async with DeviceClient(simulation.device, settings.paths, settings.timings) as client:
                await client.select("tide")
                await client.set_params({"speed": 0.75})

        run(set_look)
        plan = json.loads(k1nb(settings, "rollback", "demo", "--json").stdout)["plan"]["id"]
        done = k1nb(settings, "rollback", "demo", "--direct", "--apply", plan, "--json")
        assert done.returncode == 0, (done.stdout, done.stderr)
        result = json.loads(done.stdout)["result"]
        assert (result["outcome"], result["grade"]) == ("rolled_back", "IDENTIFIED")
        assert "its look is back as it was" in result["evidence"]
        row = Ledger(settings.paths).current(simulation.device.mac)
        assert row is not None
        assert (row.artifact_id, row.execution_id) == (result["artifact_id"], result["execution_id"])
        assert (row.grade, row.outcome, row.reason) == (Grade.IDENTIFIED, Outcome.succeeded, "rollback")
        assert row.execution_id.startswith("direct-")
        assert simulation.get("/api/params").json()["speed"] == pytest.approx(0.75)
        again = k1nb(settings, "rollback", "demo", "--direct", "--apply", plan)
        assert again.returncode == 0
        assert "nothing to do" in again.stdout
        assert simulation.state()["flashes_completed"] == 2


def test_a_silent_device_gets_its_serial_recovery(tmp_path: Path, free_port: FreePort) -> None:
    """For a real device that does not answer the commands for a cable are written out, and esptool knows them."""
    settings = home(tmp_path / "home", free_port)
    mac = "AA:BB:CC:DD:EE:FF"
    device = Inventory(settings.paths).add(Device("desk", mac, "127.0.0.1", free_port(), free_port()))
    for number, stamp in enumerate((OLD, NEW)):
        proven(settings, device, stored(settings, stamp, _images.image(seed=number)), stamp)
    done = k1nb(settings, "rollback", "desk", "--json")
    assert done.returncode == 1
    shown = json.loads(done.stdout)
    assert shown["result"]["outcome"] == "needs_usb"
    commands = [line for line in shown["serial_recovery"] if line.startswith("python -m esptool")]
    verbs = [shlex.split(line, comments=True)[7:9] for line in commands]
    assert verbs == [["read-mac"], ["erase-region", "0xe000"], ["write-flash", "0x10000"]]
    for line in commands:
        words = [word if word != "PORT" else "/dev/k1nb-none" for word in shlex.split(line, comments=True)]
        tried = subprocess.run([sys.executable, *words[1:]], capture_output=True, text=True, check=False, timeout=60)
        assert "Usage:" not in tried.stdout + tried.stderr
        assert "/dev/k1nb-none" in tried.stdout + tried.stderr


def test_nothing_to_go_back_to_is_said(settings: Settings, free_port: FreePort) -> None:
    """A device that nothing was ever proven healthy on has no way back, and the hint says what to do."""
    Inventory(settings.paths).add(Device("desk", "AA:BB:CC:DD:EE:FF", "127.0.0.1", free_port(), free_port()))
    done = k1nb(settings, "rollback", "desk")
    assert done.returncode == 1
    assert "nothing to go back to" in done.stderr
    assert "hint:" in done.stderr
