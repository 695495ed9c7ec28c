"""The sender's side of the OTA protocol of the Arduino core, without sockets: bytes in, bytes and events out.

One Sender is one session. What may follow what stands in TRANSITIONS alone. The caller carries the bytes, keeps
the time, and calls `silence()` when a wait has passed.

The device answers each flash write with the count of bytes as decimal text and no separator, so counts merge,
split, and stick to the final `OK`: digits are signs of progress, never numbers to add up. In lock-step an answer is
waited for after each chunk. A streaming sender writes ahead; what the device may have taken by then is known only
as a bound, the most bytes that its digits can stand for.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from types import MappingProxyType
from typing import Protocol

from pydantic import SecretStr

from k1nb.device._ota_counts import MOST_WRITTEN, Counts
from k1nb.device._ota_password import PasswordForm, answer_of, form_of

CHUNK = 1436
"""Bytes that are sent before an answer is waited for: a TCP segment of the core's lwIP, so one write at the device."""
STREAM_CHUNK = 4096
"""Bytes that a streaming sender hands out at once."""
INVITATIONS = 10
"""How often the same invitation is sent before the device counts as silent."""
_LONGEST_LINE = 200


class State(Enum):
    """Where a session is."""

    NEW = auto()
    INVITED = auto()
    AUTHENTICATING = auto()
    """The device asked for the password and was told."""
    WELCOMED = auto()
    SENDING = auto()
    WAITING = auto()
    """A chunk is out, its answer is due."""
    STREAMING = auto()
    """Chunks go out as the connection takes them; answers come meanwhile."""
    DRAINING = auto()
    """Everything is out, answers to more than one write are due."""
    FINISHING = auto()
    """Everything is out, the result is due."""
    ACCEPTED = auto()
    FAILED = auto()


class Signal(Enum):
    """What happens to a session."""

    INVITE = auto()
    """We send the invitation, or the same once more."""
    WELCOME = auto()
    """The device answers OK by UDP."""
    CHALLENGE = auto()
    """The device asks for a password, and we have an answer."""
    UNANSWERABLE = auto()
    """The device asks for a password, and we have no answer."""
    DENIAL = auto()
    """The device says that the password is wrong."""
    CONNECT = auto()
    """The device opens its TCP connection, for lock-step."""
    CONNECT_AHEAD = auto()
    """The device opens its TCP connection, for streaming."""
    CHUNK = auto()
    """We send bytes, and more are to come."""
    LAST_CHUNK = auto()
    """We send the last bytes."""
    COUNT = auto()
    """Digits arrive."""
    DRAINED = auto()
    """The digits can stand for everything but the last write."""
    OK = auto()
    """OK arrives by TCP."""
    ERROR = auto()
    """A line of text arrives by TCP."""
    CLOSE = auto()
    """The connection ends."""
    SILENCE = auto()
    """A wait has passed without an answer."""


_S, _E = State, Signal
ALL_SENT = (_S.DRAINING, _S.FINISHING)
_TRANSFER = (_S.SENDING, _S.WAITING, _S.STREAMING, *ALL_SENT)
_ENDED = (_E.ERROR, _E.CLOSE, _E.SILENCE)

TRANSITIONS: Mapping[tuple[State, Signal], State] = MappingProxyType(
    {
        (_S.NEW, _E.INVITE): _S.INVITED,
        (_S.INVITED, _E.INVITE): _S.INVITED,
        (_S.INVITED, _E.WELCOME): _S.WELCOMED,
        (_S.INVITED, _E.CHALLENGE): _S.AUTHENTICATING,
        (_S.AUTHENTICATING, _E.WELCOME): _S.WELCOMED,
        # An invitation in place of the password makes the device forget what it asked; the next one it answers anew.
        (_S.AUTHENTICATING, _E.INVITE): _S.INVITED,
        (_S.AUTHENTICATING, _E.CHALLENGE): _S.AUTHENTICATING,
        (_S.WELCOMED, _E.WELCOME): _S.WELCOMED,
        **{(state, _E.UNANSWERABLE): _S.FAILED for state in (_S.INVITED, _S.AUTHENTICATING)},
        **{(state, _E.DENIAL): _S.FAILED for state in (_S.INVITED, _S.AUTHENTICATING)},
        **{(state, _E.SILENCE): _S.FAILED for state in (_S.INVITED, _S.AUTHENTICATING, _S.WELCOMED)},
        # The datagram with the OK may be lost; the connection says as much.
        **{(state, _E.CONNECT): _S.SENDING for state in (_S.INVITED, _S.AUTHENTICATING, _S.WELCOMED)},
        **{(state, _E.CONNECT_AHEAD): _S.STREAMING for state in (_S.INVITED, _S.AUTHENTICATING, _S.WELCOMED)},
        (_S.SENDING, _E.CHUNK): _S.WAITING,
        (_S.SENDING, _E.LAST_CHUNK): _S.FINISHING,
        (_S.SENDING, _E.COUNT): _S.SENDING,
        (_S.WAITING, _E.COUNT): _S.SENDING,
        (_S.STREAMING, _E.CHUNK): _S.STREAMING,
        (_S.STREAMING, _E.LAST_CHUNK): _S.DRAINING,
        (_S.STREAMING, _E.COUNT): _S.STREAMING,
        (_S.DRAINING, _E.COUNT): _S.DRAINING,
        (_S.DRAINING, _E.DRAINED): _S.FINISHING,
        (_S.FINISHING, _E.COUNT): _S.FINISHING,
        **{(state, _E.OK): _S.ACCEPTED for state in ALL_SENT},
        # An OK before the last byte is no acceptance of this image.
        **{(state, _E.OK): _S.FAILED for state in (_S.SENDING, _S.WAITING, _S.STREAMING)},
        **{(state, end): _S.FAILED for state in _TRANSFER for end in _ENDED},
    }
)

