"""Metrics against limits and baseline: each rule as a table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1nb.patterns import PatternMetrics, Thresholds, Tolerance, compare


def metrics(**changes: float) -> PatternMetrics:
    """Return good figures, some of them changed."""
    good = {"fps": 120.0, "avg_render_time_ms": 5.0, "max_render_time_ms": 8.0, "audio_latency_ms": 4.0}
    return PatternMetrics.model_validate({**good, "free_heap_bytes": 150_000, **changes})


@pytest.mark.parametrize(
    ("changes", "visual", "reasons"),
    [
        ({}, True, []),
        ({"fps": 30.0, "max_render_time_ms": 20.0, "audio_latency_ms": 50.0}, True, []),
        ({"fps": 29.9}, True, ["29.9 FPS < 30"]),
        ({"max_render_time_ms": 20.1}, True, ["render time 20.10 ms > 20"]),
        ({"audio_latency_ms": 50.5}, True, ["audio latency 50.50 ms > 50"]),
        ({}, False, ["the lights did not pass the visual check"]),
        ({"fps": 1.0}, False, ["the lights did not pass the visual check", "1.0 FPS < 30"]),
    ],
)
def test_limits_are_kept_inclusively(changes: dict[str, float], visual: bool, reasons: list[str]) -> None:
    """The designed limits 30, 20 and 50 are allowed themselves; what breaks one is named. Without baseline: null."""
    found = compare(metrics(**changes), None, Thresholds(), Tolerance(), visual_check_passed=visual)
    assert (found.reasons, found.passed) == (reasons, not reasons)
    assert (found.regression_detected, found.fps_delta, found.render_time_delta) == (None, None, None)


@pytest.mark.parametrize(
    ("changes", "regression"),
    [
        ({}, False),
        ({"fps": 114.0}, False),
        ({"fps": 113.9}, True),
        ({"avg_render_time_ms": 5.5}, False),
        ({"avg_render_time_ms": 5.51}, True),
        ({"fps": 200.0, "avg_render_time_ms": 1.0}, False),
    ],
)
def test_five_and_ten_percent_are_tolerated(changes: dict[str, float], regression: bool) -> None:
    """More than 5 % fewer frames or 10 % more render time than the baseline is a regression, and does not pass."""
    now = metrics(**changes)
    found = compare(now, metrics(), Thresholds(), Tolerance(), visual_check_passed=True)
    assert (found.regression_detected, found.passed) == (regression, not regression)
    assert found.fps_delta == pytest.approx(now.fps - 120.0, abs=1e-3)
    assert found.render_time_delta == pytest.approx(now.avg_render_time_ms - 5.0, abs=1e-3)


@pytest.mark.parametrize(
    ("fps", "said"), [(100, "miss"), (120, "reach the firmware's own minimum"), (151, "goal of 150")]
)
def test_the_firmwares_own_aims_are_reported(fps: float, said: str) -> None:
    """What the firmware itself aims at is a note and breaks nothing."""
    found = compare(metrics(fps=fps), None, Thresholds(), Tolerance(), visual_check_passed=True)
    assert found.passed
    assert said in found.notes[0]


@given(fps=st.floats(0, 1000), render=st.floats(0, 100), latency=st.floats(0, 100), visual=st.booleans())
def test_a_pass_has_no_reason_against_it(fps: float, render: float, latency: float, visual: bool) -> None:
    """It passes exactly where nothing is said against it."""
    now = metrics(fps=fps, max_render_time_ms=render, audio_latency_ms=latency, avg_render_time_ms=render)
    found = compare(now, metrics(), Thresholds(), Tolerance(), visual_check_passed=visual)
    assert found.passed is (not found.reasons)
