"""The report of a pattern test: kept as JSON and CSV under the artifact root, and read again."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from k1nb.errors import StorageError, UnknownName
from k1nb.paths import Paths, write_text
from k1nb.patterns._compare import Comparison, Thresholds
from k1nb.patterns._measure import LightFrame, PatternMetrics
from k1nb.patterns._source import require_id

_PREFIX = "pattern_validation_"
_UNITS = {"fps": "frames/s", "free_heap_bytes": "B"}


class Seen(BaseModel):
    """What the report keeps of the lights."""

    visual_check_passed: bool
    reason: str = ""
    frames: int = 0
    lit_frames: int = 0
    changes: int = 0
    samples: list[LightFrame] = []


class Report(BaseModel):
    """One pattern test, whole: what was built, where it ran, what it showed and cost, and whether it passes."""

    format: Literal[1] = 1
    id: str
    at: datetime
    execution_id: str
    pattern_name: str
    device: str | None = None
    artifact_id: str | None = None
    commit_sha: str | None = None
    repo: str | None = None
    source_path: str | None = None
    """Of the drawing, relative to the repository."""
    source_code: str | None = None
    validation_passed: bool
    metrics: PatternMetrics
    thresholds: Thresholds
    baseline_version: str | None = None
    baseline: PatternMetrics | None = None
    comparison: Comparison
    lights: Seen

    def summary(self) -> dict[str, Any]:
        """Return what a list shows of it."""
        kept = ("id", "at", "pattern_name", "device", "artifact_id", "commit_sha", "validation_passed",
                "baseline_version")  # fmt: skip
        plain = self.model_dump(mode="json")
        return {**{name: plain[name] for name in kept}, "regression_detected": self.comparison.regression_detected}


def report_id(paths: Paths, pattern_name: str, execution_id: str, at: datetime) -> str:
    """Return the name of an execution's report: the one it has already, or one with the day, pattern and execution."""
    ending = f"_{require_id(pattern_name)}_{re.sub('[^0-9a-f]', '', execution_id)[:12]}"
    there = sorted(paths.reports.glob(f"{_PREFIX}????????{ending}.json"))
    return there[0].stem if there else f"{_PREFIX}{at:%Y%m%d}{ending}"


def json_file(paths: Paths, name: str) -> Path:
    """Return where a report's JSON is; CSV and figure lie beside it."""
    return paths.reports / f"{name}.json"


def write_report(paths: Paths, report: Report) -> Path:
    """Write a report's JSON and CSV, each whole or not at all, and return the JSON's path; raises StorageError."""
    file = json_file(paths, report.id)
    write_text(file.with_suffix(".csv"), to_csv(report))
    write_text(file, report.model_dump_json(indent=1) + "\n")
    return file


def read_report(paths: Paths, name: str) -> Report:
    """Return a report by its id or an unambiguous beginning of it; raises UnknownName, StorageError."""
    fitting = [found for found in report_ids(paths) if found.startswith(name)] if name else []
    if name in fitting:
        fitting = [name]
    if len(fitting) != 1:
        fault = f"{name!r} fits {len(fitting)} reports" if fitting else f"there is no report {name!r}"
        raise UnknownName(f"{fault} in {paths.reports}", hint="k1nb patterns list")
    return _read(json_file(paths, fitting[0]))


def list_reports(paths: Paths) -> list[Report]:
    """Return the reports, newest first; raises StorageError where one is damaged."""
    return sorted((_read(json_file(paths, name)) for name in report_ids(paths)), key=lambda r: r.at, reverse=True)


def report_ids(paths: Paths) -> list[str]:
    """Return the names of the reports, without reading them."""
    return sorted(file.stem for file in paths.reports.glob(f"{_PREFIX}*.json"))


def to_csv(report: Report) -> str:
    """Return the figures as a table: metric, value, unit, limit, baseline, whether the limit is kept."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("pattern", "metric", "value", "unit", "limit", "baseline", "kept"))
    for row in _rows(report):
        writer.writerow((report.pattern_name, *("" if cell is None else cell for cell in row)))
    return buffer.getvalue()


def _rows(report: Report) -> Iterator[tuple[Any, ...]]:
    limits = report.thresholds
    bounds: dict[str, tuple[float, int]] = {
        "fps": (limits.min_fps, 1),
        "max_render_time_ms": (limits.max_render_time_ms, -1),
        "audio_latency_ms": (limits.max_audio_latency_ms, -1),
    }
    for name in PatternMetrics.model_fields:
        value = getattr(report.metrics, name)
        limit, sign = bounds.get(name, (None, 0))
        before = getattr(report.baseline, name) if report.baseline else None
        kept = None if limit is None else (value - limit) * sign >= 0
        yield name, value, _UNITS.get(name, "ms"), limit, before, kept
    yield "visual_check_passed", report.lights.visual_check_passed, "", None, None, None
    yield "validation_passed", report.validation_passed, "", None, None, None


def _read(file: Path) -> Report:
    try:
        return Report.model_validate_json(file.read_bytes())
    except OSError as error:
        raise StorageError(f"cannot read the report {file}: {error.strerror}", hint="test the pattern again") from error
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"]))
        raise StorageError(
            f"the report {file} is damaged: {place}: {fault['msg']}", hint="remove it and test the pattern again"
        ) from None
