"""Tests of the OTA protocol without sockets."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from k1nb.device._espota import (
    CHUNK,
    ERROR_LINES,
    STAGES,
    STREAM_CHUNK,
    TRANSITIONS,
    Accepted,
    Challenged,
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
from k1nb.device._ota_counts import MOST_WRITTEN
from k1nb.device._ota_password import PasswordForm, answer_of

SECRET = SecretStr("open sesame")
IMAGE = bytes(n % 251 for n in range(3590))
"""Two whole chunks and a half one."""


def sender_of(image: bytes, **how: Any) -> Sender:
    """Return a sender that listens at TCP port 4000."""
    return Sender(image, hashlib.md5(image, usedforsecurity=False).hexdigest(), 4000, **how)


def connected(image: bytes = IMAGE, *, streaming: bool = False) -> Sender:
    """Return a sender whose device has connected."""
    sender = sender_of(image, streaming=streaming)
    sender.invite()
    sender.receive_datagram(b"OK")
    sender.connected()
    return sender


def finishing(image: bytes = IMAGE) -> Sender:
    """Return a sender that has sent everything."""
    sender = connected(image)
    while sender.next_chunk():
        if sender.state is State.WAITING:
            sender.receive(b"1436")
    return sender


def test_the_invitation_names_port_size_and_md5() -> None:
    """The invitation is `0 <port> <size> <md5>` and a newline, the same at each repetition."""
    sender = sender_of(IMAGE)
    first = sender.invite()
    md5 = hashlib.md5(IMAGE, usedforsecurity=False).hexdigest()
    assert first == f"0 4000 3590 {md5}\n".encode()
    assert sender.invite() == first


def test_a_transfer_ends_accepted() -> None:
    """Invitation, OK, connection, chunks each answered, OK: accepted, with every byte sent in order."""
    sender = sender_of(IMAGE)
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
    assert sender.receive(b"718OK") == [Progress(len(IMAGE)), Accepted()]
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
        [b"718OK"],
        [b"718", b"OK"],
        [b"5", b"12O", b"K"],
        [b"OK"],
        [b"14361436718OK"],
        [b"718", b"718", b"718", b"OK"],
        [b"718OK\r\n"],
        [b"718\r\n", b"OK\n"],
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
    assert sender.receive(f"718{line}\r\n".encode())[-1] == Failed("result", f"the device says: {line}", final)


@pytest.mark.parametrize("line", ["OKAY\n", "NOT OK\n", "O.K.\n", "ok\n", "Errno 5\r\n"])
def test_what_is_not_ok_is_a_failure(line: str) -> None:
    """Only OK means accepted: other text, though it contains or resembles OK, is a failure."""
    last = finishing().receive(line.encode())[-1]
    assert isinstance(last, Failed)
    assert line.strip() in last.text


def test_an_error_line_that_is_cut_is_waited_for() -> None:
    """Half an error line is no event; its end makes it one."""
    sender = finishing()
    assert sender.receive(b"718MD5 Che") == [Progress(len(IMAGE))]
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
    failed = sender.receive(b"1436OK")[-1]
    assert isinstance(failed, Failed)
    assert (failed.stage, failed.final) == ("transfer", False)
    assert "1436 of 3590 bytes" in failed.text


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


@pytest.mark.parametrize(
    ("nonce", "password", "words"),
    [("a" * 32, None, "none is set"), ("a" * 64, None, "none is set"), ("a" * 40, SECRET, "not known")],
)
def test_a_challenge_without_an_answer_fails_for_good(nonce: str, password: SecretStr | None, words: str) -> None:
    """A device whose password is not set here, or that wants it in an unknown form, fails for good."""
    sender = sender_of(IMAGE, password=password)
    sender.invite()
    failed = sender.receive_datagram(f"AUTH {nonce}".encode())
    assert isinstance(failed, Failed)
    assert (failed.stage, failed.final) == ("authentication", True)
    assert words in failed.text


def challenged(nonce: str = "a" * 32) -> tuple[Sender, Event]:
    """Return a sender that was asked for its password, and what it makes of that."""
    sender = sender_of(IMAGE, password=SECRET, token_hex=lambda count: "c" * 2 * count)
    sender.invite()
    return sender, sender.receive_datagram(f"AUTH {nonce}".encode())


@pytest.mark.parametrize(
    ("length", "form"), [(32, PasswordForm.MD5), (64, PasswordForm.PBKDF2)], ids=["core 2", "core 3.3.1"]
)
def test_a_challenge_is_answered_in_its_form(length: int, form: PasswordForm) -> None:
    """The answer is `200 <nonce of ours> <proof>` in the lengths of the device's nonce, and its text shows neither."""
    sender, event = challenged("a" * length)
    assert isinstance(event, Challenged)
    assert event.form is form
    proof = answer_of(form, SECRET, "a" * length, "c" * length)
    assert event.answer == f"200 {'c' * length} {proof}\n".encode()
    assert proof not in repr(event)
    assert sender.receive_datagram(b"OK") == Welcome()
    sender.connected()
    assert sender.next_chunk() == IMAGE[:CHUNK]


