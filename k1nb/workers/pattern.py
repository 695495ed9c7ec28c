"""Task functions that generate a pattern, watch and measure it on a device, and report."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field

from k1nb import delivery, patterns
from k1nb._process import run_child
from k1nb.config import Settings, environment, variables
from k1nb.device import Device, DeviceClient
from k1nb.errors import RetryableFailure
from k1nb.firmware import repository
from k1nb.patterns import Comparison, LightFrame, PatternMetrics, PatternParams, Report, Seen, Thresholds, Tolerance
from k1nb.workers._task import TaskContext, task


def _from_text(value: Any) -> Any:
    """Read JSON where a text came, as a command line gives it."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError as error:
        raise ValueError(f"no JSON object: {error}") from None


class GenerateIn(BaseModel):
    """A pattern by name, what it is to be like, and what it is added to."""

    pattern_name: str
    pattern_params: Annotated[PatternParams, BeforeValidator(_from_text)] = PatternParams()
    repo: str
    base_branch: str = "main"


class GenerateOut(BaseModel):
    """The pattern's drawing, in a commit on its branch."""

    source_code: str
    source_path: str
    commit_sha: str
    branch: str
    created: bool
    """False where the same pattern had been committed before."""
    static: bool
    """Whether its lights never change."""


@task("generate_pattern_code", concurrency=1)
async def generate_pattern_code(words: GenerateIn, context: TaskContext) -> GenerateOut:
    """Write the pattern's C++ drawing and registry entry and commit them, once, away from every working tree."""
    source = repository(context.settings, words.repo)
    made = await asyncio.to_thread(
        patterns.generate, source, words.pattern_name, words.pattern_params, base_branch=words.base_branch
    )
    return GenerateOut(
        source_code=made.source.code,
        source_path=made.source.path,
        commit_sha=made.commit.sha,
        branch=patterns.BRANCH,
        created=made.new,
        static=made.static,
    )


class PatternIn(BaseModel):
    """A device and the pattern that it is to show."""

    device: str | None = None
    device_ip: str | None = None
    pattern_name: str


def _device(words: PatternIn, context: TaskContext) -> Device:
    """Return the device; raises ConsentError for one of role production, which no pattern test touches."""
    device = delivery.resolve(context.settings, words.device, words.device_ip)
    delivery.require_allowed(device, allow_production=False)
    return device


class ValidationIn(PatternIn):
    """How long the lights are watched, and whether they are to change."""

    duration_seconds: float = Field(30.0, ge=1, le=60)
    static: bool = False


class ValidationOut(BaseModel):
    """What was seen of the lights."""

    visual_check_passed: bool
    validation_log: list[str]
    reason: str
    frames: int
    lit_frames: int
    changes: int
    samples: list[LightFrame]


@task("run_pattern_validation")
async def run_pattern_validation(words: ValidationIn, context: TaskContext) -> ValidationOut:
    """Show the pattern and watch its lights, no faster than the device allows."""
    settings = context.settings
    async with DeviceClient(_device(words, context), settings.paths, settings.timings) as client:
        seen = await patterns.validate(client, words.pattern_name, seconds=words.duration_seconds, static=words.static)
    return ValidationOut(**seen.model_dump())


class MetricsOut(BaseModel):
    """Medians of what the device measured."""

    metrics: PatternMetrics
    measured: bool


@task("capture_performance_metrics")
async def capture_performance_metrics(words: PatternIn, context: TaskContext) -> MetricsOut:
    """Measure while the pattern is shown."""
    settings = context.settings
    async with DeviceClient(_device(words, context), settings.paths, settings.timings) as client:
        return MetricsOut(metrics=await patterns.measure(client, words.pattern_name), measured=True)


class CompareIn(BaseModel):
    """Metrics, the limits they are held to, and the version whose baseline they are compared with."""

    pattern_name: str
    current_metrics: PatternMetrics
    baseline_version: str | None = None
    thresholds: Thresholds = Thresholds()
    tolerance: Tolerance = Tolerance()
    visual_check_passed: bool


class CompareOut(Comparison):
    """The comparison, and what it was made with."""

    baseline: PatternMetrics | None


@task("compare_performance")
async def compare_performance(words: CompareIn, context: TaskContext) -> CompareOut:
    """Hold the metrics to the limits, and to the promoted baseline where there is one."""
    baseline, notes = None, []
    if words.baseline_version:
        paths = context.settings.paths
        found = await asyncio.to_thread(patterns.read_baseline, paths, words.baseline_version, words.pattern_name)
        baseline = found.metrics if found else None
        if found is None:
            notes = [f"there is no baseline {words.baseline_version} of {words.pattern_name}: promote a report to it"]
    compared = patterns.compare(
        words.current_metrics,
        baseline,
        words.thresholds,
        words.tolerance,
        visual_check_passed=words.visual_check_passed,
    )
    return CompareOut(**{**compared.model_dump(), "notes": [*compared.notes, *notes]}, baseline=baseline)


class ReportIn(BaseModel):
    """All that the report is made of."""

    pattern_name: str
    metrics: PatternMetrics
    comparison: CompareOut
    validation_passed: bool
    validation: Seen
    thresholds: Thresholds = Thresholds()
    baseline_version: str | None = None
    device: str | None = None
    artifact_id: str | None = None
    commit_sha: str | None = None
    repo: str | None = None
    source_path: str | None = None
    source_code: str | None = None


class ReportOut(BaseModel):
    """Where the report is, and what it says in short."""

    report_id: str
    report_url: str
    csv_url: str
    figure_url: str
    report_data: dict[str, Any]


@task("generate_report")
async def generate_report(words: ReportIn, context: TaskContext) -> ReportOut:
    """Write the report as JSON, CSV and figure; an execution has one."""
    paths = context.settings.paths
    at = datetime.now(UTC)
    name = await asyncio.to_thread(patterns.report_id, paths, words.pattern_name, context.execution_id, at)
    given = words.model_dump(exclude={"comparison", "validation"})
    report = Report(
        id=name,
        at=at,
        execution_id=context.execution_id,
        comparison=Comparison(**words.comparison.model_dump(exclude={"baseline"})),
        baseline=words.comparison.baseline,
        lights=words.validation,
        **given,
    )
    file = await asyncio.to_thread(patterns.write_report, paths, report)
    figure = await _draw(context.settings, name, file.with_suffix(".svg"))
    return ReportOut(
        report_id=name,
        report_url=file.as_uri(),
        csv_url=file.with_suffix(".csv").as_uri(),
        figure_url=figure.as_uri(),
        report_data=report.summary(),
    )


async def _draw(settings: Settings, name: str, file: Path) -> Path:
    """Draw in a child process: what draws takes more memory than the host itself."""
    log = settings.paths.logs / "patterns" / f"{name}.log"
    finished = await run_child(
        [sys.executable, "-m", "k1nb", "patterns", "show", name, "--figure", str(file)],
        cwd=settings.home,
        env=environment(settings, **variables(settings)),
        log=log,
        stop_within=settings.timings.child_stop,
    )
    if finished.exit_code != 0:
        raise RetryableFailure(f"the figure of {name} was not drawn: exit code {finished.exit_code}", hint=f"see {log}")
    return file
