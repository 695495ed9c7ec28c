"""Who may send, and what an execution may say of a device that has gone on without it, on a simulated device."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from k1nb import delivery
from k1nb._http import run
from k1nb.config import Settings
from k1nb.delivery import Decision, HealthStatus, Preflight, rollback
from k1nb.delivery._deployment import Sent
from k1nb.delivery._past import ROLLBACK
from k1nb.delivery._turn import ask, ota_service
from k1nb.device import Device, Inventory, Readings, flash_lock, parse_faults
from k1nb.errors import DeviceBusy, DeviceError, DeviceNonsense, DeviceRefused, DeviceUnreachable, OtaError, Superseded
from k1nb.firmware import Artifact, Grade, Ledger, Outcome
from tests.cli.test_rollback import home, proven, stored
from tests.conftest import FreePort
from tests.device import _images
from tests.device.conftest import Running, running, simulated

STAMP = "k1-" + "7" * 12


@pytest.fixture
def settings(tmp_path: Path, free_port: FreePort) -> Settings:
    """Settings of a fresh home with one simulated device."""
    found = home(tmp_path / "home", free_port)
    Inventory(found.paths).add(simulated(free_port))
    return found


@pytest.fixture
def bench(settings: Settings) -> Iterator[Running]:
    """The simulated device, running."""
    with running(Inventory(settings.paths).list(), settings.paths, settings.timings) as simulation:
        yield simulation


def _image(settings: Settings, number: int, stamp: str | None = None) -> Artifact:
    stamp = stamp or f"k1-{number:012x}"
    return stored(settings, stamp, _images.sample(stamp, seed=number))


def _send(settings: Settings, device: Device, artifact: Artifact, execution: str, reason: str = "test") -> Sent:
    async def send() -> Sent:
        return await delivery.send(settings, device, artifact.id, execution_id=execution, reason=reason)

    return run(send)


def _concluded(settings: Settings, sent: Sent, outcome: Outcome = Outcome.succeeded) -> None:
    Ledger(settings.paths).conclude(sent.deployment.id, outcome, f"outcome {outcome}")


def test_an_execution_cannot_begin_again_after_another_one(settings: Settings, bench: Running) -> None:
    """Restarted after its rollback it sends nothing and proves nothing: what it sent is not what the device runs."""
    bad, good = _image(settings, 1), _image(settings, 2)
    first = _send(settings, bench.device, bad, "one")
    bench.wait_until_up(2)
    back = _send(settings, bench.device, good, "handler", ROLLBACK)
    _concluded(settings, first, Outcome.rolled_back)
    _concluded(settings, back)
    bench.wait_until_up(3)
    with pytest.raises(Superseded, match="has accepted"):
        _send(settings, bench.device, bad, "one")

    async def look() -> HealthStatus:
        found, _ = await delivery.check_health(
            settings, bench.device, bad.id, accepted_at=first.accepted_at, execution_id="one"
        )
        return found.status

    assert run(look) is HealthStatus.SUPERSEDED
    row = Ledger(settings.paths).find(bench.device.mac, bad.id, "one")
    assert row is not None
    assert row.grade is Grade.ACCEPTED
    assert bench.state()["flashes_completed"] == 2


@pytest.mark.parametrize("mode", ["lock-step", "streaming"])
def test_what_a_device_took_without_a_word_is_not_sent_again(settings: Settings, mode: str) -> None:
    """A device whose OK was lost is waited for, and shows what it took; one that restarts with the old image has not.

    Both times all bytes were sent, so that the grade is SENT at least.
    """
    settings = settings.model_copy(update={"ota_mode": mode})
    (device,) = Inventory(settings.paths).list()
    first, second = _image(settings, 1), _image(settings, 2)
    with running([device], settings.paths, settings.timings, parse_faults(["lost-okx1"])) as simulation:
        sent = _send(settings, device, first, "e1")
        assert (sent.repeated, sent.deployment.grade) == (False, Grade.ACCEPTED)
        assert "already shows" in sent.deployment.evidence[-1]
        assert _send(settings, device, first, "e1").repeated
        assert simulation.state()["flashes_completed"] == 1
    _concluded(settings, sent)
    with running([device], settings.paths, settings.timings, parse_faults(["lost-ok", "boots-old"])):
        with pytest.raises(OtaError) as caught:
            _send(settings, device, second, "e2")
        row = Ledger(settings.paths).find(device.mac, second.id, "e2")
    assert caught.value.unconfirmed
    assert row is not None
    assert (row.grade, row.accepted_at) == (Grade.SENT, None)


def test_a_device_is_not_taken_from_a_deployment_that_looks_at_it(settings: Settings, bench: Running) -> None:
    """Another deployment waits for its end, a rollback does not."""
    first = _send(settings, bench.device, _image(settings, 1), "one")
    bench.wait_until_up(2)
    second = _image(settings, 2)
    with pytest.raises(DeviceBusy, match="by execution one, which has not ended"):
        _send(settings, bench.device, second, "two")
    _concluded(settings, first)
    assert _send(settings, bench.device, second, "two").repeated is False
    bench.wait_until_up(3)
    assert _send(settings, bench.device, _image(settings, 3), "three", ROLLBACK).repeated is False
    bench.wait_until_up(4)
    assert bench.state()["flashes_completed"] == 3


def test_a_namesake_is_sent_although_the_device_shows_its_stamp(settings: Settings, bench: Running) -> None:
    """Of two images with one stamp the device may run the other one, so that a broken attempt is no success."""
    first, second = _image(settings, 1, STAMP), _image(settings, 2, STAMP)
    _concluded(settings, _send(settings, bench.device, first, "one"))
    bench.wait_until_up(2)
    row = Ledger(settings.paths).begin(bench.device.mac, second.id, "two", "test")
    assert row.accepted_at is None
    assert _send(settings, bench.device, second, "two").repeated is False
    bench.wait_until_up(3)
    assert bench.state()["running"] == second.id


def test_nobody_is_flashed_who_does_not_name_himself(settings: Settings) -> None:
    """Silent, refusing or another device: a deployment goes to none of them; a rollback goes to a silent one alone."""
    (device,) = Inventory(settings.paths).list()
    artifact = _image(settings, 1)
    cases = {"refuses": (DeviceRefused, DeviceRefused), "http-dead": (DeviceUnreachable, None)}
    for fault, (deploying, rolling_back) in cases.items():
        with running([device], settings.paths, settings.timings, faults=parse_faults([fault])):
            with pytest.raises(deploying):
                _send(settings, device, artifact, fault)
            if rolling_back is not None:
                with pytest.raises(rolling_back):
                    _send(settings, device, artifact, f"{fault} back", ROLLBACK)
    stranger = replace(device, mac="02:4B:31:00:00:99")
    with running([stranger], settings.paths, settings.timings) as simulation:
        for reason in ("test", ROLLBACK):
            with pytest.raises(DeviceNonsense, match="answers with MAC"):
                _send(settings, device, artifact, f"stranger {reason}", reason)
        assert simulation.state()["flashes_completed"] == 0


def _impatient(settings: Settings) -> Settings:
    """Settings of a pre-flight that waits for its turn for half a second."""
    return settings.model_copy(update={"timings_scale": 0.02})


def _preflight(settings: Settings, device: Device, artifact: Artifact, execution: str) -> Preflight:
    async def ask() -> Preflight:
        return await delivery.preflight(settings, device, artifact.id, allow_production=False, execution_id=execution)

    return run(ask)


def test_a_device_in_other_hands_is_busy_and_needs_no_usb(settings: Settings, bench: Running) -> None:
    """While the flash lock is held nothing is said of the OTA service; once it is free the pre-flight allows."""
    image, impatient = _image(settings, 1), _impatient(settings)
    with flash_lock(settings.paths, bench.device, settings.timings), pytest.raises(DeviceBusy, match="holds device"):
        _preflight(impatient, bench.device, image, "two")
    assert _preflight(settings, bench.device, image, "two").decision is Decision.DEPLOY


def test_a_second_delivery_waits_for_the_first_one_and_finds_its_work_done(settings: Settings, bench: Running) -> None:
    """Right after the transfer, while the device restarts, it is busy; once the first is proven there is no work."""
    image, device = _image(settings, 1), bench.device
    sent = _send(settings, device, image, "one")
    with pytest.raises(DeviceBusy, match=r"busy with another transfer: .* execution one, which has not ended"):
        _preflight(_impatient(settings), device, image, "two")

    async def prove() -> Grade:
        found, _ = await delivery.check_health(
            settings, device, image.id, accepted_at=sent.accepted_at, execution_id="one"
        )
        return found.grade

    ends = threading.Timer(0.5, lambda: _concluded(settings, sent))
    assert run(prove) is Grade.IDENTIFIED
    ends.start()
    found = _preflight(settings, device, image, "two")
    assert not ends.is_alive()
    assert found.decision is Decision.NO_OP
    ends.join()


def test_a_device_that_was_just_sent_something_is_not_told_to_take_usb(settings: Settings) -> None:
    """While it restarts into what another execution has sent, a rollback only finds that it does not answer."""
    (device,) = Inventory(settings.paths).list()
    ledger = Ledger(settings.paths)
    proven(settings, device, _image(settings, 1), "one")
    row = ledger.begin(device.mac, _image(settings, 2).id, "two", "test")
    ledger.raise_grade(row.id, Grade.ACCEPTED, "sent")
    with running([device], settings.paths, settings.timings):
        pass  # it has proven itself a simulator once, and is off now
    with pytest.raises(DeviceUnreachable, match="does not answer"):
        rollback.observe(settings, device=device.name)
    ledger.conclude(row.id, Outcome.failed, "outcome failed")
    assert rollback.observe(settings, device=device.name).way is rollback.Way.USB


def test_a_device_that_goes_away_while_it_is_asked_is_busy(settings: Settings) -> None:
    """Its OTA service is silent because it restarts: that is told from one that only has no OTA service."""
    (device,) = Inventory(settings.paths).list()

    async def look(before: Readings | DeviceError) -> bool:
        return await ota_service(_impatient(settings), device, before)

    with running([device], settings.paths, settings.timings):
        before = run(ask, settings, device)
    assert isinstance(before, Readings)
    with pytest.raises(DeviceBusy, match="busy with another transfer or its restart"):
        run(look, before)
    with running([device], settings.paths, settings.timings, parse_faults(["ota-dead"])):
        with pytest.raises(DeviceBusy):
            run(look, before)
        image = _image(settings, 1)
        time.sleep(1.1)  # less than a second of uptime proves no restart
        found = _preflight(settings, device, image, "one")
    assert found.decision is Decision.NEEDS_USB
