"""The RAM of a simulated device: what a restart forgets."""

from __future__ import annotations

import asyncio
import math
import struct
import time
from typing import Any

from k1nb.device._facts import AUDIO_SETTINGS, PARAMETERS, UPTIME_WRAP_MS, Range, Route
from k1nb.device._inventory import Device
from k1nb.device._ota_password import OtaPassword
from k1nb.device.simulator._faults import Faults, LiveFaults
from k1nb.device.simulator._flash import Flash

_TRANSITIONS = {
    "enabled": True,
    "default_type": "fade",
    "default_duration_ms": 800,
    "default_easing": "ease_in_out",
}

_LARGEST = 3.4e38


class Board:
    """One simulated device; `boot` makes it what its flash says."""

    def __init__(
        self,
        device: Device,
        flash: Flash,
        token: str,
        faults: Faults | None = None,
        password: OtaPassword | None = None,
    ) -> None:
        self.device = device
        self.flash = flash
        self.token = token
        self.password = password
        """What its OTA service asks for, compiled in as the firmware of a K1 would have it."""
        self.live = LiveFaults(faults or Faults())
        self.boot()

    def boot(self) -> None:
        """Start: everything in RAM is as after power-on."""
        self.device = self.live.seen_as(self.device)
        self.firmware = self.flash.boot()
        self.params: dict[str, Any] = {name: stored(allowed, allowed.default) for name, allowed in PARAMETERS.items()}
        self.audio: dict[str, Any] = {
            name: stored(allowed, allowed.default) for name, allowed in AUDIO_SETTINGS.items()
        }
        self.transitions: dict[str, Any] = dict(_TRANSITIONS)
        self.pattern = self.firmware.first_pattern
        self.restart = asyncio.Event()
        self._booted = time.monotonic()
        self._accepted: dict[Route, float] = {}

    @property
    def uptime_ms(self) -> int:
        """Milliseconds since boot, as the device's 32 bits hold them."""
        return int((time.monotonic() - self._booted) * 1000) % UPTIME_WRAP_MS

    def milliseconds_left(self, route: Route) -> int:
        """Take a call of a route and return 0, or refuse it and return how long its window still lasts.

        A refused call does not start the window anew.
        """
        now = time.monotonic()
        left = route.window / 1000 - (now - self._accepted.get(route, -math.inf))
        if left > 0:
            self.flash.count_refusal()
            return math.ceil(left * 1000)
        self._accepted[route] = now
        return 0

    def alive(self, value: float, spread: float = 0.004, ms_ago: float = 0.0) -> float:
        """Return a figure as it moves on a running device: within `spread` of what the image says."""
        return stored_float(value * (1 + spread * math.sin((self.uptime_ms - ms_ago) / 1700)))


def stored(allowed: Range, value: object) -> float | int | bool:
    """Return a setting as the device keeps it: converted, clamped without a word, in single precision."""
    number = min(max(as_float(value), allowed.low), allowed.high)
    if isinstance(allowed.default, bool):
        return number >= 0.5
    return int(number) if isinstance(allowed.default, int) else stored_float(number)


def stored_float(value: float) -> float:
    """Return a number with the precision of the device's floats."""
    within = min(max(value, -_LARGEST), _LARGEST)
    return round(float(struct.unpack("f", struct.pack("f", within))[0]), 9)


def as_float(value: object) -> float:
    """Convert as the device's JSON library does: what is no number counts as 0."""
    try:
        number = float(value) if isinstance(value, bool | int | float | str) else 0.0
    except (ValueError, OverflowError):
        return 0.0
    return 0.0 if math.isnan(number) else number
