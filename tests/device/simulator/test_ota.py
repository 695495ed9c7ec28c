"""Tests of the simulated device's OTA service by a small sender of their own, written to the protocol alone."""

from __future__ import annotations

import asyncio
import hashlib
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest
from pydantic import SecretStr

from k1nb.device import Device, OtaPassword, PasswordForm
from k1nb.device.simulator._board import Board
from k1nb.device.simulator._flash import Flash
from k1nb.device.simulator._ota import Invitation, OtaService, read_invitation
from k1nb.paths import Paths
from tests.device import _images
from tests.device._peer import proof_of
from tests.device.conftest import QUICK, Running, running


def invite(running_device: Running, text: str, patience: float = 0.5) -> bytes | None:
    """Send a datagram to the device's OTA port; return its answer, None if there is none."""
    with socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.settimeout(patience)
        udp.sendto(text.encode(), (running_device.device.address, running_device.device.ota_port))
        try:
            return udp.recv(100)
        except TimeoutError:
            return None


def connects(running_device: Running, command: int, size: int, patience: float = 0.5) -> bool:
    """Invite the device to `size` bytes; tell whether it says OK and then connects."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(patience)
        port = server.getsockname()[1]
        assert invite(running_device, f"{command} {port} {size} {'0' * 32}\n") == b"OK"
        try:
            server.accept()[0].close()
        except TimeoutError:
            return False
        return True


Talk = Callable[[socket.socket, bytes], bytes]


def transfer(running_device: Running, image: bytes, talk: Talk, *, md5: str = "") -> bytes:
    """Do one OTA session; `talk` sends the image over the device's connection and returns all that came back."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)
        digest = md5 or hashlib.md5(image, usedforsecurity=False).hexdigest()
        assert invite(running_device, f"0 {server.getsockname()[1]} {len(image)} {digest}\n") == b"OK"
        connection, peer = server.accept()
        assert peer[0] == running_device.device.address
        with closing(connection):
            connection.settimeout(5)
            return talk(connection, image)


def to_the_end(connection: socket.socket) -> bytes:
    """Read until the device closes."""
    return b"".join(iter(lambda: connection.recv(4096), b""))


def lock_step(connection: socket.socket, image: bytes) -> bytes:
    """Send 1,024 bytes at a time and wait for an answer after each, as the reference sender does."""
    said = b""
    for start in range(0, len(image), 1024):
        connection.sendall(image[start : start + 1024])
        if start + 1024 < len(image):
            said += connection.recv(32)
    return said + to_the_end(connection)


def streaming(connection: socket.socket, image: bytes) -> bytes:
    """Send everything, then read what the device said to it."""
    connection.sendall(image)
    return to_the_end(connection)


@pytest.mark.parametrize("talk", [lock_step, streaming])
def test_a_whole_transfer_makes_the_device_what_the_image_says(simulator: Running, talk: Talk) -> None:
    """After OK the device restarts into the image's stamp, patterns and health; the counts glue to the OK."""
    image = _images.sample("k1-abcdefabcdef", fps=77.0, memory_free_kb=99)
    said = transfer(simulator, image, talk)
    assert re.fullmatch(rb"\d+OK", said)
    simulator.wait_until_up(boots=2)
    info = simulator.get("/api/device/info").json()
    assert info["build"]["arduino_release"] == "k1-abcdefabcdef"
    assert info["uptime_ms"] < 30_000
    health = simulator.get("/api/health").json()
    assert health["fps"] == pytest.approx(77.0, rel=0.01)
    assert health["memory_free_kb"] == 99
    patterns = simulator.get("/api/patterns").json()
    assert [p["id"] for p in patterns["patterns"]] == ["ember", "echo", "tide"]
    assert patterns["current_pattern"] == 1
    assert simulator.state() == {
        "flashes_completed": 1,
        "refused_429": 0,
        "boots": 2,
        "running": hashlib.sha256(image).hexdigest(),
    }