def test_a_wrong_password_fails_for_good() -> None:
    """Authentication Failed to the only challenge there was is final."""
    sender, _ = challenged()
    assert sender.receive_datagram(b"Authentication Failed") == Failed(
        "authentication", "the device says: Authentication Failed", True
    )


def test_a_denial_after_several_invitations_is_not_final() -> None:
    """A device that took several invitations may mean an older challenge: another try may succeed."""
    sender, _ = challenged()
    sender.invite()
    sender.receive_datagram(b"AUTH " + b"b" * 32)
    failed = sender.receive_datagram(b"Authentication Failed")
    assert isinstance(failed, Failed)
    assert not failed.final


def test_each_invitation_may_lead_to_one_challenge() -> None:
    """Two challenges to two invitations are each answered; a third is ignored, however long the device asks on."""
    sender = sender_of(IMAGE, password=SECRET)
    sender.invite()
    sender.invite()
    events = [sender.receive_datagram(b"AUTH " + nonce * 32) for nonce in (b"a", b"b", b"c")]
    assert isinstance(events[0], Challenged)
    assert isinstance(events[1], Challenged)
    assert events[0].answer != events[1].answer
    assert isinstance(events[2], Ignored)


def test_silence_after_the_password_names_its_stage() -> None:
    """A device that asks and then says nothing fails at the authentication; another try may succeed."""
    sender, _ = challenged()
    failed = sender.silence()
    assert (failed.stage, failed.final) == ("authentication", False)
    assert "password" in failed.text


def test_a_lost_ok_does_not_matter() -> None:
    """A device may connect though its OK was lost."""
    sender = sender_of(IMAGE)
    sender.invite()
    sender.connected()
    assert sender.next_chunk() == IMAGE[:CHUNK]


def test_an_ok_to_a_repeated_invitation_is_expected() -> None:
    """Each repetition may be answered."""
    sender = sender_of(IMAGE)
    sender.invite()
    sender.invite()
    assert [sender.receive_datagram(b"OK") for _ in range(2)] == [Welcome(), Welcome()]


@given(st.binary(max_size=300))
def test_a_datagram_of_any_bytes_never_raises(data: bytes) -> None:
    """Whatever comes by UDP is a welcome, a challenge, a failure, or ignored."""
    sender = sender_of(IMAGE, password=SECRET)
    sender.invite()
    assert isinstance(sender.receive_datagram(data), Welcome | Challenged | Failed | Ignored)


@pytest.mark.parametrize(
    ("welcomed", "stage", "words"), [(False, "invitation", "10 invitations"), (True, "connect", "did not connect")]
)
def test_silence_before_the_connection_names_its_stage(welcomed: bool, stage: str, words: str) -> None:
    """A device that says nothing, and one that says OK but never connects, fail differently."""
    sender = sender_of(IMAGE)
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


LARGE = bytes(n % 251 for n in range(20_000))


def test_a_streaming_sender_writes_ahead() -> None:
    """Every byte is handed out before anything is answered."""
    sender = connected(LARGE, streaming=True)
    chunks = list(iter(sender.next_chunk, None))
    assert b"".join(chunks) == LARGE
    assert {len(chunk) for chunk in chunks[:-1]} == {STREAM_CHUNK}
    assert sender.state is State.DRAINING


def test_the_result_is_due_once_all_but_the_last_write_can_be_answered() -> None:
    """While more answers than one are due the transfer is not over, though every byte has left."""
    sender = connected(LARGE, streaming=True)
    while sender.next_chunk():
        pass
    states = [sender.state]
    assert sender.receive(b"1460" * 12) == [Progress(12 * 1460)]
    states.append(sender.state)
    assert sender.receive(b"1460") == [Progress(len(LARGE))]
    states.append(sender.state)
    assert states == [State.DRAINING, State.DRAINING, State.FINISHING]
    assert sender.receive(b"1020OK") == [Progress(len(LARGE)), Accepted()]


@pytest.mark.parametrize("answered", [0, 1, 13])
def test_an_ok_to_everything_accepts_however_much_was_counted(answered: int) -> None:
    """The device's OK stands for size and MD5; counts that it kept to itself do not matter."""
    sender = connected(LARGE, streaming=True)
    while sender.next_chunk():
        pass
    assert sender.receive(b"1460" * answered + b"OK")[-1] == Accepted()


