"""What the device answers, as typed values; unknown fields are let pass, missing or ill-typed ones are not."""

from __future__ import annotations

from typing import Annotated

from pydantic import AliasChoices, AliasPath, BaseModel, ConfigDict, Field, field_validator

from k1nb.firmware import is_stamp


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False, populate_by_name=True)


class Wifi(_Answer):
    """The device's Wi-Fi link."""

    ssid: str
    rssi: int
    """Signal strength in dBm."""
    ip: str


class Health(_Answer):
    """GET /api/health."""

    status: str
    """`ok` on a healthy device."""
    uptime_ms: int = Field(ge=0)
    """Milliseconds since boot; starts again at 0 after 49.7 days."""
    fps: float
    """Mean of the last 16 frame intervals, frames per second."""
    cpu_percent: float
    """An estimate from heap use: nothing to alert on."""
    memory_free_kb: int
    """Free heap in KiB, rounded down."""
    memory_total_kb: int
    connected: bool
    wifi: Wifi


class Info(_Answer):
    """GET /api/device/info."""

    device: str
    uptime_ms: int = Field(ge=0)
    ip: str
    mac: str
    """`AA:BB:CC:DD:EE:FF`."""
    stamp: str | None = Field(
        None, validation_alias=AliasChoices(AliasPath("build", "git_sha"), AliasPath("build", "arduino_release"))
    )
    """What the build was stamped with; the device knows no other version of its application.

    `git_sha` is what the firmware patch serves, `arduino_release` what the K1's own firmware does.
    """
    idf_version: str | None = Field(None, validation_alias=AliasPath("build", "idf_ver"))
    framework: str | None = Field(None, validation_alias=AliasPath("build", "framework"))
    platform: str | None = Field(None, validation_alias=AliasPath("build", "platformio_platform"))

    @field_validator("stamp")
    @classmethod
    def _ours(cls, value: str | None) -> str | None:
        """Drop a release that the core itself defines: it says nothing of the application."""
        return value if value is not None and is_stamp(value) else None


class Performance(_Answer):
    """GET /api/device/performance; times in microseconds per frame, averages of at most 15 s."""

    fps: float
    frame_time_us: float
    render_avg_us: float
    quantize_avg_us: float
    rmt_wait_avg_us: float
    rmt_tx_avg_us: float
    cpu_percent: float
    memory_percent: float
    """Used heap, percent."""
    memory_free_kb: int
    memory_total_kb: int
    beat_queue_depth: int
    beat_queue_capacity: int
    beat_overflows_total: int
    fps_history: tuple[float, ...]


class Frame(_Answer):
    """One of the last 64 frames."""

    render_us: float
    heap_free: int
    """Bytes."""


class FrameMetrics(_Answer):
    """GET /api/frame-metrics; the device takes 16 KB of heap for it, for a moment."""

    frames: tuple[Frame, ...]
    """At most 64, oldest first."""


class LatencyProbe(_Answer):
    """GET /api/latency/probe."""

    last_latency_ms: float
    """How long the last audio step took: not the time from microphone to light."""


class Rmt(_Answer):
    """GET /api/rmt."""

    wait_timeouts: int = Field(ge=0)
    """Since boot, or since POST /api/rmt/reset."""


class AudioSnapshot(_Answer):
    """GET /api/audio/snapshot."""

    tempo_confidence: float
    """From 0 to 1."""


class Pattern(_Answer):
    """One pattern of the firmware's registry; indexes change between versions, ids are to be stored."""

    index: int
    id: str
    name: str
    description: str = ""
    audio_reactive: bool


class Patterns(_Answer):
    """GET /api/patterns."""

    patterns: tuple[Pattern, ...]
    current_pattern: int
    """Index of the pattern that is shown."""


class CurrentPattern(_Answer):
    """GET /api/pattern/current."""

    index: int
    id: str
    name: str
    audio_reactive: bool = Field(validation_alias="is_audio_reactive")


class LedFrame(_Answer):
    """GET /api/leds/frame with fmt=hex."""

    count: int
    """Lights of the strip; `data` may have fewer."""
    data: tuple[Annotated[str, Field(pattern=r"^[0-9A-Fa-f]{6}$")], ...]
    """`RRGGBB`, one for each light."""


class Selected(_Answer):
    """POST /api/select; with a transition it may still name the pattern before."""

    current_pattern: int
    id: str
    name: str
