"""The sender's side of the OTA protocol of the Arduino core 2.x, without sockets: bytes in, bytes and events out.

One Sender is one session. What may follow what stands in TRANSITIONS alone. The caller carries the bytes, keeps
the time, and calls `silence()` when a wait has passed.

The device answers each flash write with the count of bytes as decimal text and no separator, so counts merge,
split, and stick to the final `OK`: digits are signs of progress, never numbers to add up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType

CHUNK = 1024
"""Bytes that are sent before an answer is waited for."""
INVITATIONS = 10
"""How often the same invitation is sent before the device counts as silent."""
_LONGEST_LINE = 200


class State(Enum):
    """Where a session is."""

    NEW = auto()
    INVITED = auto()
    WELCOMED = auto()
    SENDING = auto()
    WAITING = auto()
    """A chunk is out, its answer is due."""
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
    """The device asks for a password."""
    DENIAL = auto()
    """The device says that the password is wrong."""
    CONNECT = auto()
    """The device opens its TCP connection."""
    CHUNK = auto()
    """We send bytes, and more are to come."""
    LAST_CHUNK = auto()
    """We send the last bytes."""
    COUNT = auto()
    """Digits arrive."""
    OK = auto()
    """OK arrives by TCP."""
    ERROR = auto()
    """A line of text arrives by TCP."""
    CLOSE = auto()
    """The connection ends."""
    SILENCE = auto()
    """A wait has passed without an answer."""


_S, _E = State, Signal
_ENDED = (_E.ERROR, _E.CLOSE, _E.SILENCE)

TRANSITIONS: Mapping[tuple[State, Signal], State] = MappingProxyType(
    {
        (_S.NEW, _E.INVITE): _S.INVITED,
        (_S.INVITED, _E.INVITE): _S.INVITED,
        (_S.INVITED, _E.WELCOME): _S.WELCOMED,
        # A password is not supported yet: its state belongs between these two lines.
        (_S.INVITED, _E.CHALLENGE): _S.FAILED,
        (_S.INVITED, _E.DENIAL): _S.FAILED,
        (_S.INVITED, _E.SILENCE): _S.FAILED,
        # The datagram with the OK may be lost; the connection says as much.
        (_S.INVITED, _E.CONNECT): _S.SENDING,
        (_S.WELCOMED, _E.WELCOME): _S.WELCOMED,
        (_S.WELCOMED, _E.CONNECT): _S.SENDING,
        (_S.WELCOMED, _E.SILENCE): _S.FAILED,
        (_S.SENDING, _E.CHUNK): _S.WAITING,
        (_S.SENDING, _E.LAST_CHUNK): _S.FINISHING,
        (_S.SENDING, _E.COUNT): _S.SENDING,
        (_S.WAITING, _E.COUNT): _S.SENDING,
        (_S.FINISHING, _E.COUNT): _S.FINISHING,
        (_S.FINISHING, _E.OK): _S.ACCEPTED,
        # An OK before the last byte is no acceptance of this image.
        **{(state, _E.OK): _S.FAILED for state in (_S.SENDING, _S.WAITING)},
        **{(state, end): _S.FAILED for state in (_S.SENDING, _S.WAITING, _S.FINISHING) for end in _ENDED},
    }
)

STAGES: Mapping[State, str] = MappingProxyType(
    {
        State.NEW: "invitation",
        State.INVITED: "invitation",
        State.WELCOMED: "connect",
        State.SENDING: "transfer",
        State.WAITING: "transfer",
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
class Progress:
    """The device wrote something; `sent` bytes have left so far."""

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


Event = Welcome | Progress | Accepted | Ignored | Failed


def invitation(port: int, size: int, md5: str) -> bytes:
    """Return the datagram that invites a device to fetch a firmware image from our TCP port."""
    return f"0 {port} {size} {md5}\n".encode()


class Sender:
    """One transfer of one image, lock-step: a chunk, then an answer."""

    def __init__(self, image: bytes, port: int) -> None:
        self._image = memoryview(image)
        self._invitation = invitation(port, len(image), hashlib.md5(image, usedforsecurity=False).hexdigest())
        self._rest = ""
        self.state = State.NEW
        self.sent = 0
        """Bytes that have been handed out."""

    def invite(self) -> bytes:
        """Return the invitation; the same bytes each time, for a new one would be a new session."""
        self._move(Signal.INVITE)
        return self._invitation

    def receive_datagram(self, data: bytes) -> Event:
        """Take what the device answered by UDP."""
        text = _text(data).strip()
        word, _, _ = text.partition(" ")
        if text == "OK" and self._may(Signal.WELCOME):
            self._move(Signal.WELCOME)
            return Welcome()
        if word == "AUTH" and self._may(Signal.CHALLENGE):
            return self._fail(
                Signal.CHALLENGE, "the device asks for an OTA password, and none can be given", final=True
            )
        if text == "Authentication Failed" and self._may(Signal.DENIAL):
            return self._fail(Signal.DENIAL, "the device says: Authentication Failed", final=True)
        return Ignored(text[:_LONGEST_LINE])

    def connected(self) -> None:
        """Note that the device opened its connection."""
        self._move(Signal.CONNECT)

    def next_chunk(self) -> bytes | None:
        """Return the bytes to send now, or None while an answer is due."""
        if self.state is not State.SENDING:
            return None
        chunk = bytes(self._image[self.sent : self.sent + CHUNK])
        self.sent += len(chunk)
        self._move(Signal.LAST_CHUNK if self.sent == len(self._image) else Signal.CHUNK)
        return chunk

    def receive(self, data: bytes) -> list[Event]:
        """Take what the device answered by TCP, cut anywhere; no bytes at all mean that the connection ended."""
        text = self._rest + _text(data)
        words = text.lstrip("0123456789 \r\n")
        self._rest = words
        events: list[Event] = []
        if any(character.isdigit() for character in text[: len(text) - len(words)]):
            self._move(Signal.COUNT)
            events.append(Progress(self.sent))
        if words.strip() == "OK":
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
        elif self.state is State.WELCOMED:
            text = "the device took the invitation but did not connect to this host"
        else:
            text = f"the device stopped answering {self._place()}"
        return self._fail(Signal.SILENCE, text)

    def _accept(self) -> Event:
        if self.state is State.FINISHING:
            self._move(Signal.OK)
            self._rest = ""
            return Accepted()
        return self._fail(Signal.OK, f"the device said OK too early, {self._place()}")

    def _refusal(self) -> Failed:
        line = self._rest.splitlines()[0].strip()[:_LONGEST_LINE]
        return self._fail(Signal.ERROR, f"the device says: {line}", final=ERROR_LINES.get(line, False))

    def _fail(self, signal: Signal, text: str, *, final: bool = False) -> Failed:
        before = self.state
        self._move(signal)
        return Failed(STAGES[before], text, final)

    def _place(self) -> str:
        return f"after {self.sent} of {len(self._image)} bytes"

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