def test_an_ok_ahead_of_the_last_byte_is_no_acceptance() -> None:
    """A device that says OK while a streaming sender still has bytes has accepted something else."""
    sender = connected(LARGE, streaming=True)
    sender.next_chunk()
    failed = sender.receive(b"1460OK")[-1]
    assert isinstance(failed, Failed)
    assert (failed.stage, failed.final) == ("transfer", False)


@pytest.mark.parametrize("end", ["silence", "close"])
@pytest.mark.parametrize(("answered", "stage"), [(0, "transfer"), (5, "transfer"), (13, "result")])
def test_a_device_that_stops_is_reported_where_it_stopped(answered: int, stage: str, end: str) -> None:
    """The stage is that of what the device can have taken, not of what has left here."""
    sender = connected(LARGE, streaming=True)
    while sender.next_chunk():
        pass
    if answered:
        sender.receive(b"1460" * answered)
    failed = sender.silence() if end == "silence" else sender.receive(b"")[-1]
    assert isinstance(failed, Failed)
    assert failed.stage == stage
    assert f"after {len(LARGE) if stage == 'result' else 1460 * answered} of {len(LARGE)} bytes" in failed.text


@st.composite
def writes(draw: st.DrawFn, size: int) -> list[int]:
    """Draw how many bytes a device writes each time until it has them all; most writes are full."""
    left, sizes = size, []
    while left:
        sizes.append(min(left, draw(st.one_of(st.just(MOST_WRITTEN), st.integers(1, MOST_WRITTEN)))))
        left -= sizes[-1]
    return sizes


@st.composite
def sessions(draw: st.DrawFn, ending: str) -> tuple[Sender, list[bytes], bytes]:
    """Draw a streaming sender, what its device says cut anywhere, and the image.

    The device answers only what it has got, so that the sender hands out chunks in between.
    """
    image = bytes(n % 251 for n in range(draw(st.integers(1, 12_000))))
    counts = "".join(map(str, draw(writes(len(image)))))
    stream = (counts + ending).encode()
    cuts = sorted(draw(st.sets(st.integers(1, len(stream) - 1), max_size=12))) if len(stream) > 1 else []
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    return connected(image, streaming=True), pieces, image


@given(sessions("OK"), st.data())
def test_a_stream_cut_anywhere_accepts(session: tuple[Sender, list[bytes], bytes], data: st.DataObject) -> None:
    """Chunks and answers may interleave in any way: the image leaves whole, and is accepted at its OK, not before."""
    sender, pieces, image = session
    sent, events = b"", list[Event]()
    for number, piece in enumerate(pieces):
        ahead = 100 if b"O" in piece or number == len(pieces) - 1 else data.draw(st.integers(0, 3))
        for chunk in (sender.next_chunk() for _ in range(ahead)):
            sent += chunk or b""
        assert sender.state is not State.ACCEPTED
        events += sender.receive(piece)
    assert sent == image
    assert events[-1] == Accepted()
    taken = [event.sent for event in events if isinstance(event, Progress)]
    assert taken == sorted(taken)
    assert all(one <= len(image) for one in taken)


@given(sessions(""), st.sampled_from(sorted(ERROR_LINES)), st.data())
def test_an_error_line_anywhere_ends_a_stream(
    session: tuple[Sender, list[bytes], bytes], line: str, data: st.DataObject
) -> None:
    """An error line between the answers, cut anywhere, fails the session with the piece that ends it."""
    sender, pieces, _ = session
    heard = pieces[: data.draw(st.integers(0, len(pieces)))]
    for piece in heard:
        sender.next_chunk()
        sender.receive(piece)
    text = f"{line}\r\n".encode()
    cut = data.draw(st.integers(1, len(line)))
    assert not [event for event in sender.receive(text[:cut]) if not isinstance(event, Progress)]
    failed = sender.receive(text[cut:])[-1]
    assert isinstance(failed, Failed)
    assert (failed.text, failed.final) == (f"the device says: {line}", ERROR_LINES[line])
    assert sender.next_chunk() is None


@given(st.lists(st.binary(max_size=12), max_size=40))
def test_a_stream_of_any_bytes_never_raises_and_seldom_accepts(parts: list[bytes]) -> None:
    """Any answers give events until the session ends; only counts and then OK, after the last byte, accept."""
    sender = connected(LARGE[:5000], streaming=True)
    heard = b""
    for part in parts:
        sender.next_chunk()
        if sender.state in (State.ACCEPTED, State.FAILED):
            break
        heard += part
        everything = sender.sent == 5000
        if Accepted() in sender.receive(part):
            assert everything
            assert re.fullmatch(rb"[0-9 \r\n]*OK[ \r\n]*", heard)


def test_what_the_table_does_not_allow_is_our_own_error() -> None:
    """A caller that connects before it invites, or reads after the end, gets ProtocolError."""
    with pytest.raises(ProtocolError, match="CONNECT in state NEW"):
        sender_of(IMAGE).connected()
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