def test_the_counts_add_up_to_the_image(simulator: Running) -> None:
    """In lock-step each answer is the count of one chunk, the last one stuck to the OK."""
    image = _images.image()
    said = transfer(simulator, image, lock_step)
    chunks = [len(image[start : start + 1024]) for start in range(0, len(image), 1024)]
    assert said == "".join(map(str, chunks)).encode() + b"OK"


def test_a_firmware_without_a_sample_block_boots_with_factory_figures(simulator: Running) -> None:
    """A valid image that says nothing of itself has the factory's patterns and no stamp."""
    transfer(simulator, _images.image(), lock_step)
    simulator.wait_until_up(boots=2)
    assert len(simulator.get("/api/patterns").json()["patterns"]) == 46
    assert "arduino_release" not in simulator.get("/api/device/info").json()["build"]


def test_while_it_restarts_nothing_answers(simulator: Running) -> None:
    """After an accepted OTA both HTTP and OTA are silent until the device is back."""
    transfer(simulator, _images.sample(), lock_step)
    assert invite(simulator, f"0 1 0 {'0' * 32}\n", patience=0.1) is None
    simulator.wait_until_up(boots=2)
    assert invite(simulator, f"0 1 0 {'0' * 32}\n", patience=2) == b"OK"


def test_the_firmware_survives_a_restart_of_the_simulator(simulator: Running) -> None:
    """Flash contents and counters are kept on disk; what was in RAM is not."""
    image = _images.sample("k1-abcdefabcdef")
    transfer(simulator, image, lock_step)
    simulator.wait_until_up(boots=2)
    device, paths = simulator.device, simulator.paths
    simulator.post("/api/select", json={"id": "tide"})
    simulator.end()
    with running([device], paths) as again:
        assert again.state()["running"] == hashlib.sha256(image).hexdigest()
        assert again.state()["flashes_completed"] == 1
        assert again.get("/api/pattern/current").json()["id"] == "echo"


def test_a_wrong_md5_is_refused_and_the_old_firmware_stays(simulator: Running) -> None:
    """The device says MD5 Check Failed, does not restart, and serves the next transfer."""
    said = transfer(simulator, _images.sample(), lock_step, md5="0" * 32)
    assert said.endswith(b"MD5 Check Failed\r\n")
    assert simulator.state() == {"flashes_completed": 0, "refused_429": 0, "boots": 1, "running": "factory"}
    assert transfer(simulator, _images.sample(), lock_step).endswith(b"OK")


def test_a_wrong_magic_byte_is_refused_at_once(simulator: Running) -> None:
    """Bytes that do not begin with 0xE9 get an error line after the first write."""
    assert transfer(simulator, b"\x7fELF" + bytes(70_000), streaming_once) == b"Wrong Magic Byte\r\n"
    assert simulator.state()["boots"] == 1


def streaming_once(connection: socket.socket, image: bytes) -> bytes:
    """Send the first chunk only, then read."""
    connection.sendall(image[:1024])
    return to_the_end(connection)


def test_the_chip_is_not_looked_at_but_the_boot_loader_refuses(simulator: Running) -> None:
    """An image for another chip is accepted, as a K1 does; it cannot be started, so the old firmware runs on."""
    assert transfer(simulator, _images.image(chip=5), lock_step).endswith(b"OK")
    simulator.wait_until_up(boots=2)
    assert simulator.state()["running"] == "factory"
    assert simulator.state()["flashes_completed"] == 1


@pytest.mark.parametrize(("command", "size"), [(0, 0), (0, 1_966_081), (100, 196_609)])
def test_a_size_that_does_not_fit_gets_ok_and_then_nothing(shared: Running, command: int, size: int) -> None:
    """For 0 bytes, or more than the partition holds, the device says OK but never connects."""
    assert not connects(shared, command, size)


