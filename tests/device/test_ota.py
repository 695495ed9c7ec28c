"""Tests of the OTA sender: against the simulator, and against a peer that behaves badly."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from k1nb.config import OtaMode
from k1nb.device import Device, OtaPassword, PasswordForm, Transfer, ota_answers, parse_faults, send_image
from k1nb.device._espota import Failed, Sender
from k1nb.device._ota_link import Link
from k1nb.errors import DeviceUnreachable, ImageError, OtaError, SampleRefused
from k1nb.paths import Paths
from k1nb.timings import Timings
from tests.device import _images
from tests.device._peer import Peer, listening, reset, slowly
from tests.device._witness import http, witness
from tests.device.conftest import QUICK, Running, running

MODES: tuple[OtaMode, ...] = ("lock-step", "streaming")
IMAGE = _images.image()
LARGE = _images.image(size=600_000)
"""More than the buffers between the sender and its device hold."""
IMPATIENT = replace(QUICK, ota_invitation=0.02, ota_connect=0.2, ota_acknowledge=0.2, ota_result=0.3)


def k1(ota_port: int, **changes: Any) -> Device:
    """Return an inventory entry of a real device, as far as the sender can tell."""
    return replace(Device("k1", "02:4B:31:00:00:09", "127.0.0.1", 9, ota_port), **changes)


def send(
    device: Device,
    image: bytes,
    paths: Paths,
    timings: Timings = QUICK,
    *,
    mode: OtaMode = "lock-step",
    password: str | None = None,
) -> Transfer:
    """Send an image."""
    secret = None if password is None else SecretStr(password)
    return asyncio.run(send_image(device, image, paths=paths, timings=timings, mode=mode, password=secret))


def failure(peer: Peer, paths: Paths, timings: Timings = QUICK, **how: Any) -> OtaError:
    """Send an image to a peer that makes it fail; return the error."""
    with listening(peer), pytest.raises(OtaError) as caught:
        send(k1(peer.port), IMAGE, paths, timings, **how)
    assert caught.value.log
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize("mode", MODES)
def test_a_simulator_takes_an_image_and_runs_it(simulator: Running, mode: OtaMode) -> None:
    """The sender brings a sample image to a simulator, which then shows its stamp."""
    image = _images.sample("k1-cafecafecafe")
    steps: list[tuple[int, int]] = []

    async def sent() -> Transfer:
        return await send_image(
            simulator.device,
            image,
            paths=simulator.paths,
            timings=QUICK,
            mode=mode,
            on_progress=lambda *step: steps.append(step),
        )

    transfer = asyncio.run(sent())
    assert transfer.size == len(image)
    assert transfer.md5 == hashlib.md5(image, usedforsecurity=False).hexdigest()
    assert "OK" in transfer.log[-1]
    assert steps[-1] == (len(image), len(image))
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    simulator.wait_until_up(boots=2)
    assert simulator.get("/api/device/info").json()["build"]["arduino_release"] == "k1-cafecafecafe"


def test_an_image_of_a_real_firmware_goes_to_a_simulator_too(simulator: Running) -> None:
    """Only sample images need the proof."""
    send(simulator.device, IMAGE, simulator.paths)
    simulator.wait_until_up(boots=2)
    assert simulator.state()["running"] == hashlib.sha256(IMAGE).hexdigest()


@pytest.mark.parametrize("mode", MODES)
def test_the_peer_gets_the_image_byte_for_byte(paths: Paths, mode: OtaMode) -> None:
    """What arrives is the image, and the invitation names its size and MD5."""
    peer = Peer()
    peer.talk = peer.finish
    with listening(peer):
        send(k1(peer.port), IMAGE, paths, mode=mode)
    assert peer.image == IMAGE
    assert peer.invitations[0].split()[2:] == [str(len(IMAGE)).encode(), peer.md5.encode()]


@pytest.mark.parametrize("mode", MODES)
def test_merged_and_split_answers_are_progress(paths: Paths, mode: OtaMode) -> None:
    """Counts that come in single bytes, late, twice or in one heap don't disturb the transfer."""
    peer = Peer()

    def talk(connection: socket.socket, size: int) -> None:
        peer.read(connection, 1024)
        slowly(connection, "1024")
        peer.read(connection, 100)
        connection.sendall(b"10")
        peer.read(connection)
        connection.sendall(b"024102410241024")
        peer.finish(connection, size)

    peer.talk = talk
    with listening(peer):
        assert send(k1(peer.port), IMAGE, paths, mode=mode).size == len(IMAGE)
    assert peer.image == IMAGE


