"""Metrics against limits and a baseline: pure, so that each rule can be shown in a table."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from k1nb.patterns._measure import PatternMetrics

FIRMWARE_MIN_FPS = 120.0
FIRMWARE_GOAL_FPS = 150.0
"""What the K1's firmware itself aims at; reported, not required."""

_Limit = Annotated[FiniteFloat, Field(ge=0)]


class Thresholds(BaseModel):
    """What a pattern must keep, whatever it was like before."""

    model_config = ConfigDict(extra="forbid")

    min_fps: _Limit = 30.0
    max_render_time_ms: _Limit = 20.0
    """For the slowest frames, and so for the average."""
    max_audio_latency_ms: _Limit = 50.0


class Tolerance(BaseModel):
    """How much worse than its baseline a pattern may be before that is a regression."""

    fps_drop_percent: _Limit = 5.0
    render_growth_percent: _Limit = 10.0


class Comparison(BaseModel):
    """Whether a pattern passes; deltas are now minus baseline, null without one."""

    passed: bool
    fps_delta: float | None
    render_time_delta: float | None
    """Milliseconds of the average render time."""
    regression_detected: bool | None
    """Null where there is no baseline to tell by."""
    reasons: list[str]
    """One text for each breach."""
    notes: list[str]


def compare(
    metrics: PatternMetrics,
    baseline: PatternMetrics | None,
    thresholds: Thresholds,
    tolerance: Tolerance,
    *,
    visual_check_passed: bool,
) -> Comparison:
    """Hold metrics to limits, and to a baseline where there is one."""
    breaches = list(_breaches(metrics, thresholds))
    if not visual_check_passed:
        breaches.insert(0, "the lights did not pass the visual check")
    worse = [] if baseline is None else _regressions(metrics, baseline, tolerance)
    return Comparison(
        passed=not breaches and not worse,
        fps_delta=None if baseline is None else round(metrics.fps - baseline.fps, 3),
        render_time_delta=None
        if baseline is None
        else round(metrics.avg_render_time_ms - baseline.avg_render_time_ms, 3),
        regression_detected=None if baseline is None else bool(worse),
        reasons=[*breaches, *worse],
        notes=[_aim(metrics.fps)],
    )


def _breaches(metrics: PatternMetrics, thresholds: Thresholds) -> list[str]:
    found = []
    if metrics.fps < thresholds.min_fps:
        found.append(f"{metrics.fps:.1f} FPS < {thresholds.min_fps:g}")
    if metrics.max_render_time_ms > thresholds.max_render_time_ms:
        found.append(f"render time {metrics.max_render_time_ms:.2f} ms > {thresholds.max_render_time_ms:g}")
    if metrics.audio_latency_ms > thresholds.max_audio_latency_ms:
        found.append(f"audio latency {metrics.audio_latency_ms:.2f} ms > {thresholds.max_audio_latency_ms:g}")
    return found


def _regressions(metrics: PatternMetrics, baseline: PatternMetrics, tolerance: Tolerance) -> list[str]:
    found = []
    least = baseline.fps * (1 - tolerance.fps_drop_percent / 100)
    if metrics.fps < least:
        found.append(f"{metrics.fps:.1f} FPS are more than {tolerance.fps_drop_percent:g} % below {baseline.fps:.1f}")
    most = baseline.avg_render_time_ms * (1 + tolerance.render_growth_percent / 100)
    if metrics.avg_render_time_ms > most:
        found.append(
            f"average render time {metrics.avg_render_time_ms:.2f} ms is more than "
            f"{tolerance.render_growth_percent:g} % above {baseline.avg_render_time_ms:.2f}"
        )
    return found


def _aim(fps: float) -> str:
    if fps >= FIRMWARE_GOAL_FPS:
        return f"{fps:.1f} FPS reach the firmware's own goal of {FIRMWARE_GOAL_FPS:g}"
    least = "reach" if fps >= FIRMWARE_MIN_FPS else "miss"
    return f"{fps:.1f} FPS {least} the firmware's own minimum of {FIRMWARE_MIN_FPS:g} (goal {FIRMWARE_GOAL_FPS:g})"