def test_the_largest_size_is_fetched(simulator: Running) -> None:
    """An image that fills the partition exactly is connected for."""
    assert connects(simulator, 0, 1_966_080, patience=3)


@pytest.mark.parametrize(
    "text",
    ["", "OK", "0 1 70000 " + "0" * 31, "7 1 70000 " + "0" * 32, "0 1 70000", "zero 1 70000 " + "0" * 32, "\0" * 500],
)
def test_nonsense_is_met_with_silence(shared: Running, text: str) -> None:
    """An MD5 of another length, an unknown command or any other text gets no answer."""
    assert invite(shared, text, patience=0.15) is None


def test_an_invitation_is_read_with_or_without_its_newline() -> None:
    """Command, port, size and MD5 are read from ASCII text."""
    expected = Invitation(0, 4000, 70000, "a" * 32)
    assert read_invitation(b"0 4000 70000 " + b"a" * 32 + b"\n") == expected
    assert read_invitation(b"0 4000 70000 " + b"a" * 32) == expected


def test_without_data_the_last_count_is_repeated_three_times(simulator: Running) -> None:
    """A silent host gets the last count three times more; then the device gives up and keeps its firmware."""

    def halting(connection: socket.socket, image: bytes) -> bytes:
        connection.sendall(image[:1024])
        return to_the_end(connection)

    assert transfer(simulator, _images.sample(), halting) == b"1024" * 4
    assert simulator.state()["boots"] == 1


def test_a_host_that_never_sends_is_left_without_a_word(simulator: Running) -> None:
    """With nothing written there is no count to repeat."""
    assert transfer(simulator, _images.sample(), lambda connection, _: to_the_end(connection)) == b""


def test_a_cut_transfer_keeps_the_old_firmware(simulator: Running) -> None:
    """A host that goes away in the middle leaves the device as it was, ready for the next one."""

    def cut(connection: socket.socket, image: bytes) -> bytes:
        connection.sendall(image[:30_000])
        connection.recv(10)
        return b""

    transfer(simulator, _images.sample(), cut)
    assert transfer(simulator, _images.sample(), lock_step).endswith(b"OK")
    simulator.wait_until_up(boots=2)
    assert simulator.state()["flashes_completed"] == 1


def test_a_host_that_leaves_before_the_result_does_not_keep_the_image_from_running(demo: Device, paths: Paths) -> None:
    """Once everything has arrived the image is activated, and the device restarts, whoever hears of it."""
    image = b"\xe9" + bytes(1000)
    board = Board(demo, Flash(paths.simulators / "demo"), "0" * 64)

    async def taken() -> bool:
        async with await asyncio.start_server(lambda _, host: host.transport.abort(), "127.0.0.1") as server:
            arrived, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            await arrived.read()
            reader = asyncio.StreamReader()
            reader.feed_data(image)
            writer.transport.abort()
            invitation = Invitation(0, 1, len(image), hashlib.md5(image, usedforsecurity=False).hexdigest())
            return await OtaService(board, QUICK)._take(invitation, reader, writer)

    assert asyncio.run(taken())
    assert board.flash.state()["flashes_completed"] == 1


def test_an_unreachable_host_does_not_stop_the_service(simulator: Running) -> None:
    """Where nothing listens at the port it was given, the device returns to idle."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        assert invite(simulator, f"0 {held.getsockname()[1]} 70000 {'0' * 32}\n") == b"OK"
    assert transfer(simulator, _images.sample(), lock_step).endswith(b"OK")


def test_a_second_invitation_waits_until_the_transfer_ends(simulator: Running) -> None:
    """During a transfer no other invitation is answered."""
    answers: list[bytes | None] = []

    def interrupted(connection: socket.socket, image: bytes) -> bytes:
        connection.sendall(image[:1024])
        connection.recv(4)
        answers.append(invite(simulator, f"0 1 0 {'0' * 32}\n", patience=0.1))
        connection.sendall(image[1024:])
        return to_the_end(connection)

    assert transfer(simulator, _images.sample(), interrupted).endswith(b"OK")
    assert answers == [None]


@dataclass
class Caller:
    """A host that talks to a device's OTA port from one socket."""

    udp: socket.socket

    def say(self, text: str, patience: float = 2.0) -> str | None:
        """Send a datagram and return the answer, None if there is none."""
        self.udp.settimeout(patience)
        self.udp.send(text.encode())
        try:
            return self.udp.recv(200).decode()
        except TimeoutError:
            return None

    def nonce(self) -> str:
        """Invite the device and return the nonce it asks with."""
        answer = self.say(INVITATION)
        assert answer is not None
        word, nonce = answer.split()
        assert word == "AUTH"
        return nonce


