"""The table of metrics, its page, and what is really exported."""

from __future__ import annotations

import re
from pathlib import Path

from k1nb.config import Settings
from k1nb.exporter import CATALOGUE, Metric
from tests.conftest import BENCH
from tests.exporter.conftest import Exporter

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")


def row(metric: Metric) -> str:
    """Return the line of the page that tells of a metric."""
    return f"| `{metric.name}` | {metric.kind} | {metric.unit} | {metric.help} | {metric.source} |"


def test_the_page_has_each_metric_with_type_unit_and_source() -> None:
    """The tables of docs/metrics.md are the catalogue, no more and no less."""
    rows = re.findall(r"^\| `k1_.*\|$", PAGE, re.MULTILINE)
    assert sorted(rows) == sorted(row(metric) for metric in CATALOGUE)
    assert {label for metric in CATALOGUE for label in metric.labels} <= set(re.findall(r"`(\w+)`", PAGE))


def test_each_metric_has_a_name_as_prometheus_wants_it() -> None:
    """Names are unique; counters, and nothing else, end in _total."""
    assert len({metric.name for metric in CATALOGUE}) == len(CATALOGUE)
    assert [m.name for m in CATALOGUE if m.name.endswith("_total") != (m.kind == "counter")] == []


def test_the_real_stack_exports_the_catalogue(line: Settings) -> None:
    """With server, workers and a device up each metric has a value with its labels, and there is no other."""
    exporter = Exporter(line)
    served = {"taskType": "platformio_compile"}
    page = exporter.await_page(
        lambda page: page.names >= {m.name for m in CATALOGUE} and page.value("k1_task_pollers", **served), within=60
    )
    assert page.names == {metric.name for metric in CATALOGUE}
    for metric in CATALOGUE:
        assert {frozenset(sample.labels) for sample in page.samples(metric.name)} == {frozenset(metric.labels)}
        assert page[metric.name.removesuffix("_total")].type == metric.kind
    assert page.value("k1_device_up", device=BENCH) == page.value("k1_conductor_up") == 1
    assert page.value("k1_workflow_failures_total", workflowName="firmware-ci-cd-pipeline", status="TIMED_OUT") == 0
    assert page.value("k1_task_pollers", **served) == 1
