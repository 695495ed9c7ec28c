"""What a pattern shows and costs on a device: its lights, and medians of what the device measures."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import Annotated, TypeVar

from pydantic import BaseModel, Field, FiniteFloat

from k1nb.device import DeviceClient
from k1nb.errors import DeviceBusy, DeviceRefused, UnknownName

LEAST_SAMPLES = 5
_KEPT_FRAMES = 8
_LOGGED = 60
_BLACK = "000000"
T = TypeVar("T")


class LightFrame(BaseModel):
    """The lights at one moment, `RRGGBB` each; `at_ms` counts from the first frame."""

    at_ms: int
    lights: list[str]


class Validation(BaseModel):
    """What was seen of a pattern's lights."""

    visual_check_passed: bool
    reason: str
    frames: int
    lit_frames: int
    """Frames with at least one light that is not black."""
    changes: int
    """How often a frame differed from the one before."""
    validation_log: list[str]
    samples: list[LightFrame]
    """At most eight frames, evenly over the time."""


class PatternMetrics(BaseModel):
    """Medians over the samples; the device's own figures, averages of at most 15 s each."""

    fps: FiniteFloat
    avg_render_time_ms: FiniteFloat
    max_render_time_ms: FiniteFloat
    """Median of the slowest of the last 64 frames."""
    audio_latency_ms: FiniteFloat
    """How long one audio step takes: not the time from microphone to light."""
    free_heap_bytes: Annotated[int, Field(ge=0)]


async def validate(client: DeviceClient, pattern_id: str, *, seconds: float, static: bool) -> Validation:
    """Show a pattern and watch its lights for so many seconds, no faster than the device allows.

    It passes if it is not black all the time and, unless it is static, changes. Raises UnknownName where the firmware
    has no such pattern, DeviceBusy where somebody shows another one meanwhile, and what the client raises.
    """
    try:
        await client.select(pattern_id)
    except DeviceRefused as error:
        if error.status != 404:
            raise
        raise UnknownName(
            f"the firmware on {client.device.label} has no pattern {pattern_id!r}",
            hint="it was not built from the pattern's commit, or not deployed; `k1nb device info` shows its stamp",
        ) from error
    await _confirm(client, pattern_id)
    frames = await _watch(client, seconds)
    await _confirm(client, pattern_id)
    return judge(frames, static=static)


async def measure(client: DeviceClient, pattern_id: str, *, samples: int = LEAST_SAMPLES) -> PatternMetrics:
    """Return medians of what the device measures while it shows a pattern; DeviceBusy where it shows another one."""
    await _confirm(client, pattern_id)
    taken = [await _look(client) for _ in range(max(samples, LEAST_SAMPLES))]
    await _confirm(client, pattern_id)
    return medians(taken)


def medians(taken: Sequence[PatternMetrics]) -> PatternMetrics:
    """Return the median of each figure."""
    found = {name: median(getattr(look, name) for look in taken) for name in PatternMetrics.model_fields}
    return PatternMetrics(**{**found, "free_heap_bytes": int(found["free_heap_bytes"])})


def judge(frames: Sequence[LightFrame], *, static: bool) -> Validation:
    """Say what frames show, in the order in which they were seen."""
    lit = [any(light != _BLACK for light in frame.lights) for frame in frames]
    changed = [before.lights != after.lights for before, after in pairwise(frames)]
    if not any(lit):
        reason = "every light was black all the time"
    elif not static and not any(changed):
        reason = "the lights never changed, and the pattern is not static"
    else:
        reason = "lit, and static as it is to be" if static else "lit and changing"
    log = [
        f"{frame.at_ms / 1000:.2f} s: {sum(light != _BLACK for light in frame.lights)} of {len(frame.lights)} lit"
        f"{', changed' if change else ''}"
        for frame, change in zip(frames, (False, *changed), strict=False)
    ]
    return Validation(
        visual_check_passed=any(lit) and (static or any(changed)),
        reason=reason,
        frames=len(frames),
        lit_frames=sum(lit),
        changes=sum(changed),
        validation_log=evenly(log, _LOGGED),
        samples=evenly(frames, _KEPT_FRAMES),
    )


def evenly(items: Sequence[T], count: int) -> list[T]:
    """Return at most so many items, evenly from the first to the last."""
    if len(items) <= count:
        return list(items)
    return [items[round(number * (len(items) - 1) / (count - 1))] for number in range(count)]


async def _confirm(client: DeviceClient, pattern_id: str) -> None:
    shown = await client.current_pattern()
    if shown.id != pattern_id:
        raise DeviceBusy(
            f"{client.device.label} shows {shown.id}, not {pattern_id}: somebody selected another pattern",
            hint="leave the device alone during the test: close browser dashboards, then start it again",
        )


async def _watch(client: DeviceClient, seconds: float) -> list[LightFrame]:
    frames: list[LightFrame] = []
    begun = time.monotonic()
    while len(frames) < 2 or time.monotonic() - begun < seconds:
        shown = await client.led_frame()
        if not frames:
            begun = time.monotonic()
        frames.append(LightFrame(at_ms=round((time.monotonic() - begun) * 1000), lights=list(shown.data)))
    return frames


async def _look(client: DeviceClient) -> PatternMetrics:
    performance = await client.performance()
    frames = (await client.frame_metrics()).frames
    return PatternMetrics(
        fps=(await client.health()).fps,
        avg_render_time_ms=performance.render_avg_us / 1000,
        # Just after a boot the device may have no frame yet.
        max_render_time_ms=max((frame.render_us for frame in frames), default=performance.render_avg_us) / 1000,
        audio_latency_ms=(await client.latency_probe()).last_latency_ms,
        free_heap_bytes=performance.memory_free_kb * 1024,
    )
