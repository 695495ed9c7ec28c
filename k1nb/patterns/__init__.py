"""Patterns: generated into a git branch, watched and measured on a device, compared, reported."""

from k1nb.patterns._baseline import Baseline, baselines_of, plan_promotion, promote, read_baseline
from k1nb.patterns._compare import Comparison, Thresholds, Tolerance, compare
from k1nb.patterns._generate import BRANCH, Generated, generate
from k1nb.patterns._measure import LightFrame, PatternMetrics, Validation, judge, measure, validate
from k1nb.patterns._report import (
    Report,
    Seen,
    json_file,
    list_reports,
    read_report,
    report_id,
    report_ids,
    write_report,
)
from k1nb.patterns._source import PatternParams, is_static

__all__ = [
    "BRANCH",
    "Baseline",
    "Comparison",
    "Generated",
    "LightFrame",
    "PatternMetrics",
    "PatternParams",
    "Report",
    "Seen",
    "Thresholds",
    "Tolerance",
    "Validation",
    "baselines_of",
    "compare",
    "generate",
    "is_static",
    "json_file",
    "judge",
    "list_reports",
    "measure",
    "plan_promotion",
    "promote",
    "read_baseline",
    "read_report",
    "report_id",
    "report_ids",
    "validate",
    "write_report",
]