INVITATION = f"0 1 0 {'0' * 32}\n"
"""For 0 bytes: the device says OK to it and stays idle."""


@pytest.fixture(params=list(PasswordForm))
def locked(request: pytest.FixtureRequest, demo: Device, paths: Paths) -> Iterator[Running]:
    """A simulated device that asks for the password `open sesame`, in either form."""
    password = OtaPassword(SecretStr("open sesame"), request.param)
    with running([demo], paths, passwords={"demo": password}) as simulation:
        yield simulation


@pytest.fixture
def caller(locked: Running) -> Iterator[Caller]:
    """A host that talks to it."""
    with socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.connect((locked.device.address, locked.device.ota_port))
        yield Caller(udp)


def told(password: str, nonce: str, *, cut: int = 0) -> str:
    """Return the datagram that tells a password, written to the description."""
    cnonce = "fedcba9876543210" * (len(nonce) // 16)
    proof = proof_of(password, nonce, cnonce)
    return f"200 {cnonce} {proof[: len(proof) - cut]}\n"


def test_a_device_with_a_password_asks_and_takes_the_right_one(caller: Caller) -> None:
    """AUTH with a nonce, then OK to the proof; the next invitation is asked anew, with another nonce."""
    nonce = caller.nonce()
    assert caller.say(told("open sesame", nonce)) == "OK"
    assert caller.nonce() != nonce


def test_a_wrong_password_is_denied_and_forgotten(caller: Caller) -> None:
    """Authentication Failed, after which not even the right answer counts and an invitation is asked anew."""
    nonce = caller.nonce()
    assert caller.say(told("open seasame", nonce)) == "Authentication Failed"
    assert caller.say(told("open sesame", nonce), patience=0.1) is None
    assert caller.nonce() != nonce


@pytest.mark.parametrize("instead", [INVITATION, "nonsense", "200 a b\n", "cut"])
def test_anything_else_in_the_password_s_place_is_met_with_silence(caller: Caller, instead: str) -> None:
    """Even an invitation: the device goes back to idle without a word, and the next one is asked anew."""
    nonce = caller.nonce()
    assert caller.say(told("open sesame", nonce, cut=1) if instead == "cut" else instead, patience=0.1) is None
    assert caller.nonce() != nonce


def test_an_image_reaches_a_device_with_a_password(locked: Running) -> None:
    """A sender of its own brings an image to it: invitation, password, then byte by byte as without one."""
    image = _images.image()
    digest = hashlib.md5(image, usedforsecurity=False).hexdigest()
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(type=socket.SOCK_DGRAM) as udp:
        server.settimeout(5)
        udp.connect((locked.device.address, locked.device.ota_port))
        answer = Caller(udp).say(f"0 {server.getsockname()[1]} {len(image)} {digest}\n")
        assert answer is not None
        assert Caller(udp).say(told("open sesame", answer.split()[1])) == "OK"
        with closing(server.accept()[0]) as connection:
            connection.settimeout(5)
            assert lock_step(connection, image).endswith(b"OK")
    locked.wait_until_up(boots=2)
    assert locked.state()["running"] == hashlib.sha256(image).hexdigest()
