"""Reports: written, found again, promoted."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from k1nb.errors import ConsentError, StorageError, UnknownName, UsageError
from k1nb.paths import Paths
from k1nb.patterns import (
    baselines_of,
    list_reports,
    plan_promotion,
    promote,
    read_baseline,
    read_report,
    report_id,
    write_report,
)
from tests.patterns.samples import AT, report


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """Folders of one test's own."""
    return Paths(tmp_path, tmp_path / "cache", tmp_path / "artifacts")


def test_a_report_is_read_as_it_was_written(paths: Paths) -> None:
    """JSON holds all of it; CSV has a row for each figure, with limit, baseline and whether it is kept."""
    one = report(1, baseline=True, fps=29.0)
    file = write_report(paths, one)
    assert file == paths.artifacts / "reports" / f"{one.id}.json"
    assert read_report(paths, one.id) == one
    with file.with_suffix(".csv").open(newline="") as table:
        rows = {row["metric"]: row for row in csv.DictReader(table)}
    assert (rows["fps"]["value"], rows["fps"]["limit"], rows["fps"]["baseline"]) == ("29.0", "30.0", "120.0")
    assert (rows["fps"]["kept"], rows["audio_latency_ms"]["kept"], rows["free_heap_bytes"]["kept"]) == (
        "False",
        "True",
        "",
    )
    assert rows["validation_passed"]["value"] == "False"


def test_an_execution_has_one_report(paths: Paths) -> None:
    """A retried task, even after midnight, writes the report that its execution has; another one has its own."""
    execution = "0b58fa31-7f14-4a0c-9d5c-111111111111"
    first = report_id(paths, "breathe", execution, AT)
    assert first == "pattern_validation_20260301_breathe_0b58fa317f14"
    write_report(paths, report(1).model_copy(update={"id": first}))
    assert report_id(paths, "breathe", execution, AT.replace(day=2)) == first
    assert report_id(paths, "breathe", execution.replace("0b", "ff"), AT.replace(day=2)) != first


def test_reports_are_found_by_their_beginning_newest_first(paths: Paths) -> None:
    """An unambiguous beginning is enough; what fits none or several is said."""
    one, two = report(1), report(2, pattern="chase")
    for each in (one, two):
        write_report(paths, each)
    assert list_reports(paths) == [two, one]
    assert read_report(paths, two.id[:-3]) == two
    for wrong, said in (("pattern", "fits 2 reports"), ("x", "there is no report"), ("", "there is no report")):
        with pytest.raises(UnknownName, match=said):
            read_report(paths, wrong)


def test_a_damaged_report_is_named(paths: Paths) -> None:
    """What cannot be read as it was written is no report, and says where it is."""
    file = write_report(paths, report(1))
    file.write_text(file.read_text().replace('"fps": 120.0', '"fps": "fast"'))
    with pytest.raises(StorageError, match=r"is damaged: metrics\.fps"):
        read_report(paths, report(1).id)


def test_a_first_baseline_needs_no_consent_and_a_second_one_does(paths: Paths) -> None:
    """Promoting is a step of its own: nothing, then the first, then only with the plan that names what it replaces."""
    one, two = report(1), report(2, fps=125.0)
    assert read_baseline(paths, "v1.0.0", "breathe") is None
    done = promote(paths, one, "v1.0.0")
    assert done is not None
    assert (done.metrics, done.report) == (one.metrics, one.id)
    assert (paths.reports / "baselines/v1.0.0/breathe.json").is_file()
    assert promote(paths, one, "v1.0.0") is None  # it is so already
    plan = plan_promotion(paths, two, "v1.0.0")
    assert plan.destructive
    with pytest.raises(ConsentError, match="planned, not applied"):
        promote(paths, two, "v1.0.0")
    assert baselines_of(paths, one) == ["v1.0.0"]
    promote(paths, two, "v1.0.0", consent=plan.id)
    assert (baselines_of(paths, one), baselines_of(paths, two)) == ([], ["v1.0.0"])
    with pytest.raises(ConsentError, match="is not the same"):
        promote(paths, one, "v1.0.0", consent=plan.id)


def test_another_versions_and_patterns_baseline_is_its_own(paths: Paths) -> None:
    """Baselines lie by version and pattern."""
    promote(paths, report(1), "v1")
    assert read_baseline(paths, "v2", "breathe") is None
    assert read_baseline(paths, "v1", "chase") is None


def test_what_did_not_pass_is_no_baseline(paths: Paths) -> None:
    """A report that failed is refused with its reasons."""
    with pytest.raises(UsageError, match=r"did not pass: 20\.0 FPS < 30"):
        promote(paths, report(1, fps=20.0), "v1")


@pytest.mark.parametrize("version", ["", "..", "a/b", "-x", "v" * 65, "a b"])
def test_a_version_is_no_way_out_of_the_folder(paths: Paths, version: str) -> None:
    """Versions and pattern names that would lead elsewhere are refused, for reading as for writing."""
    with pytest.raises(UsageError, match="is no version"):
        read_baseline(paths, version, "breathe")
    with pytest.raises(UsageError, match="is no version"):
        promote(paths, report(1), version)
    with pytest.raises(UsageError, match="is no name for a pattern"):
        read_baseline(paths, "v1", f"../{version}x")


def test_a_damaged_baseline_compares_nothing(paths: Paths) -> None:
    """A baseline that cannot be read is an error, never no baseline."""
    promote(paths, report(1), "v1")
    (paths.reports / "baselines/v1/breathe.json").write_text("{}")
    with pytest.raises(StorageError, match="is damaged"):
        read_baseline(paths, "v1", "breathe")
