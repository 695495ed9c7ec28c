"""Tests of the OTA protocol without sockets."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1nb.device._espota import (
    CHUNK,
    ERROR_LINES,
    STAGES,
    TRANSITIONS,
    Accepted,
    Event,
    Failed,
    Ignored,
    Progress,
    ProtocolError,
    Sender,
    Signal,
    State,
    Welcome,
)

IMAGE = bytes(range(256)) * 10
"""2,560 bytes: two whole chunks and a half one."""


def connected(image: bytes = IMAGE) -> Sender:
    """Return a sender whose device has connected."""
    sender = Sender(image, 4000)
    sender.invite()
    sender.receive_datagram(b"OK")
    sender.connected()
    return sender


def finishing(image: bytes = IMAGE) -> Sender:
    """Return a sender that has sent everything."""
    sender = connected(image)
    while sender.next_chunk():
        if sender.state is State.WAITING:
            sender.receive(b"1024")
    return sender


def test_the_invitation_names_port_size_and_md5() -> None:
    """The invitation is `0 <port> <size> <md5>` and a newline, the same at each repetition."""
    sender = Sender(IMAGE, 4000)
    first = sender.invite()
    md5 = hashlib.md5(IMAGE, usedforsecurity=False).hexdigest()
    assert first == f"0 4000 2560 {md5}\n".encode()
    assert sender.invite() == first


def test_a_transfer_ends_accepted() -> None:
    """Invitation, OK, connection, chunks each answered, OK: accepted, with every byte sent in order."""
    sender = Sender(IMAGE, 4000)
    sender.invite()
    assert sender.receive_datagram(b"OK") == Welcome()
    sender.connected()
    sent = bytearray()
    while chunk := sender.next_chunk():
        assert len(chunk) <= CHUNK
        sent += chunk
        if sender.state is State.WAITING:
            assert sender.receive(str(len(chunk)).encode()) == [Progress(len(sent))]
    assert bytes(sent) == IMAGE
    assert sender.receive(b"512OK") == [Progress(len(IMAGE)), Accepted()]
    assert sender.state is State.ACCEPTED


def test_no_chunk_goes_out_before_the_last_one_is_answered() -> None:
    """Lock-step: while an answer is due there is nothing to send."""
    sender = connected()
    assert sender.next_chunk() is not None
    assert sender.next_chunk() is None
    sender.receive(b"1")
    assert sender.next_chunk() is not None


@pytest.mark.parametrize(
    "parts",
    [
        [b"512OK"],
        [b"512", b"OK"],
        [b"5", b"12O", b"K"],
        [b"OK"],
        [b"10241024512OK"],
        [b"512", b"512", b"512", b"OK"],
        [b"512OK\r\n"],
        [b"512\r\n", b"OK\n"],
    ],
)
def test_counts_and_ok_may_merge_and_split(parts: Sequence[bytes]) -> None:
    """However the last counts and the OK are cut, they mean accepted."""
    sender = finishing()
    assert [event for part in parts for event in sender.receive(part)][-1] == Accepted()


@pytest.mark.parametrize(("line", "final"), ERROR_LINES.items())
def test_an_error_line_ends_the_session_in_the_device_s_words(line: str, final: bool) -> None:
    """Each of the device's error lines is a failure that quotes it and knows whether another try is useless."""
    sender = finishing()
    assert sender.receive(f"512{line}\r\n".encode())[-1] == Failed("result", f"the device says: {line}", final)


@pytest.mark.parametrize("line", ["OKAY\n", "NOT OK\n", "O.K.\n", "ok\n", "Errno 5\r\n"])
def test_what_is_not_ok_is_a_failure(line: str) -> None:
    """Only OK means accepted: other text, though it contains or resembles OK, is a failure."""
    last = finishing().receive(line.encode())[-1]
    assert isinstance(last, Failed)
    assert line.strip() in last.text


def test_an_error_line_that_is_cut_is_waited_for() -> None:
    """Half an error line is no event; its end makes it one."""
    sender = finishing()
    assert sender.receive(b"512MD5 Che") == [Progress(len(IMAGE))]
    assert sender.receive(b"ck Failed\r\n") == [Failed("result", "the device says: MD5 Check Failed", False)]


@pytest.mark.parametrize("end", ["close", "silence"])
def test_an_error_line_without_its_end_is_quoted_as_far_as_it_came(end: str) -> None:
    """A connection that ends, or a wait that passes, within an error line gives what was heard of it."""
    sender = finishing()
    sender.receive(b"Flash Wri")
    failed = sender.receive(b"")[-1] if end == "close" else sender.silence()
    assert failed == Failed("result", "the device says: Flash Wri", False)


def test_an_ok_before_the_last_byte_is_no_acceptance() -> None:
    """A device that says OK in the middle has accepted something else."""
    sender = connected()
    sender.next_chunk()
    failed = sender.receive(b"1024OK")[-1]
    assert isinstance(failed, Failed)
    assert (failed.stage, failed.final) == ("transfer", False)
    assert "1024 of 2560 bytes" in failed.text