def test_a_lost_invitation_is_repeated_word_for_word(paths: Paths) -> None:
    """The same datagram is sent until the device answers."""
    peer = Peer(ignore=3)
    peer.talk = peer.finish
    with listening(peer):
        send(k1(peer.port), IMAGE, paths, replace(QUICK, ota_invitation=0.05))
    assert len(peer.invitations) >= 4
    assert len(set(peer.invitations)) == 1


def test_a_lost_ok_does_not_matter(paths: Paths) -> None:
    """A device that connects without having said OK gets its image."""
    peer = Peer(answer=None)
    peer.talk = peer.finish
    with listening(peer):
        assert send(k1(peer.port), IMAGE, paths).size == len(IMAGE)


def test_a_stranger_s_connection_is_turned_away(paths: Paths) -> None:
    """A connection from another address than the device's gets no byte, and the device is still served."""
    peer = Peer()
    heard: list[bytes] = []

    def intrude(sender: tuple[str, int]) -> None:
        with socket.create_connection(sender, source_address=("127.0.0.9", 0), timeout=5) as stranger:
            try:
                heard.append(stranger.recv(100))
            except ConnectionResetError:
                heard.append(b"")

    peer.talk, peer.before = peer.finish, intrude
    with listening(peer):
        transfer = send(k1(peer.port), IMAGE, paths)
    assert heard == [b""]
    assert peer.image == IMAGE
    assert any("turned away" in line for line in transfer.log)


@pytest.mark.parametrize(
    ("say", "final"), [("MD5 Check Failed\r\n", False), ("Wrong Magic Byte\r\n", True), ("OKAY\r\n", False)]
)
@pytest.mark.parametrize("mode", MODES)
def test_an_error_line_is_the_message(paths: Paths, say: str, final: bool, mode: OtaMode) -> None:
    """What the device says at the end is quoted, and is never taken for success."""
    peer = Peer()
    peer.talk = lambda connection, size: peer.finish(connection, size, say)
    error = failure(peer, paths, mode=mode)
    assert (error.stage, error.final) == ("result", final)
    assert say.strip() in error.message


@pytest.mark.parametrize("mode", MODES)
def test_an_error_in_the_middle_ends_the_transfer(paths: Paths, mode: OtaMode) -> None:
    """A flash that cannot be written is said at once."""
    peer = Peer()

    def talk(connection: socket.socket, _: int) -> None:
        peer.read(connection)
        connection.sendall(b"1024")
        peer.read(connection)
        connection.sendall(b"Flash Write Failed\r\n")

    peer.talk = talk
    error = failure(peer, paths, mode=mode)
    assert (error.stage, error.final) == ("transfer", False)
    assert "Flash Write Failed" in error.message
    assert len(peer.image) < len(IMAGE)


def test_a_device_that_says_nothing_fails_at_the_invitation(paths: Paths) -> None:
    """Ten invitations without an answer are the end."""
    peer = Peer(answer=None)
    error = failure(peer, paths, IMPATIENT)
    assert (error.stage, error.final, len(peer.invitations)) == ("invitation", False, 10)


def test_a_port_where_nothing_listens_fails_at_the_invitation(paths: Paths, free_port: Callable[[], int]) -> None:
    """The network's own word, that nothing is there, is in the message."""
    with pytest.raises(OtaError, match="refused") as caught:
        send(k1(free_port()), IMAGE, paths, IMPATIENT)
    assert caught.value.stage == "invitation"


def test_a_device_that_never_connects_fails_at_the_connection(paths: Paths) -> None:
    """OK without a connection points at this host's firewall."""
    error = failure(Peer(), paths, IMPATIENT)
    assert error.stage == "connect"
    assert "firewall" in (error.hint or "")


