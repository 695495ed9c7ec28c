"""The workflows of pattern tests and audio files behave as they are drawn: every branch, worked through by hand.

Their sub-workflows have tests of their own; here each is a stand-in of one task, for it only matters how it ends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from k1nb.conductor import Conductor, Definitions, apply_definitions, load, plan_definitions
from k1nb.timings import Timings
from tests.conductor.builders import a_use, a_workflow, renamed, unique
from tests.conductor.hand import Answer, Hand
from tests.conductor.test_shipped import NEW, SHA, Answers, done, final

METRICS = {"fps": 118.0, "avg_render_time_ms": 5.0}
COMPARED: dict[str, Any] = {"passed": True, "regression_detected": None, "reasons": []}
WORSE: Answers = {"compare_performance": done(passed=False, regression_detected=True, reasons=["slower"])}
PATTERN: Answers = {
    "store_artifact": done(artifact_id=NEW),
    "record_deployment": done(deployment_status="success", device="demo"),
    "snapshot_device": done(snapshot_id="s1"),
    "restore_device": done(restored=True, differences=[]),
    "generate_pattern_code": done(
        commit_sha=SHA, branch="pattern-test", source_code="void draw() {}", source_path="src/p.cpp", static=False
    ),
    "run_pattern_validation": done(visual_check_passed=True, frames=9, samples=[]),
    "capture_performance_metrics": done(metrics=METRICS, measured=True),
    "compare_performance": done(**COMPARED),
    "generate_report": done(report_url="file:///r.json", report_id="r"),
}
AUDIO: Answers = {
    "download_audio_file": done(local_path="/a/x.audio", file_size_bytes=5, sha256="s"),
    "validate_audio_format": done(valid=True, format="WAV", sample_rate=44100, channels=1, duration_seconds=2.0),
    "extract_tempo": done(bpm=120.0, confidence=0.9),
    "extract_frequency_spectrum": done(bins=[0.1, 0.2], dominant_frequency_hz=440.0),
    "extract_envelope": done(envelope=[0.5], peak_amplitude=0.5),
    "generate_pattern_parameters": done(speed_multiplier=0.7, color_palette=4, reactivity_threshold=0.2),
    "export_features": done(url="file:///f.json"),
}
WORKFLOWS = {"pattern-generation-testing", "audio-processing-pipeline"}
PARTS = {"firmware-build": ("store_artifact", "artifact_id"), "device-deployment": ("record_deployment", "device")}
"""The sub-workflows, each with the task that stands for it and an output that it has beside deployment_status."""
Finish = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def suffix(conductor_url: str) -> str:
    """Register copies of the two workflows that retry at once, and their parts; return what their names end with."""
    suffix = unique("by")
    every = load()
    named = {key: workflow for key, workflow in every.workflows.items() if key[0] in WORKFLOWS}
    for name, (task, key) in PARTS.items():
        outputs = {word: f"${{{task}.output.{word}}}" for word in (key, "deployment_status")}
        named[name, 1] = a_workflow(a_use(task), name=name, version=1, outputParameters=outputs)
    definitions = renamed(Definitions(every.tasks, named).with_delays(0), suffix)
    with Conductor(conductor_url, Timings()) as conductor:
        apply_definitions(conductor, definitions, plan_definitions(definitions, [], []))
    return suffix


@pytest.fixture
def finish(hand: Hand, suffix: str) -> Finish:
    """Return a function that runs a workflow to its end, given how the workers answer."""

    def run(name: str, given: Mapping[str, Any], answers: Mapping[str, Answer]) -> dict[str, Any]:
        return hand.finish(hand.start(f"{name}-{suffix}", given), answers)

    return run


def tasks_of(execution: Mapping[str, Any]) -> dict[str, Any]:
    """Return an execution's tasks by reference; the last attempt of each."""
    return {task["referenceTaskName"]: task for task in execution["tasks"]}


def test_a_pattern_is_built_deployed_and_reported(finish: Finish, hand: Hand) -> None:
    """The generated commit is built on its branch, sent to a device that is no production one, and all is reported."""
    execution = finish("pattern-generation-testing", {"pattern_name": "breathe", "device": "demo"}, PATTERN)
    assert execution["status"] == "COMPLETED", execution.get("reasonForIncompletion")
    tasks, output = tasks_of(execution), execution["output"]
    assert (output["validation_passed"], output["report_url"], output["artifact_id"]) == (True, "file:///r.json", NEW)
    build = hand.look(tasks["compile_pattern_firmware"]["subWorkflowId"])["input"]
    assert (build["branch"], build["commit_sha"], build["environment"]) == ("pattern-test", SHA, "esp32-s3-devkitc-1")
    deployment = hand.look(tasks["deploy_pattern_firmware"]["subWorkflowId"])["input"]
    assert (deployment["artifact_id"], deployment["allow_production"], deployment["device"]) == (NEW, False, "demo")
    limits = {"min_fps": 30, "max_render_time_ms": 20, "max_audio_latency_ms": 50}
    compared = tasks["compare_performance"]["inputData"]
    assert compared["thresholds"] == limits
    assert compared["tolerance"] == {"fps_drop_percent": 5, "render_growth_percent": 10}
    told = tasks["generate_report"]["inputData"]
    assert (told["metrics"], told["commit_sha"], told["source_path"]) == (METRICS, SHA, "src/p.cpp")