@pytest.mark.parametrize(("sent_all", "stage"), [(False, "transfer"), (True, "result")])
def test_a_closed_connection_is_a_failure(sent_all: bool, stage: str) -> None:
    """The end of the connection without OK fails the stage in which it comes."""
    sender = finishing() if sent_all else connected()
    failed = sender.receive(b"")[-1]
    assert isinstance(failed, Failed)
    assert failed.stage == stage


def test_half_an_ok_is_none() -> None:
    """An O and then the end of the connection is not accepted."""
    sender = finishing()
    assert sender.receive(b"O") == []
    assert isinstance(sender.receive(b"")[-1], Failed)


def test_a_device_with_a_password_fails_for_good() -> None:
    """AUTH ends the session at the invitation, and another try is useless."""
    sender = Sender(IMAGE, 4000)
    sender.invite()
    failed = sender.receive_datagram(b"AUTH " + b"a" * 32)
    assert isinstance(failed, Failed)
    assert (failed.stage, failed.final) == ("invitation", True)
    assert "password" in failed.text


def test_a_lost_ok_does_not_matter() -> None:
    """A device may connect though its OK was lost."""
    sender = Sender(IMAGE, 4000)
    sender.invite()
    sender.connected()
    assert sender.next_chunk() == IMAGE[:CHUNK]


def test_an_ok_to_a_repeated_invitation_is_expected() -> None:
    """Each repetition may be answered."""
    sender = Sender(IMAGE, 4000)
    sender.invite()
    sender.invite()
    assert [sender.receive_datagram(b"OK") for _ in range(2)] == [Welcome(), Welcome()]


@given(st.binary(max_size=300))
def test_a_datagram_of_any_bytes_never_raises(data: bytes) -> None:
    """Whatever comes by UDP is a welcome, a failure, or ignored."""
    sender = Sender(IMAGE, 4000)
    sender.invite()
    assert isinstance(sender.receive_datagram(data), Welcome | Failed | Ignored)


@pytest.mark.parametrize(
    ("welcomed", "stage", "words"), [(False, "invitation", "10 invitations"), (True, "connect", "did not connect")]
)
def test_silence_before_the_connection_names_its_stage(welcomed: bool, stage: str, words: str) -> None:
    """A device that says nothing, and one that says OK but never connects, fail differently."""
    sender = Sender(IMAGE, 4000)
    sender.invite()
    if welcomed:
        sender.receive_datagram(b"OK")
    failed = sender.silence()
    assert failed.stage == stage
    assert words in failed.text


@given(st.lists(st.binary(max_size=12), max_size=40))
def test_answers_of_any_bytes_never_raise_and_seldom_accept(parts: list[bytes]) -> None:
    """Any stream gives events until the session ends; only counts and then OK, after the last byte, accept."""
    sender = finishing()
    heard = b""
    events: list[Event] = []
    for part in parts:
        if sender.state is not State.FINISHING:
            break
        heard += part
        events += sender.receive(part)
    if sender.state is State.ACCEPTED:
        assert re.fullmatch(rb"[0-9 \r\n]*OK[ \r\n]*", heard)
        assert events[-1] == Accepted()


@given(st.lists(st.integers(1, 1460), min_size=1, max_size=30), st.data())
def test_any_cut_of_a_good_stream_accepts(counts: list[int], data: st.DataObject) -> None:
    """Counts without separators and a final OK mean accepted, wherever the stream is cut."""
    stream = "".join(map(str, counts)).encode() + b"OK"
    cuts = sorted(data.draw(st.sets(st.integers(1, len(stream) - 1), max_size=20)))
    sender = finishing()
    events = [
        event
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)
        for event in sender.receive(stream[start:end])
    ]
    assert events[-1] == Accepted()


@given(st.integers(1, 5000))
def test_every_image_leaves_whole_and_in_order(size: int) -> None:
    """The chunks of an image of any size are the image."""
    image = bytes(n % 251 for n in range(size))
    sender = connected(image)
    sent = b""
    while chunk := sender.next_chunk():
        sent += chunk
        if sender.state is State.WAITING:
            sender.receive(b"1")
    assert sent == image
    assert (sender.state, sender.sent) == (State.FINISHING, size)


def test_what_the_table_does_not_allow_is_our_own_error() -> None:
    """A caller that connects before it invites, or reads after the end, gets ProtocolError."""
    with pytest.raises(ProtocolError, match="CONNECT in state NEW"):
        Sender(IMAGE, 4000).connected()
    sender = finishing()
    sender.receive(b"OK")
    with pytest.raises(ProtocolError):
        sender.receive(b"")


def test_the_table_is_closed() -> None:
    """Every state is reached, every signal is used, every state but the last two has a way on and a stage."""
    ends = {State.ACCEPTED, State.FAILED}
    assert {state for state, _ in TRANSITIONS} == set(State) - ends == set(STAGES)
    assert set(TRANSITIONS.values()) == set(State) - {State.NEW}
    assert {signal for _, signal in TRANSITIONS} == set(Signal)
