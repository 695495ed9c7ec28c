"""A pattern's whole way on real parts: generated, built, flashed, watched, measured, compared, reported."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from k1nb import patterns
from k1nb._http import run
from k1nb.conductor import Conductor, Execution, ExecutionStatus
from k1nb.config import Settings
from k1nb.device import DeviceClient, Inventory
from k1nb.errors import DeviceRefused
from k1nb.firmware import SAMPLE_PROJECT, ensure_sample_repository
from tests.conftest import BENCH

WORKFLOW = "pattern-generation-testing"
GIVEN: dict[str, Any] = {
    "pattern_name": "breathe",
    "pattern_params": {"speed": 4.0, "brightness": 0.8},
    "baseline_version": "v1.0.0",
    "repo": SAMPLE_PROJECT,
    "device": BENCH,
    "duration_seconds": 1,
}


def git(settings: Settings, *arguments: str) -> str:
    """Ask git about the sample repository."""
    command = ["git", "-C", str(ensure_sample_repository(settings.paths).path), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def finish(settings: Settings, **changes: Any) -> Execution:
    """Run the workflow to its end."""
    with Conductor.from_settings(settings) as server:
        *_, execution = server.follow(server.start(WORKFLOW, GIVEN | changes), timings=settings.timings)
        return execution


async def look(settings: Settings) -> tuple[str, float]:
    """Return the pattern that the device shows, and its speed."""
    async with DeviceClient(Inventory(settings.paths).get(BENCH), settings.paths, settings.timings) as client:
        return (await client.current_pattern()).id, float((await client.params())["speed"])


async def dress(settings: Settings) -> None:
    """Give the device a look of its own."""
    async with DeviceClient(Inventory(settings.paths).get(BENCH), settings.paths, settings.timings) as client:
        await client.select("lava")
        await client.set_params({"speed": 0.75})


async def ids(settings: Settings) -> list[str]:
    """Return the patterns that the device has."""
    async with DeviceClient(Inventory(settings.paths).get(BENCH), settings.paths, settings.timings) as client:
        return [pattern.id for pattern in (await client.patterns()).patterns]


@pytest.fixture(scope="module")
def tested(line: Settings) -> tuple[Execution, str]:
    """Test a pattern on the simulated device; return the execution and what git said of the checkout before."""
    ensure_sample_repository(line.paths)
    before = git(line, "status", "--porcelain", "--branch") + git(line, "rev-parse", "main")
    run(dress, line)
    return finish(line), before


def test_a_pattern_is_tested_whole(line: Settings, tested: tuple[Execution, str]) -> None:
    """The workflow completes; the pattern runs on the device from the image's bytes, lit, changing and fast enough."""
    execution, _ = tested
    assert execution.status is ExecutionStatus.COMPLETED, execution.reason
    output = execution.output
    assert (output["validation_passed"], output["visual_check_passed"], output["reasons"]) == (True, True, [])
    assert (output["deployment_status"], output["device"]) == ("success", BENCH)
    assert output["metrics"]["fps"] == pytest.approx(118.4, rel=0.01)
    assert output["metrics"]["free_heap_bytes"] == 148 * 1024
    assert output["regression_detected"] is None  # there is no baseline yet
    assert "breathe" in run(ids, line)


def test_the_look_is_put_back(line: Settings, tested: tuple[Execution, str]) -> None:
    """After the test the device shows what it showed before it, under the new firmware."""
    assert (tested[0].output["restored"], tested[0].output["differences"]) == (True, [])
    assert run(look, line) == ("lava", 0.75)


def test_the_report_has_it_all(line: Settings, tested: tuple[Execution, str]) -> None:
    """JSON, CSV and figure lie under the artifact root, with source, artifact and frames of the lights."""
    output = tested[0].output
    file = Path(urlsplit(output["report_url"]).path)
    assert file.parent == line.paths.reports
    report = patterns.read_report(line.paths, output["report_id"])
    assert json.loads(file.read_text())["execution_id"] == tested[0].id
    assert (report.artifact_id, report.commit_sha) == (output["artifact_id"], output["commit_sha"])
    assert report.source_path == "firmware/src/pattern_breathe.cpp"
    assert report.source_code == git(line, "show", f"{output['commit_sha']}:{report.source_path}")
    assert len(report.lights.samples) >= 4
    assert {len(frame.lights) for frame in report.lights.samples} == {160}
    assert "breathe,fps,118" in file.with_suffix(".csv").read_text()
    assert "breathe passed" in file.with_suffix(".svg").read_text()


def test_no_checkout_was_touched(line: Settings, tested: tuple[Execution, str]) -> None:
    """The commit is on pattern-test, on top of main; working tree, index and main are as they were."""
    assert git(line, "status", "--porcelain", "--branch") + git(line, "rev-parse", "main") == tested[1]
    commit = tested[0].output["commit_sha"]
    assert git(line, "rev-parse", patterns.BRANCH).strip() == commit
    changed = git(line, "diff", "--name-only", f"main...{commit}").split()
    assert changed == ["firmware/include/patterns.def", "firmware/src/pattern_breathe.cpp"]


def test_the_same_pattern_again_is_the_same_artifact(line: Settings, tested: tuple[Execution, str]) -> None:
    """A second test commits and flashes nothing; against a promoted baseline it is no regression."""
    first = tested[0].output
    patterns.promote(line.paths, patterns.read_report(line.paths, first["report_id"]), "v1.0.0")
    execution = finish(line, pattern_params='{"speed": 4.0, "brightness": 0.8}', fail_on_regression=True)
    assert execution.status is ExecutionStatus.COMPLETED, execution.reason
    output = execution.output
    assert (output["commit_sha"], output["artifact_id"]) == (first["commit_sha"], first["artifact_id"])
    assert (output["validation_passed"], output["regression_detected"]) == (True, False)
    assert output["report_id"] != first["report_id"]
    assert run(look, line) == ("lava", 0.75)


def test_an_absent_pattern_is_not_to_be_selected(line: Settings, tested: tuple[Execution, str]) -> None:  # noqa: ARG001 - comes first
    """A pattern that no image brought is a 404, as on a real device."""

    async def select() -> None:
        async with DeviceClient(Inventory(line.paths).get(BENCH), line.paths, line.timings) as client:
            await client.select("never_generated")

    with pytest.raises(DeviceRefused) as refused:
        run(select)
    assert refused.value.status == 404