STAGES: Mapping[State, str] = MappingProxyType(
    {
        State.NEW: "invitation",
        State.INVITED: "invitation",
        State.AUTHENTICATING: "authentication",
        State.WELCOMED: "connect",
        State.SENDING: "transfer",
        State.WAITING: "transfer",
        State.STREAMING: "transfer",
        State.DRAINING: "transfer",
        State.FINISHING: "result",
    }
)
"""What an error calls the state in which it happened."""

ERROR_LINES: Mapping[str, bool] = MappingProxyType(
    {
        "Flash Write Failed": False,
        "Flash Erase Failed": False,
        "Flash Read Failed": False,
        "Not Enough Space": True,
        "Bad Size Given": True,
        "Stream Read Timeout": False,
        "MD5 Check Failed": False,
        "Wrong Magic Byte": True,
        "Could Not Activate The Firmware": True,
        "Partition Could Not be Found": True,
        "Bad Argument": True,
        "Aborted": False,
    }
)
"""What the device may say, and whether another try with the same image is useless."""


class ProtocolError(Exception):
    """The caller did what the session does not allow now: an error of ours, never of the device."""


@dataclass(frozen=True, slots=True)
class Welcome:
    """The device takes the invitation and will connect."""


@dataclass(frozen=True, slots=True)
class Challenged:
    """The device asks for the password; `answer` is the datagram that proves it."""

    form: PasswordForm
    answer: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Progress:
    """The device wrote something, at most `sent` bytes so far."""

    sent: int


