"""Baselines: what a pattern was like in a version, promoted from a report by an explicit step."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ValidationError

from k1nb.errors import ConsentError, StorageError, UsageError
from k1nb.paths import Paths, write_text
from k1nb.patterns._measure import PatternMetrics
from k1nb.patterns._report import Report
from k1nb.patterns._source import require_id
from k1nb.plan import Plan, Step

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Baseline(BaseModel):
    """The figures that later tests of a pattern are compared with."""

    format: Literal[1] = 1
    version: str
    pattern_name: str
    report: str
    """Id of the report that it was promoted from."""
    commit_sha: str | None = None
    artifact_id: str | None = None
    metrics: PatternMetrics
    promoted_at: datetime


def baseline_file(paths: Paths, version: str, pattern_name: str) -> Path:
    """Return where a baseline is; raises UsageError for names that would lead elsewhere."""
    if not _VERSION.fullmatch(version):
        raise UsageError(
            f"{version!r} is no version of a baseline",
            hint="give up to 64 letters, digits, dots, dashes and underscores, such as v1.0.0",
        )
    return paths.reports / "baselines" / version / f"{require_id(pattern_name)}.json"


def read_baseline(paths: Paths, version: str, pattern_name: str) -> Baseline | None:
    """Return a baseline, None where none was promoted; raises UsageError, and StorageError for a damaged one."""
    file = baseline_file(paths, version, pattern_name)
    try:
        return Baseline.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"cannot read the baseline {file}: {error.strerror}", hint="mend its rights") from error
    except ValidationError as error:
        raise StorageError(
            f"the baseline {file} is damaged: {error.errors()[0]['msg']}", hint="remove it and promote a report again"
        ) from None


def baselines_of(paths: Paths, report: Report) -> list[str]:
    """Return the versions whose baseline a report is."""
    files = sorted((paths.reports / "baselines").glob(f"*/{report.pattern_name}.json"))
    versions = [file.parent.name for file in files]
    return [
        v for v in versions if (found := read_baseline(paths, v, report.pattern_name)) and found.report == report.id
    ]


def plan_promotion(paths: Paths, report: Report, version: str) -> Plan:
    """Plan to make a report the baseline of a version; nothing where it is that, destructive where another one is.

    Raises UsageError for a report that did not pass.
    """
    if not report.validation_passed:
        raise UsageError(
            f"{report.id} did not pass: {'; '.join(report.comparison.reasons)}",
            hint="promote a report that passed: k1nb patterns list",
        )
    there = read_baseline(paths, version, report.pattern_name)
    facts = {"report": report.id, "metrics": report.metrics.model_dump(), "replaces": there.report if there else None}
    purpose = f"baseline {version} of pattern {report.pattern_name}"
    if there is not None and (there.report, there.metrics) == (report.id, report.metrics):
        return Plan(purpose, (), facts)
    why = f"later tests against {version} are compared with {report.metrics.fps:.1f} FPS of {report.id}"
    if there is None:
        return Plan(purpose, (Step("promote", report.id, why),), facts)
    return Plan(purpose, (Step("replace", there.report, why, destructive=True),), facts)


def promote(paths: Paths, report: Report, version: str, *, consent: str = "") -> Baseline | None:
    """Plan again and make a report the baseline of a version; None where it is that already.

    Raises ConsentError where another one would be replaced and `consent` is not that plan's id, or where a plan was
    consented to that is not this one.
    """
    plan = plan_promotion(paths, report, version)
    plan.require(consent)
    if not plan.steps:
        return None
    if consent and consent != plan.id:
        raise ConsentError(f"{consent} is not the plan for {plan.purpose}", hint=f"the plan is {plan.id} now")
    baseline = Baseline(
        version=version,
        pattern_name=report.pattern_name,
        report=report.id,
        commit_sha=report.commit_sha,
        artifact_id=report.artifact_id,
        metrics=report.metrics,
        promoted_at=datetime.now(UTC),
    )
    write_text(baseline_file(paths, version, report.pattern_name), baseline.model_dump_json(indent=1) + "\n")
    return baseline