@pytest.mark.parametrize("mode", MODES)
def test_a_device_that_stops_answering_fails_in_the_transfer(paths: Paths, mode: OtaMode) -> None:
    """A chunk without an answer ends the session after its patience."""
    peer = Peer(talk=lambda *_: time.sleep(0.5))
    error = failure(peer, paths, IMPATIENT, mode=mode)
    assert error.stage == "transfer"
    assert ("1436 of" if mode == "lock-step" else "0 of") in error.message


@pytest.mark.parametrize("mode", MODES)
def test_a_device_that_never_says_ok_fails_at_the_result(paths: Paths, mode: OtaMode) -> None:
    """Every byte taken, but no OK: not accepted."""
    peer = Peer()

    def talk(connection: socket.socket, size: int) -> None:
        peer.finish(connection, size, "")
        time.sleep(0.5)

    peer.talk = talk
    assert failure(peer, paths, IMPATIENT, mode=mode).stage == "result"


@pytest.mark.parametrize("after", [0, 5000, len(IMAGE)])
@pytest.mark.parametrize("mode", MODES)
def test_a_reset_connection_is_a_failure(paths: Paths, after: int, mode: OtaMode) -> None:
    """A connection that is cut with a reset fails, at the beginning, in the middle and at the end.

    A reset throws away what is on its way, so that a streaming sender may not know that all of it was taken.
    """
    peer = Peer()

    def talk(connection: socket.socket, _: int) -> None:
        while len(peer.image) < after and (data := peer.read(connection)):
            if len(peer.image) < after:
                connection.sendall(str(len(data)).encode())
        reset(connection)

    peer.talk = talk
    error = failure(peer, paths, mode=mode)
    ends = {"result"} if mode == "lock-step" else {"result", "transfer"}
    assert error.stage in (ends if after == len(IMAGE) else {"transfer"})
    assert not error.final


@pytest.mark.parametrize("nonce", [None, "0123456789abcdef" * 2, "0123456789abcdef" * 4], ids=["", "md5", "pbkdf2"])
@pytest.mark.parametrize("mode", MODES)
def test_a_receiver_written_apart_takes_the_image(paths: Paths, mode: OtaMode, nonce: str | None) -> None:
    """A device side written to the description alone is flashed, without a password and with either form of one."""
    peer = Peer(password=nonce and "open sesame", nonce=nonce or "")
    peer.talk = peer.finish
    with listening(peer):
        transfer = send(k1(peer.port), IMAGE, paths, mode=mode, password="open sesame")
    assert peer.image == IMAGE
    assert not any("sesame" in line for line in transfer.log)


@pytest.mark.parametrize("nonce", ["0123456789abcdef" * 2, "0123456789abcdef" * 4], ids=["md5", "pbkdf2"])
@pytest.mark.parametrize(("password", "words"), [("wrong", "Authentication Failed"), (None, "none is set")])
def test_a_password_that_is_wrong_or_missing_fails_for_good(
    paths: Paths, nonce: str, password: str | None, words: str
) -> None:
    """The error is final, says what the device said, and its hint names the settings; no byte was sent."""
    peer = Peer(password="right", nonce=nonce)
    peer.talk = peer.finish
    error = failure(peer, paths, password=password)
    assert (error.stage, error.final) == ("authentication", True)
    assert words in error.message
    assert "K1NB_OTA_PASSWORD" in (error.hint or "")
    assert "wrong" not in "".join(error.log)
    assert peer.image == b""


def test_a_challenge_that_is_lost_is_asked_for_again(paths: Paths) -> None:
    """A device whose question does not arrive asks again when it is invited again."""
    peer = Peer(ignore=2, password="open sesame")
    peer.talk = peer.finish
    with listening(peer):
        send(k1(peer.port), IMAGE, paths, replace(QUICK, ota_invitation=0.05), password="open sesame")
    assert peer.image == IMAGE


def test_a_device_that_asks_and_then_is_silent_fails_at_the_authentication(paths: Paths) -> None:
    """Ten invitations, each answered by a question and nothing more, are the end; another try may succeed."""
    impatient = replace(IMPATIENT, ota_connect=0.02)
    peer = Peer(password="open sesame", answer=None)
    error = failure(peer, paths, impatient, password="open sesame")
    assert (error.stage, error.final, len(peer.invitations)) == ("authentication", False, 10)


