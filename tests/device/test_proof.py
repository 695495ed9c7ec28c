"""Tests of the proof that something is a simulator."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from dataclasses import replace

import pytest

from k1nb.device import Device, prove_simulator
from k1nb.device._proof import proof_of
from k1nb.errors import DeviceUnreachable
from k1nb.paths import Paths
from tests.device._witness import witness
from tests.device.conftest import QUICK, Running


def proven(device: Device, paths: Paths) -> bool:
    """Ask for the proof."""
    return asyncio.run(prove_simulator(device, paths, QUICK))


def test_a_running_simulator_proves_itself(simulator: Running) -> None:
    """The simulator of this installation answers the nonce with its token."""
    assert proven(simulator.device, simulator.paths)


def test_a_simulator_of_another_installation_does_not(simulator: Running) -> None:
    """Without its token under this home nothing is proven, and nothing is asked."""
    elsewhere = Paths(simulator.paths.home / "else", simulator.paths.cache, simulator.paths.artifacts)
    assert not proven(simulator.device, elsewhere)


def test_another_token_is_no_proof(simulator: Running) -> None:
    """A token that is not the one the simulator holds proves nothing."""
    (simulator.paths.simulators / "demo" / "token").write_text("0" * 64)
    assert not proven(simulator.device, simulator.paths)


def test_a_simulator_under_another_name_proves_nothing(simulator: Running) -> None:
    """The token is the named simulator's."""
    assert not proven(replace(simulator.device, name="other"), simulator.paths)


def test_a_device_is_not_asked(paths: Paths) -> None:
    """An entry of kind device gets no request."""
    with witness() as watched:
        assert not proven(watched.device(), paths)
    assert watched.heard == []


def test_beyond_loopback_nobody_is_asked(simulator: Running) -> None:
    """Simulated devices live on loopback: another address is no simulator of this host."""
    assert not proven(replace(simulator.device, address="192.0.2.1"), simulator.paths)


def test_a_simulator_that_is_off_proves_nothing(simulator: Running) -> None:
    """Where nothing listens there is no proof yet: it may be restarting."""
    simulator.end()
    with pytest.raises(DeviceUnreachable, match="does not answer"):
        proven(simulator.device, simulator.paths)


def test_a_proof_vouches_for_its_own_ports_alone(simulator: Running) -> None:
    """A proof that is passed on from a simulator does not vouch for another OTA port or MAC."""
    device = simulator.device
    assert not proven(replace(device, ota_port=device.ota_port ^ 1), simulator.paths)
    assert not proven(replace(device, mac="02:4B:31:00:00:77"), simulator.paths)
    elsewhere = replace(device, address="127.0.0.2")
    assert proof_of("token", "00ff", device) != proof_of("token", "00ff", elsewhere)


def test_the_proof_is_an_hmac() -> None:
    """The proof is HMAC-SHA256 of nonce, MAC, address and ports under the token, in hex."""
    device = Device("one", "02:4B:31:00:00:09", "127.0.0.1", 81, 3232)
    expected = hmac.new(b"secret", b"00ff 02:4B:31:00:00:09 127.0.0.1 81 3232", hashlib.sha256).hexdigest()
    assert proof_of("secret", "00ff", device) == expected
