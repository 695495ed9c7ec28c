"""Reports to keep, list and promote."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from k1nb.patterns import LightFrame, Report, Seen, Thresholds, Tolerance, compare
from tests.patterns.test_compare import metrics

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def report(number: int = 1, *, pattern: str = "breathe", baseline: bool = False, **figures: float) -> Report:
    """Return a report of a pattern test, the higher the number the newer."""
    now, before = metrics(**figures), metrics() if baseline else None
    found = compare(now, before, Thresholds(), Tolerance(), visual_check_passed=True)
    frames = [LightFrame(at_ms=n * 250, lights=["FF0000", "00FF00"] * 80) for n in range(3)]
    values: dict[str, Any] = {
        "id": f"pattern_validation_20260301_{pattern}_{number:012x}",
        "at": AT + timedelta(minutes=number),
        "execution_id": f"{number}",
        "device": "bench",
        "artifact_id": "a" * 64,
        "commit_sha": "c" * 40,
        "source_path": "src/pattern_breathe.cpp",
    }
    return Report(
        pattern_name=pattern,
        validation_passed=found.passed,
        metrics=now,
        thresholds=Thresholds(),
        baseline_version="v1" if baseline else None,
        baseline=before,
        comparison=found,
        lights=Seen(visual_check_passed=True, reason="lit and changing", frames=3, samples=frames),
        **values,
    )