def test_an_error_line_is_heard_though_the_connection_is_reset(paths: Paths) -> None:
    """A device that gives up in the middle of a stream, with bytes unread, is quoted all the same, and at once."""
    peer = Peer()

    def talk(connection: socket.socket, _: int) -> None:
        for _ in range(20):
            connection.sendall(str(len(peer.read(connection))).encode())
        connection.sendall(b"Flash Write Failed\r\n")
        reset(connection)

    peer.talk = talk
    with listening(peer), pytest.raises(OtaError, match="the device says: Flash Write Failed") as caught:
        send(k1(peer.port), LARGE, paths, mode="streaming")
    assert caught.value.stage == "transfer"


def test_what_a_device_said_last_is_read_when_writing_fails_first() -> None:
    """A failed write does not lose the error line that lay unread beside it."""

    async def lost() -> list[str]:
        ours, theirs = socket.socketpair()
        notes: list[str] = []
        transport, link = await asyncio.get_running_loop().create_connection(
            lambda: Link(lambda _: None, notes.append, QUICK), sock=ours
        )
        theirs.sendall(b"1460Flash Write Failed\r\n")
        sender = Sender(LARGE, "0" * 32, 4000, streaming=True)
        sender.invite()
        sender.connected()
        running = asyncio.create_task(link.run(sender, lambda _: None))
        link.connection_lost(ConnectionResetError(104, "Connection reset by peer"))
        end = await running
        transport.abort()
        theirs.close()
        assert isinstance(end, Failed)
        return [*notes, end.text]

    assert asyncio.run(lost()) == ["connection: Connection reset by peer", "the device says: Flash Write Failed"]


@pytest.mark.parametrize("percent", [0, 1, 50, 95])
def test_a_stream_that_stalls_is_noticed_like_a_stalled_chunk(paths: Paths, percent: int) -> None:
    """A device that takes bytes but answers no more fails in the transfer, after the patience for one answer."""
    peer = Peer()
    left = threading.Event()

    def talk(connection: socket.socket, size: int) -> None:
        while len(peer.image) * 100 < size * percent:
            connection.sendall(str(len(peer.read(connection))).encode())
        while peer.read(connection):
            pass
        left.set()

    peer.talk = talk
    started = time.monotonic()
    error = failure(peer, paths, replace(QUICK, ota_acknowledge=0.3, ota_result=30), mode="streaming")
    assert error.stage == "transfer"
    assert "stopped answering" in error.message
    assert 0.3 <= time.monotonic() - started < 5
    assert left.wait(5)


def test_a_stream_s_progress_is_what_the_device_can_have_taken(paths: Paths) -> None:
    """Progress lags behind what was sent: each answer is a step, which never exceeds what the device has read."""
    peer = Peer()
    steps: list[tuple[int, int]] = []
    answers = 0
    looked = threading.Semaphore(0)

    def look(taken: int, size: int) -> None:
        steps.append((taken, len(peer.image)))
        assert size == len(LARGE)
        looked.release()

    def talk(connection: socket.socket, size: int) -> None:
        nonlocal answers
        while len(peer.image) < size:
            count = len(peer.read(connection))
            answers += 1
            connection.sendall(f"{count}{'OK' if len(peer.image) == size else ''}".encode())
            assert looked.acquire(timeout=5)  # or several answers would be one step

    peer.talk = talk

    async def sent() -> None:
        await send_image(k1(peer.port), LARGE, paths=paths, timings=QUICK, mode="streaming", on_progress=look)

    with listening(peer):
        asyncio.run(sent())
    assert len(steps) == answers > 10
    assert all(taken <= read + 1460 for taken, read in steps)


def test_what_on_progress_raises_ends_the_transfer(paths: Paths) -> None:
    """An error of who watches is not swallowed."""
    peer = Peer()
    peer.talk = peer.finish

    def refuse(_taken: int, _size: int) -> None:
        raise ZeroDivisionError

    async def sent() -> None:
        await send_image(k1(peer.port), IMAGE, paths=paths, timings=QUICK, on_progress=refuse)

    with listening(peer), pytest.raises(ZeroDivisionError):
        asyncio.run(sent())