@dataclass(frozen=True, slots=True)
class Accepted:
    """Size and MD5 were right and the image is activated. Whether it runs, only the device shows."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A datagram that means nothing here."""

    text: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The session is over."""

    stage: str
    text: str
    final: bool
    """Whether another try is useless."""
    unconfirmed: bool = False
    """Whether all bytes were sent, and the device said neither yes nor no to them."""


Event = Welcome | Challenged | Progress | Accepted | Ignored | Failed


def invitation(port: int, size: int, md5: str) -> bytes:
    """Return the datagram that invites a device to fetch a firmware image from our TCP port."""
    return f"0 {port} {size} {md5}\n".encode()


class Image(Protocol):
    """Bytes that may lie elsewhere; slices of them are read when they are sent."""

    def __len__(self) -> int:
        """Return the size."""

    def __getitem__(self, part: slice, /) -> bytes:
        """Return some of the bytes."""


class Sender:
    """One transfer of one image: lock-step, a chunk and then its answer, or streaming, ahead of the answers.

    Without a password a device that asks for one is a failure.
    """

    def __init__(
        self,
        image: Image,
        md5: str,
        port: int,
        *,
        streaming: bool = False,
        password: SecretStr | None = None,
        token_hex: Callable[[int], str] = secrets.token_hex,
    ) -> None:
        self._image = image
        self._invitation = invitation(port, len(image), md5)
        self._streaming = streaming
        self._password = password
        self._token_hex = token_hex
        self._invitations = 0
        self._challenges = 0
        """Each invitation may lead to one; a device that asks on and on is not listened to."""
        self._counts = Counts()
        self._rest = ""
        self.state = State.NEW
        self.sent = 0
        """Bytes that have been handed out."""

    def invite(self) -> bytes:
        """Return the invitation; the same bytes each time, for a new one would be a new session."""
        self._move(Signal.INVITE)
        self._invitations += 1
        return self._invitation

    def receive_datagram(self, data: bytes) -> Event:
        """Take what the device answered by UDP."""
        text = _text(data).strip()
        word, _, nonce = text.partition(" ")
        if text == "OK" and self._may(Signal.WELCOME):
            self._move(Signal.WELCOME)
            return Welcome()
        if word == "AUTH" and self._may(Signal.CHALLENGE) and self._challenges < self._invitations:
            return self._challenged(nonce)
        if text == "Authentication Failed" and self._may(Signal.DENIAL):
            # Where several invitations met the device, this may be its word on the answer to an older challenge.
            return self._denied(Signal.DENIAL, "the device says: Authentication Failed", self._invitations == 1)
        return Ignored(text[:_LONGEST_LINE])

    def connected(self) -> None:
        """Note that the device opened its connection."""
        self._move(Signal.CONNECT_AHEAD if self._streaming else Signal.CONNECT)

    def next_chunk(self) -> bytes | None:
        """Return the bytes to send now, or None while an answer is due."""
        if self.state not in (State.SENDING, State.STREAMING):
            return None
        size = CHUNK if self.state is State.SENDING else STREAM_CHUNK
        chunk = self._image[self.sent : self.sent + size]
        self.sent += len(chunk)
        self._move(Signal.LAST_CHUNK if self.sent == len(self._image) else Signal.CHUNK)
        self._drain()
        return chunk

    def receive(self, data: bytes) -> list[Event]:
        """Take what the device answered by TCP, cut anywhere; no bytes at all mean that the connection ended."""
        if not self._rest and data.isdigit():
            return [self._count(data.decode())]
        text = self._rest + _text(data)
        words = text.lstrip("0123456789 \r\n")
        self._rest = words
        events: list[Event] = []
        digits = "".join(filter(str.isdigit, text[: len(text) - len(words)]))
        if digits:
            events.append(self._count(digits))
        if words.rstrip(" \r\n") == "OK":
            events.append(self._accept())
        elif words and not "OK".startswith(words) and (not data or _complete(words)):
            events.append(self._refusal())
        elif not data:
            events.append(self._fail(Signal.CLOSE, f"the device closed the connection {self._place()}"))
        return events

    def silence(self) -> Failed:
        """Note that the wait for the device has passed; returns why that ends the session."""
        if self._rest and not "OK".startswith(self._rest):
            return self._refusal()
        if self.state is State.INVITED:
            text = f"the device did not answer {INVITATIONS} invitations"
        elif self.state is State.AUTHENTICATING:
            text = "the device asked for the OTA password and did not say what it thinks of ours"
        elif self.state is State.WELCOMED:
            text = "the device took the invitation but did not connect to this host"
        else:
            text = f"the device stopped answering {self._place()}"
        return self._fail(Signal.SILENCE, text)

    def _challenged(self, nonce: str) -> Event:
        form = form_of(nonce)
        if form is None:
            text = "the device asks for an OTA password in a form that is not known"
            return self._denied(Signal.UNANSWERABLE, text, True)
        if self._password is None:
            return self._denied(Signal.UNANSWERABLE, "the device asks for an OTA password, and none is set", True)
        self._move(Signal.CHALLENGE)
        self._challenges += 1
        cnonce = self._token_hex(form.length // 2)
        answer = answer_of(form, self._password, nonce, cnonce)
        return Challenged(form, f"200 {cnonce} {answer}\n".encode())

    def _denied(self, signal: Signal, text: str, final: bool) -> Failed:
        self._move(signal)
        return Failed(STAGES[State.AUTHENTICATING], text, final)

    def _count(self, digits: str) -> Progress:
        self._move(Signal.COUNT)
        if self._streaming:
            self._counts.add(digits)
            self._drain()
        return Progress(self._taken)

    def _drain(self) -> None:
        if self.state is State.DRAINING and self._counts.most + MOST_WRITTEN >= len(self._image):
            self._move(Signal.DRAINED)

    @property
    def _taken(self) -> int:
        """Bytes that the device can have taken, as far as that is known."""
        ahead = self.state in (State.STREAMING, State.DRAINING)
        return min(self.sent, self._counts.most) if ahead else self.sent

    def _accept(self) -> Event:
        text = f"the device said OK too early, {self._place()}"
        before = self.state
        self._move(Signal.OK)
        if self.state is State.FAILED:
            return Failed(STAGES[before], text, False)
        self._rest = ""
        return Accepted()

    def _refusal(self) -> Failed:
        line = self._rest.splitlines()[0].strip()[:_LONGEST_LINE]
        return self._fail(Signal.ERROR, f"the device says: {line}", final=ERROR_LINES.get(line, False))

    def _fail(self, signal: Signal, text: str, *, final: bool = False) -> Failed:
        before = self.state
        self._move(signal)
        unconfirmed = before in ALL_SENT and signal in (Signal.CLOSE, Signal.SILENCE)
        return Failed(STAGES[before], text, final, unconfirmed)

    def _place(self) -> str:
        return f"after {self._taken} of {len(self._image)} bytes"

    def _may(self, signal: Signal) -> bool:
        return (self.state, signal) in TRANSITIONS

    def _move(self, signal: Signal) -> None:
        try:
            self.state = TRANSITIONS[self.state, signal]
        except KeyError:
            raise ProtocolError(f"{signal.name} in state {self.state.name}") from None


def _text(data: bytes) -> str:
    return data.decode("ascii", "replace")


def _complete(line: str) -> bool:
    return "\n" in line or len(line) > _LONGEST_LINE
