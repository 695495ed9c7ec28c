"""What is fixed by the K1's firmware: routes with their rate windows, parameters with their ranges.

Both the client and the simulator read these tables; neither guesses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

PARTITION_SIZE = 1_966_080
"""Bytes of one application partition (app0, app1) of the 4 MB build."""
FILE_SYSTEM_SIZE = 196_608
"""Bytes of the SPIFFS partition."""
UPTIME_WRAP_MS = 2**32
"""The device counts milliseconds in 32 bits: uptime starts again at 0 after 49.7 days."""
MAX_BODY = 65_536
"""Bytes of the largest request body that the device takes."""
JSON_MEMORY = 1_024
"""Bytes of the document that a request body is parsed into: about 20 to 25 fields."""
LED_COUNT = 160
"""Lights of one strip."""


@dataclass(frozen=True, slots=True)
class Route:
    """One route of the device; `window` is the least number of ms between two accepted calls, of all clients."""

    method: str
    path: str
    window: int = 0

    def __str__(self) -> str:
        """Name the route as the device's documentation does."""
        return f"{self.method} {self.path}"


HEALTH = Route("GET", "/api/health", 200)
TEST_CONNECTION = Route("GET", "/api/test-connection", 200)
INFO = Route("GET", "/api/device/info", 1000)
INFO_ALIAS = Route("GET", "/api/device-info", 1000)
PERFORMANCE = Route("GET", "/api/device/performance", 500)
PERFORMANCE_ALIAS = Route("GET", "/api/device-performance", 500)
METRICS = Route("GET", "/metrics", 200)
METRICS_ALIAS = Route("GET", "/api/metrics", 200)
FRAME_METRICS = Route("GET", "/api/frame-metrics", 500)
LATENCY_PROBE = Route("GET", "/api/latency/probe", 200)
RMT = Route("GET", "/api/rmt", 200)
AUDIO_SNAPSHOT = Route("GET", "/api/audio/snapshot", 300)
PATTERNS = Route("GET", "/api/patterns", 1000)
CURRENT_PATTERN = Route("GET", "/api/pattern/current", 200)
LED_FRAME = Route("GET", "/api/leds/frame", 200)
SELECT = Route("POST", "/api/select", 200)
GET_PARAMS = Route("GET", "/api/params", 150)
SET_PARAMS = Route("POST", "/api/params", 300)
RESET = Route("POST", "/api/reset", 1000)
BACKUP = Route("GET", "/api/config/backup", 2000)
GET_AUDIO = Route("GET", "/api/audio-config", 500)
SET_AUDIO = Route("POST", "/api/audio-config", 300)
GET_TRANSITIONS = Route("GET", "/api/transitions/config", 500)
SET_TRANSITIONS = Route("POST", "/api/transitions/config", 300)


@dataclass(frozen=True, slots=True)
class Range:
    """What a setting may be; the type of `default` is the type that the device answers with."""

    low: float
    high: float
    default: float | int | bool


def _readable() -> Mapping[str, Range]:
    return MappingProxyType(
        {
            "brightness": Range(0, 1, 1.0),
            "softness": Range(0, 1, 0.25),
            "color": Range(0, 1, 0.33),
            "color_range": Range(0, 1, 0.0),
            "saturation": Range(0, 1, 0.75),
            "warmth": Range(0, 1, 0.0),
            "background": Range(0, 1, 0.0),
            "dithering": Range(0, 1, 1.0),
            "mirror_mode": Range(0, 1, True),
            "led_offset": Range(-160, 160, 0.0),
            "speed": Range(0, 1, 0.5),
            "palette_id": Range(0, 32, 0),
            "beat_threshold": Range(0, 1, 0.20),
            "beat_squash_power": Range(0.2, 1, 0.50),
            "audio_responsiveness": Range(0, 1, 0.5),
            "audio_sensitivity": Range(0.1, 4, 1.0),
            "bass_treble_balance": Range(-1, 1, 0.0),
            "color_reactivity": Range(0, 1, 0.5),
            "brightness_floor": Range(0, 0.3, 0.05),
            "frame_min_period_ms": Range(4, 20, 6.0),
        }
    )


READABLE_PARAMETERS = _readable()
"""The 20 parameters that GET /api/params answers."""
CUSTOM_PARAMETERS: Mapping[str, Range] = MappingProxyType(
    {f"custom_param_{number}": Range(0, 1, 0.5) for number in (1, 2, 3)}
)
"""The 3 that can be set, but read only from the device's own backup."""
PARAMETERS: Mapping[str, Range] = MappingProxyType({**READABLE_PARAMETERS, **CUSTOM_PARAMETERS})
"""All 23; none of them survives a restart."""
AUDIO_SETTINGS: Mapping[str, Range] = MappingProxyType(
    {"microphone_gain": Range(0.5, 2.0, 1.0), "vu_floor_pct": Range(0.5, 0.98, 0.9)}
)
"""What POST /api/audio-config takes; anything outside is refused with 400."""
BACKED_UP_PARAMETERS = (
    *("brightness", "softness", "color", "color_range", "saturation", "warmth", "background", "speed"),
    *("palette_id", *CUSTOM_PARAMETERS),
)
"""The 12 parameters in the device's own backup; its restore sets the others from uninitialised memory."""