@pytest.mark.parametrize("mode", MODES)
def test_one_deadline_ends_everything(paths: Paths, mode: OtaMode) -> None:
    """A device that answers each chunk, but slowly, is given up at the overall deadline."""
    peer = Peer()

    def talk(connection: socket.socket, _: int) -> None:
        try:
            while data := peer.read(connection):
                time.sleep(0.1)
                connection.sendall(str(len(data)).encode())
        except OSError:
            pass

    peer.talk = talk
    started = time.monotonic()
    error = failure(peer, paths, replace(QUICK, ota_deadline=0.5), mode=mode)
    assert time.monotonic() - started < 5
    assert error.stage == "transfer"
    assert "0.5 s" in error.message


@pytest.mark.parametrize("mode", MODES)
def test_a_cancelled_transfer_closes_its_connection(paths: Paths, mode: OtaMode) -> None:
    """When the sender is cancelled, the device sees the connection end at once."""
    begun, ended = threading.Event(), threading.Event()
    peer = Peer()

    def talk(connection: socket.socket, _: int) -> None:
        peer.read(connection)
        begun.set()
        try:
            while connection.recv(1000):
                pass
        except OSError:
            pass
        ended.set()

    peer.talk = talk

    async def cancelled() -> None:
        task = asyncio.create_task(send_image(k1(peer.port), LARGE, paths=paths, timings=QUICK, mode=mode))
        assert await asyncio.to_thread(begun.wait, 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with listening(peer):
        asyncio.run(cancelled())
        assert ended.wait(5)


@pytest.mark.parametrize(
    "image",
    [b"", b"\xe9", IMAGE[:-1], bytes(70_000), _images.image(chip=5), _images.image(size=1000)],
    ids=["empty", "one byte", "cut", "zeros", "another chip", "small"],
)
def test_what_is_no_image_is_not_sent(paths: Paths, image: bytes) -> None:
    """Bytes that are no image of this chip, or one that is too small, are refused before any connection."""
    with witness() as watched, pytest.raises(ImageError):
        send(watched.device(), image, paths)
    assert watched.heard == []


def test_an_image_larger_than_the_partition_is_not_sent(paths: Paths) -> None:
    """The device would say OK to it and then nothing: it is refused before any connection."""
    with witness() as watched, pytest.raises(ImageError, match="1966080"):
        send(watched.device(), _images.image(size=1_966_080), paths)
    assert watched.heard == []


def test_a_host_name_that_means_nothing_is_unreachable(paths: Paths) -> None:
    """A name that cannot be resolved is an error about the address."""
    with pytest.raises(DeviceUnreachable, match="cannot be found"):
        send(k1(3232, address="k1.invalid"), IMAGE, paths)


def test_a_sample_image_opens_no_connection_to_a_device(paths: Paths) -> None:
    """For an inventory entry of kind device the sample firmware is refused before anything is sent at all."""
    with witness() as watched, pytest.raises(SampleRefused, match="not sent"):
        send(watched.device(), _images.sample(), paths)
    assert watched.heard == []


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"garbage",
        http(b"{}"),
        http(b'{"proof": "%s"}' % (b"0" * 64)),
        http(b'{"proof": null}'),
        http(b"[]"),
        http(b'{"proof": "' + "é".encode() * 32 + b'"}'),
        http(b" " * 5000),
        http(b"[" * 4000),
        http(b'{"error":"Not found"}', "404 Not Found"),
        http(b"", "302 Found", Location="/"),
    ],
    ids=["nothing", "garbage", "empty", "wrong", "null", "list", "no ascii", "long", "deep", "not found", "redirect"],
)
def test_a_sample_image_stops_at_the_proof(simulator: Running, answer: bytes) -> None:
    """At what claims to be a known simulator but cannot prove it, one proof request arrives and nothing else."""
    with witness() as watched:
        watched.answer = answer
        # The entry has the name, and so the token, of a simulator that runs here.
        liar = watched.device(name="demo", kind="simulator")
        with pytest.raises(SampleRefused):
            send(liar, _images.sample(), simulator.paths)
    assert [how for how, _ in watched.heard] == ["tcp"]
    assert watched.heard[0][1].startswith(b"GET /k1nb/simulator?nonce=")


