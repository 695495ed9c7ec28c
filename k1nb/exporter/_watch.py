"""One device, looked at again and again; nothing here waits for another device."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar

import httpx
import structlog

from k1nb.config import Settings
from k1nb.device import Device, DeviceClient, Health, Info, Uptime, is_held, restarted
from k1nb.errors import DeviceNonsense, DeviceRefused, DeviceUnreachable, K1Error, StorageError
from k1nb.exporter._names import resolved
from k1nb.firmware import Ledger

A = TypeVar("A")
HEALTH, INFO = "/api/health", "/api/device/info"
FIGURES: Mapping[str, Callable[[DeviceClient], Awaitable[Any]]] = MappingProxyType(
    {
        "/api/device/performance": DeviceClient.performance,
        "/api/frame-metrics": DeviceClient.frame_metrics,
        "/api/latency/probe": DeviceClient.latency_probe,
        "/api/rmt": DeviceClient.rmt,
        "/api/audio/snapshot": DeviceClient.audio_snapshot,
        "/api/pattern/current": DeviceClient.current_pattern,
    }
)
"""What is asked at each look, beside the health and, now and then, who the device is."""
ROUTES = (HEALTH, INFO, *FIGURES)
REASONS = ("timeout", "refused", "rate_limited", "bad_json", "http_error", "other")


class DeviceWatch:
    """Keeps what one device said last, and what went wrong since the start."""

    def __init__(self, settings: Settings, device: Device) -> None:
        self.device = device
        self.up = False
        """Whether the last look was answered, unless another MAC said so."""
        self.foreign = False
        """Whether another device answers at its address."""
        self.reboots = 0
        self.errors: Counter[tuple[str, str]] = Counter()
        """By route and reason."""
        self.build_id = ""
        self._answers: dict[type, tuple[float, Any]] = {}
        self._settings = settings
        self._timings = settings.timings
        self._uptime: Uptime | None = None
        self._asking = HEALTH
        self._log = structlog.get_logger("k1nb.exporter").bind(device=device.name)

    @property
    def answered_at(self) -> float | None:
        """The moment of the last answer to a look, by the host's clock; None before the first."""
        return None if self._uptime is None else self._uptime.at

    def fresh(self, answer: type[A]) -> A | None:
        """Return the device's last answer of a kind, or None where it is too old to be told."""
        at, found = self._answers.get(answer, (0.0, None))
        return found if found is not None and time.monotonic() - at <= self._timings.exporter_stale else None

    @property
    def info(self) -> Info | None:
        """Who the device is, as long as it answers; asked anew after a restart and every `exporter_info` seconds."""
        found: Info | None = self._answers.get(Info, (0.0, None))[1]
        return found if self.fresh(Health) is not None else None

    def held(self) -> bool:
        """Tell whether the device is being flashed; not known counts as no."""
        try:
            return is_held(self._settings.paths, self.device)
        except StorageError:
            return False

    async def run(self) -> None:
        """Look at once and then for ever, each device at moments of its own."""
        loop, period = asyncio.get_running_loop(), self._timings.exporter_look
        began = loop.time()
        await self.look()
        began -= period * (zlib.crc32(self.device.mac.encode()) % 100) / 200
        while True:
            began = max(began + period, loop.time())
            await asyncio.sleep(began - loop.time())
            await self.look()

    async def look(self) -> None:
        """Look once, for `exporter_deadline` seconds at most; never raises for what a device does."""
        before, self._asking = self.up, HEALTH
        try:
            async with asyncio.timeout(self._timings.exporter_deadline):
                await self._look()
        except TimeoutError:
            self._count("timeout")
        except K1Error as error:
            self._count(reason_of(error))
        except Exception as error:  # noqa: BLE001 - must end neither this watch nor the others
            self._count("other")
            self._log.exception("a look failed", error=type(error).__name__)
        if before != self.up:
            self._log.info("device is up" if self.up else "device is down", mac=self.device.mac)

    def _count(self, reason: str) -> None:
        self.errors[self._asking, reason] += 1
        if self._asking == HEALTH:
            self.up = False

    async def _look(self) -> None:
        paths = self._settings.paths
        held = self.held()
        async with DeviceClient(await resolved(self.device), paths, self._timings) as client:
            health = await self._ask(HEALTH, client.health)
            if health is None or not await self._identified(client, Uptime(health.uptime_ms, time.monotonic())):
                return
            self._keep(health)  # not before it is known whose it is, and its restart is counted
            self.up = True
            # A device that takes an image is left alone: it needs its heap and its time for that.
            for route, question in FIGURES.items() if not held else ():
                self._keep(await self._ask(route, partial(question, client)))

    async def _identified(self, client: DeviceClient, now: Uptime) -> bool:
        """Find out, where that is due, who answered; count a restart of the device that is meant."""
        anew = self._uptime is not None and restarted(self._uptime, now)
        if anew or (self._uptime is not None and restarted(now, self._uptime)):
            self._answers.pop(Info, None)  # it may run something else now, or be another one that is up for longer
        if self._info_age() > self._timings.exporter_info:
            info = await self._ask(INFO, client.info)
            if info is not None:
                self.foreign = info.mac.upper() != self.device.mac
            if info is not None and not self.foreign:
                self.build_id = await asyncio.to_thread(self._accepted) if info.stamp is None else info.stamp
                self._keep(info)
        if self.foreign:
            self.up, self._uptime = False, None
            self._answers.clear()
            return False
        self.reboots += anew
        self._uptime = now
        return True

    def _info_age(self) -> float:
        return time.monotonic() - self._answers.get(Info, (float("-inf"), None))[0]

    def _accepted(self) -> str:
        """Return which artifact the device accepted last, as the ledger knows it; empty where it knows none."""
        if not self._settings.paths.ledger.exists():
            return ""
        try:
            row = Ledger(self._settings.paths, self._timings).current(self.device.mac)
        except StorageError:
            return ""
        return f"artifact:{row.artifact_id[:12]}" if row else ""

    async def _ask(self, route: str, question: Callable[[], Awaitable[A]]) -> A | None:
        """Ask one thing and keep the answer; None, counted, where there is no good one."""
        self._asking = route
        try:
            return await question()
        except K1Error as error:
            self._count(reason_of(error))
            return None

    def _keep(self, answer: object) -> None:
        """Keep an answer to be told; where there was none, what was said before grows old."""
        if answer is not None:
            self._answers[type(answer)] = time.monotonic(), answer


def reason_of(error: K1Error) -> str:
    """Return why a question got no good answer, as one of REASONS."""
    if isinstance(error, DeviceRefused):
        return "rate_limited" if error.status == httpx.codes.TOO_MANY_REQUESTS else "http_error"
    if isinstance(error, DeviceNonsense):
        return "bad_json"
    if isinstance(error, DeviceUnreachable):
        late = isinstance(error.__cause__, httpx.TimeoutException | TimeoutError)
        return "timeout" if late else "refused"
    return "other"