@pytest.mark.parametrize(
    ("given", "answers", "status", "reason"),
    [
        ({}, {"run_pattern_validation": done(visual_check_passed=False), **WORSE}, "COMPLETED", None),
        ({"fail_on_regression": True}, WORSE, "FAILED", "the pattern did not pass"),
    ],
    ids=["black", "regression that fails"],
)
def test_a_bad_result_is_a_result(
    finish: Finish, given: dict[str, Any], answers: Answers, status: str, reason: str | None
) -> None:
    """A pattern that does not pass is reported all the same; only fail_on_regression makes it a failure."""
    execution = finish("pattern-generation-testing", {"pattern_name": "breathe", **given}, {**PATTERN, **answers})
    assert execution["status"] == status, execution.get("reasonForIncompletion")
    assert (execution.get("reasonForIncompletion") or "").startswith(reason or "")
    assert execution["output"]["report_url"] == "file:///r.json"
    assert execution["output"]["validation_passed"] is (answers.get("compare_performance") is None)
    seen = tasks_of(execution)["compare_performance"]["inputData"]["visual_check_passed"]
    assert seen is ("run_pattern_validation" not in answers)


@pytest.mark.parametrize(
    ("answers", "last", "reason"),
    [
        (
            {"run_pattern_validation": final()},
            "fail_not_watched",
            "the pattern could not be watched: as the test says",
        ),
        (
            {"capture_performance_metrics": final(), "restore_device": final(differences=["x"])},
            "fail_not_measured",
            "the pattern could not be measured: as the test says",
        ),
    ],
    ids=["not watched", "neither measured nor restored"],
)
def test_the_look_is_put_back_also_on_failure(finish: Finish, answers: Answers, last: str, reason: str) -> None:
    """What goes wrong at the device fails the test by its own reason, and only after the look was put back."""
    execution = finish("pattern-generation-testing", {"pattern_name": "breathe"}, {**PATTERN, **answers})
    ran = [task["referenceTaskName"] for task in execution["tasks"]]
    assert execution["status"] == "FAILED"
    assert execution["reasonForIncompletion"].startswith(reason)
    assert ran[-1] == last
    assert ran.index("restore_device") < ran.index("decision_watched")
    assert tasks_of(execution)["restore_device"]["inputData"]["snapshot_id"] == "s1"
    assert "generate_report" not in ran
    assert execution["output"]["validation_passed"] is False
    assert execution["output"]["deployment_status"] == "success"
    assert ("capture_performance_metrics" in ran) is ("run_pattern_validation" not in answers)


@pytest.mark.parametrize(
    ("answers", "ended_by"),
    [
        ({"generate_pattern_code": final()}, "generate_pattern_code"),
        ({"store_artifact": final()}, "compile_pattern_firmware"),
        ({"record_deployment": final()}, "deploy_pattern_firmware"),
        ({"snapshot_device": final()}, "snapshot_device"),
        ({"generate_report": final()}, "generate_report"),
    ],
    ids=["no code", "not built", "bad device", "no snapshot", "not reported"],
)
def test_a_broken_part_fails_the_test(finish: Finish, answers: Answers, ended_by: str) -> None:
    """A part that fails for good ends the workflow FAILED at that place; nothing is called a pass."""
    execution = finish("pattern-generation-testing", {"pattern_name": "breathe"}, {**PATTERN, **answers})
    assert execution["status"] == "FAILED"
    assert execution["tasks"][-1]["referenceTaskName"] == ended_by
    assert execution["output"]["report_url"] is None


def test_audio_features_are_exported_whole(finish: Finish) -> None:
    """Three branches extract beside each other; parameters, tempo, bins and envelope reach the export."""
    execution = finish("audio-processing-pipeline", {"audio_file_url": "http://a/x", "output_format": None}, AUDIO)
    assert execution["status"] == "COMPLETED", execution.get("reasonForIncompletion")
    tasks = tasks_of(execution)
    assert execution["output"]["features_url"] == "file:///f.json"
    assert tasks["validate_audio_format"]["inputData"]["expected_sample_rate"] is None
    assert tasks["generate_pattern_parameters"]["inputData"] == {
        "tempo": 120.0,
        "frequency_bins": [0.1, 0.2],
        "envelope": [0.5],
    }
    given = tasks["export_features"]["inputData"]
    assert given["format"] == "json"
    assert set(given["features"]) == {"parameters", "tempo", "spectrum", "envelope", "audio"}
    assert (given["features"]["tempo"]["bpm"], given["features"]["audio"]["sha256"]) == (120.0, "s")


@pytest.mark.parametrize("broken", ["validate_audio_format", *(name for name in AUDIO if name.startswith("extract"))])
def test_a_broken_step_fails_the_audio_pipeline(finish: Finish, broken: str) -> None:
    """Whichever step fails for good, the workflow ends FAILED with that step's reason, and nothing was exported."""
    execution = finish("audio-processing-pipeline", {"audio_file_url": "http://a/x"}, {**AUDIO, broken: final()})
    assert execution["status"] == "FAILED"
    assert "as the test says" in execution["reasonForIncompletion"]
    assert execution["output"]["features_url"] is None