@pytest.mark.parametrize("image", [_images.image(_images.sample_block()), _images.image(project="k1nb-sample")])
def test_half_a_sample_is_a_sample(paths: Paths, image: bytes) -> None:
    """An image with only the name, or only the block, of the sample firmware is treated as one."""
    with witness() as watched, pytest.raises(SampleRefused):
        send(watched.device(), image, paths)
    assert watched.heard == []


def test_an_idle_device_answers_an_empty_invitation_and_stays_idle(simulator: Running) -> None:
    """ota_answers is true for a device that serves OTA, which afterwards takes an image."""
    assert asyncio.run(ota_answers(simulator.device, QUICK))
    assert send(simulator.device, IMAGE, simulator.paths).size == len(IMAGE)


@pytest.mark.parametrize(("answer", "expected"), [(b"AUTH " + b"0" * 32, True), (b"what?", False), (None, False)])
def test_ota_answers_knows_an_answer(answer: bytes | None, expected: bool) -> None:
    """A question for the password is an answer; other words, and silence, are none."""
    peer = Peer(answer=answer)
    with listening(peer):
        assert asyncio.run(ota_answers(k1(peer.port), IMPATIENT)) is expected
    assert peer.invitations[0].split()[0::2] == [b"0", b"0"]


def test_ota_answers_is_false_where_nothing_listens(free_port: Callable[[], int]) -> None:
    """A device without an OTA service does not answer."""
    assert not asyncio.run(ota_answers(k1(free_port()), IMPATIENT))


@pytest.mark.parametrize("form", PasswordForm)
def test_a_simulator_with_a_password_is_flashed_with_it_alone(demo: Device, paths: Paths, form: PasswordForm) -> None:
    """A simulated device that asks for a password refuses a wrong one, and runs what it gets with the right one."""
    password = OtaPassword(SecretStr("open sesame"), form)
    with running([demo], paths, passwords={"demo": password}) as simulation:
        for wrong in ("open seasame", None):
            with pytest.raises(OtaError) as caught:
                send(demo, IMAGE, paths, password=wrong)
            assert (caught.value.stage, caught.value.final) == ("authentication", True)
        assert simulation.state()["flashes_completed"] == 0
        send(demo, IMAGE, paths, password="open sesame")
        simulation.wait_until_up(boots=2)
        assert simulation.state()["running"] == hashlib.sha256(IMAGE).hexdigest()


def test_asking_a_device_with_a_password_leaves_it_idle(demo: Device, paths: Paths) -> None:
    """ota_answers is true for it, and the next invitation is answered at once."""
    with running([demo], paths, passwords={"demo": OtaPassword(SecretStr("open sesame"))}):
        assert asyncio.run(ota_answers(demo, QUICK))
        transfer = send(demo, IMAGE, paths, replace(QUICK, ota_invitation=5.0), password="open sesame")
    assert transfer.seconds < 5


@pytest.mark.parametrize(
    ("fault", "stage"),
    [
        ("cut=1", "transfer"),
        ("cut=99", "transfer"),
        ("stall=1", "transfer"),
        ("stall=99", "transfer"),
        ("bad-md5", "result"),
        ("lost-ok", "result"),
    ],
)
@pytest.mark.parametrize("mode", MODES)
def test_a_fault_is_reported_where_it_happened_in_either_mode(
    demo: Device, paths: Paths, fault: str, stage: str, mode: OtaMode
) -> None:
    """A failing simulated device ends both modes at the same stage: what was only sent is not said to have arrived."""
    timings = replace(QUICK, ota_acknowledge=0.4)
    with running([demo], paths, faults=parse_faults([fault])), pytest.raises(OtaError) as caught:
        send(demo, LARGE, paths, timings, mode=mode)
    assert (caught.value.stage, caught.value.final) == (stage, False)
