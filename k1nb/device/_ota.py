"""The OTA transfer over real sockets: one UDP socket, one listening TCP socket, the protocol between them."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from pydantic import SecretStr

from k1nb.config import OtaMode
from k1nb.device import _espota as espota
from k1nb.device._inventory import Device
from k1nb.device._ota_link import Link
from k1nb.device._proof import prove_simulator, resolve
from k1nb.errors import OtaError, SampleRefused
from k1nb.firmware import ImageFacts, ImageFile, read_image, require_fits
from k1nb.paths import Paths
from k1nb.timings import Timings

_LONGEST_LOG = 200
_Happening = Link | bytes


@dataclass(frozen=True, slots=True)
class Transfer:
    """A transfer that the device ended with its OK. Whether the image runs, only the device shows."""

    size: int
    md5: str
    seconds: float
    accepted_at: datetime
    log: list[str]
    """What happened, one line each, with seconds since the start."""


async def send_image(
    device: Device,
    image: bytes | ImageFile,
    *,
    paths: Paths,
    timings: Timings,
    mode: OtaMode = "lock-step",
    password: SecretStr | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Transfer:
    """Send an image to a device by OTA; `on_progress` gets the bytes that the device may have taken, and the size.

    The mode is `lock-step`, each chunk after the answer to the one before, or `streaming`, as fast as the
    connection takes it. The password is what the device's OTA service is told, if it asks.

    Raises ImageError for what is no image of this chip, SampleRefused for a sample image unless the device proves
    that it is a simulator of this host (before anything else is sent), DeviceUnreachable for an unknown host name,
    and OtaError with the stage reached and the log. The caller holds the device's flash_lock.
    """
    facts = _checked(image)
    if facts.is_sample and device.kind != "simulator":
        raise _sample_refused(device, "it is a device, not a simulator")
    # Resolved once, so that the proof and the image go to the same place.
    place = replace(device, address=await resolve(device))
    if facts.is_sample and not await prove_simulator(place, paths, timings):
        raise _sample_refused(device, "it did not prove that it is a simulator of this host")
    session = _Session(place, image, facts.md5, timings, mode, password, on_progress)
    try:
        async with asyncio.timeout(timings.ota_deadline):
            await session.run()
    except TimeoutError:
        raise session.error(
            f"the transfer took longer than {timings.ota_deadline:g} s", unconfirmed=session.all_sent
        ) from None
    finally:
        session.close()
    return Transfer(
        size=len(image),
        md5=facts.md5,
        seconds=round(session.seconds, 3),
        accepted_at=datetime.now(UTC),
        log=session.log,
    )


async def ota_answers(device: Device, timings: Timings, tries: int = 3) -> bool:
    """Tell whether the device answers an OTA invitation, and leave it idle; DeviceUnreachable for an unknown name.

    The invitation is for 0 bytes: the device says OK to it, finds nothing to fetch, and never connects. One that asks
    for its password instead is invited once more, for that makes it give up waiting for it.
    """
    answers: asyncio.Queue[_Happening] = asyncio.Queue()
    nothing = hashlib.md5(b"", usedforsecurity=False).hexdigest()
    remote = (await resolve(device), device.ota_port)
    try:
        udp, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Answers(answers), remote_addr=remote
        )
    except OSError:
        return False
    try:
        with socket.socket() as held:
            # Bound, never listening: should the device connect nevertheless, it is refused.
            held.bind((udp.get_extra_info("sockname")[0], 0))
            invitation = espota.invitation(held.getsockname()[1], 0, nothing)
            for _ in range(tries):
                udp.sendto(invitation)
                greeting = await _greeting(answers, timings.ota_invitation)
                if greeting.startswith(b"AUTH "):
                    udp.sendto(invitation)
                if greeting:
                    return True
    finally:
        udp.close()
    return False


async def _greeting(answers: asyncio.Queue[_Happening], patience: float) -> bytes:
    """Return what a device says to an invitation, nothing where it says nothing."""
    try:
        async with asyncio.timeout(patience):
            while True:
                answer = await answers.get()
                if isinstance(answer, bytes) and answer.strip().startswith((b"OK", b"AUTH ")):
                    return answer.strip()
    except TimeoutError:
        return b""


class _Answers(asyncio.DatagramProtocol):
    """Puts what the device sends by UDP into a queue; keeps the last error that the network reported."""

    def __init__(self, queue: asyncio.Queue[_Happening]) -> None:
        self._queue = queue
        self.error: OSError | None = None

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002 - the socket is connected
        self._queue.put_nowait(data)

    def error_received(self, exc: Exception) -> None:
        self.error = exc if isinstance(exc, OSError) else None


class _Session:
    """One transfer: its sockets, its protocol, its log."""

    def __init__(
        self,
        device: Device,
        image: espota.Image,
        md5: str,
        timings: Timings,
        mode: OtaMode,
        password: SecretStr | None,
        on_progress: Callable[[int, int], None] | None,
    ) -> None:
        self._device = device
        self._image = image
        self._md5 = md5
        self._timings = timings
        self._mode = mode
        self._password = password
        self._on_progress = on_progress
        self._happenings: asyncio.Queue[_Happening] = asyncio.Queue()
        self._answers = _Answers(self._happenings)
        self._udp: asyncio.DatagramTransport | None = None
        self._server: asyncio.Server | None = None
        self._link: Link | None = None
        self._sender: espota.Sender | None = None
        self._started = time.monotonic()
        self.log: list[str] = []

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    async def run(self) -> None:
        """Bring the image to the device; returns when the device said OK, raises OtaError otherwise."""
        try:
            sender, udp = await self._open()
        except OSError as error:
            raise self.error(f"the device cannot be invited: {error.strerror or error}") from error
        self._link = await self._meet(sender, udp)
        udp.close()
        self._note(f"the device connected from {self._link.peer}, sending in {self._mode} mode")
        end = await self._link.run(sender, self._progressed)
        if isinstance(end, espota.Failed):
            raise self.error(end.text, stage=end.stage, final=end.final, unconfirmed=end.unconfirmed)
        self._note(f"the device said OK to {sender.sent} bytes")

    def close(self) -> None:
        """Close every socket at once; what matters has been answered, or is lost anyway."""
        if self._udp is not None:
            self._udp.abort()
        if self._link is not None:
            self._link.abort()
        if self._server is not None:
            self._server.close()
        while not self._happenings.empty():
            late = self._happenings.get_nowait()
            if not isinstance(late, bytes):
                late.abort()

    @property
    def all_sent(self) -> bool:
        """Tell whether all bytes have been sent and nothing was said to them so far."""
        return self._sender is not None and self._sender.state in espota.ALL_SENT

    def error(self, text: str, *, stage: str | None = None, final: bool = False, unconfirmed: bool = False) -> OtaError:
        """Return the OtaError for this session, with its log."""
        self._note(text)
        state = self._sender.state if self._sender else espota.State.NEW
        stage = stage or espota.STAGES.get(state, "result")
        return OtaError(
            f"OTA to device {self._device.label} failed at the {stage}: {text}",
            stage=stage,
            final=final,
            unconfirmed=unconfirmed,
            hint=_hint(stage, self._device),
            log=tuple(self.log),
        )

    async def _open(self) -> tuple[espota.Sender, asyncio.DatagramTransport]:
        """Open the UDP socket, and listen on the local address that routes to the device, before inviting it."""
        loop = asyncio.get_running_loop()
        remote = (self._device.address, self._device.ota_port)
        self._udp, _ = await loop.create_datagram_endpoint(lambda: self._answers, remote_addr=remote)
        local = self._udp.get_extra_info("sockname")[0]
        self._server = await loop.create_server(
            lambda: Link(self._arrived, self._note, self._timings), host=local, port=0, family=socket.AF_INET
        )
        port = self._server.sockets[0].getsockname()[1]
        self._sender = espota.Sender(
            self._image, self._md5, port, streaming=self._mode == "streaming", password=self._password
        )
        self._note(f"listening on {local}:{port}, inviting {remote[0]}:{remote[1]} to {len(self._image)} bytes")
        return self._sender, self._udp

    def _arrived(self, link: Link) -> None:
        if link.peer != self._device.address or self._link is not None:
            link.abort()
            self._note(f"turned away a connection from {link.peer}")
        else:
            self._happenings.put_nowait(link)

    async def _meet(self, sender: espota.Sender, udp: asyncio.DatagramTransport) -> Link:
        """Invite the device, again and again with the same words, until it connects."""
        for _ in range(espota.INVITATIONS):
            udp.sendto(sender.invite())
            if link := await self._answer(sender, udp):
                sender.connected()
                return link
            if sender.state is espota.State.WELCOMED:
                break
        failed = sender.silence()
        refused = f" ({self._answers.error.strerror})" if self._answers.error else ""
        raise self.error(failed.text + refused, stage=failed.stage)

    async def _answer(self, sender: espota.Sender, udp: asyncio.DatagramTransport) -> Link | None:
        """Wait for the device's connection; longer once it has said OK, or computes whether our password is right."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timings.ota_invitation) as limit:
                while isinstance(happening := await self._happenings.get(), bytes):
                    event = sender.receive_datagram(happening)
                    if isinstance(event, espota.Failed):
                        raise self.error(event.text, stage=event.stage, final=event.final)
                    self._note(f"datagram: {happening[:80]!r}")
                    if isinstance(event, espota.Challenged):
                        udp.sendto(event.answer)
                        self._note(f"the device asked for the password, told in the form {event.form}")
                    if isinstance(event, espota.Challenged | espota.Welcome):
                        limit.reschedule(loop.time() + self._timings.ota_connect)
                return happening
        except TimeoutError:
            return None

    def _progressed(self, taken: int) -> None:
        if self._on_progress is not None:
            self._on_progress(taken, len(self._image))

    def _note(self, text: str) -> None:
        if len(self.log) < _LONGEST_LOG:
            self.log.append(f"{self.seconds:8.3f} s  {text}")


def _checked(image: bytes | ImageFile) -> ImageFacts:
    facts = image.facts if isinstance(image, ImageFile) else read_image(image)
    require_fits(len(image))
    return facts


def _sample_refused(device: Device, why: str) -> SampleRefused:
    return SampleRefused(
        f"the sample firmware was not sent to {device.label}: {why}",
        hint="sample images run on simulators only; build an image of the K1 firmware for a device",
    )


def _hint(stage: str, device: Device) -> str:
    if stage == "invitation":
        return device.retry_hint
    if stage == "authentication":
        return f"give its OTA password in K1NB_OTA_PASSWORD, or for {device.name} alone in K1NB_OTA_PASSWORDS"
    if stage == "connect":
        return "let the device reach this host: its firewall, NAT or container must let TCP in from the device"
    return "the device keeps its old firmware unless it said OK; look at it, then deploy again"
