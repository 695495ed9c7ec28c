"""Tests of how simulated devices start, stop and restart."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import replace

import httpx
import pytest

from k1nb.device import Device, simulate
from k1nb.errors import PortTaken, UsageError
from k1nb.paths import Paths
from tests.device.conftest import QUICK, Running, running


def refused(device: Device, paths: Paths) -> None:
    """Try to simulate a device that must not be."""
    asyncio.run(simulate([device], paths=paths, timings=QUICK, stop=asyncio.Event()))


def test_a_stopped_simulator_lets_go_of_its_ports(demo: Device, paths: Paths) -> None:
    """A stopped simulator's TCP and UDP ports can be bound by others."""
    with running([demo], paths):
        pass
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tcp.bind((demo.address, demo.http_port))
        udp.bind((demo.address, demo.ota_port))


def test_several_devices_run_in_one_process(demo: Device, paths: Paths, free_port: Callable[[], int]) -> None:
    """Each simulated device answers with its own MAC."""
    other = replace(demo, name="other", mac="02:4B:31:00:00:02", http_port=free_port(), ota_port=free_port())
    with running([demo, other], paths):
        seen = {httpx.get(f"{d.base_url}/api/device/info", trust_env=False).json()["mac"] for d in (demo, other)}
    assert seen == {demo.mac, other.mac}


@pytest.mark.parametrize("address", ["192.168.1.104", "0.0.0.0", "k1-reinvented.local", "localhost"])
def test_only_loopback_is_served(demo: Device, paths: Paths, address: str) -> None:
    """A simulated device refuses every address that is not a loopback address."""
    with pytest.raises(UsageError, match="loopback"):
        refused(replace(demo, address=address), paths)


def test_a_device_is_not_simulated(demo: Device, paths: Paths) -> None:
    """An inventory entry of kind device is no simulator."""
    with pytest.raises(UsageError, match="not a simulator"):
        refused(replace(demo, kind="device"), paths)


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_held_port_is_named(demo: Device, paths: Paths, kind: socket.SocketKind) -> None:
    """A port that another process holds is PortTaken, with the port in the message."""
    with socket.socket(type=kind) as held:
        port = demo.http_port if kind is socket.SOCK_STREAM else demo.ota_port
        held.bind(("127.0.0.1", port))
        if kind is socket.SOCK_STREAM:
            held.listen()
        with pytest.raises(PortTaken, match=str(port)):
            refused(demo, paths)


def test_the_token_is_private(simulator: Running) -> None:
    """The token that proves a simulator can be read by its owner only."""
    token = simulator.paths.simulators / "demo" / "token"
    assert token.stat().st_mode & 0o777 == 0o600
    assert len(token.read_text().strip()) == 64


def test_each_start_is_a_boot_with_its_own_token(demo: Device, paths: Paths) -> None:
    """A restarted simulator counts a further boot and has another token."""
    tokens = []
    for boots in (1, 2):
        with running([demo], paths) as simulation:
            assert simulation.state()["boots"] == boots
            tokens.append((paths.simulators / "demo" / "token").read_text())
    assert tokens[0] != tokens[1]
