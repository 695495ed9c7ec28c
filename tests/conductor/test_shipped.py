"""The shipped workflows behave on a real server as they are drawn: every branch, worked through by hand."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from k1nb.conductor import Conductor, apply_definitions, load, plan_definitions
from k1nb.timings import Timings
from tests.conductor.builders import renamed, unique
from tests.conductor.hand import Answer, Hand

Answers = dict[str, Answer]
SHA = "a" * 40
NEW, OLD = "f" * 64, "e" * 64


def done(**output: Any) -> Answer:
    """Return the answer of a worker that did its duty."""
    return ("COMPLETED", output)


def failed(**output: Any) -> Answer:
    """Return the answer of a worker that may be asked again."""
    return ("FAILED", output)


def final(**output: Any) -> Answer:
    """Return the answer of a worker that need not be asked again."""
    return ("FAILED_WITH_TERMINAL_ERROR", output)


BUILD: Answers = {
    "validate_commit": done(valid=True, commit_sha=SHA),
    "clean_build_env": done(cleaned=True, build_dir="k1-build-x"),
    "platformio_compile": done(success=True, firmware_bin_path="/b/f.bin", build_log_path="/l", build_seconds=3.5),
    "extract_build_metrics": done(flash_usage_percent=60.5, ram_usage_percent=40.0, warning_count=0),
    "validate_build": done(success=True, failure_reasons=[]),
    "store_artifact": done(artifact_url="file:///a", artifact_id=NEW),
    "cleanup_build_artifacts": done(cleaned=True),
    "send_build_failure_notification": done(sent=True),
}
HANDLER: Answers = {
    "extract_failure_context": done(workflow_id="w", build_dir="k1-build-x", failed_task="t", reason="why"),
    "cleanup_build_artifacts": done(cleaned=True),
    "send_failure_notification": done(sent=True, channel="file"),
    "log_failure_metrics": done(logged=True),
}
ROLLBACK: Answers = {
    "fetch_last_good_version": done(device="demo", artifact_id=OLD, version="v1", needed="flash"),
    "rollback_firmware": done(deployment_status="success", accepted_at="2026-03-01T12:00:00Z"),
    "verify_rollback": done(status="healthy", grade="HEALTHY", evidence=["back"]),
    "restore_device": done(restored=True, differences=[]),
    "send_rollback_notification": done(sent=True),
    "send_unneeded_rollback_notification": done(sent=True),
    "send_no_rollback_notification": done(sent=True),
}
DEPLOYMENT: Answers = {
    **ROLLBACK,
    "preflight_device": done(decision="deploy", device="demo", mac="m", previous_artifact=OLD, evidence=["fits"]),
    "snapshot_device": done(snapshot_id="s1", readings={"fps": 120}),
    "deploy_firmware_ota": done(deployment_status="success", grade="ACCEPTED", accepted_at="2026-03-01T12:00:00Z"),
    "device_health_check": done(status="healthy", grade="IDENTIFIED", evidence=["shows it"]),
    "restore_device": done(restored=True, differences=[]),
    "record_deployment": done(outcome="succeeded", grade="IDENTIFIED", deployment_status="success", evidence=["ok"]),
    "record_failed": done(outcome="rolled_back", grade="REBOOTED", deployment_status="failed", evidence=["bad"]),
    "record_no_op": done(outcome="no_op", grade="HEALTHY", deployment_status="success", evidence=["already so"]),
    "record_needs_usb": done(outcome="needs_usb", grade="NONE", deployment_status="failed", evidence=["no OTA"]),
}
NO_LAST_GOOD: Answers = {"fetch_last_good_version": final()}
GATE: Answers = {"validate_build": done(success=False, failure_reasons=["flash 71.0 % > 70 %"])}
BAD: Answers = {"device_health_check": done(status="unhealthy", grade="REBOOTED", evidence=["no heap"])}

Finish = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def suffix(conductor_url: str) -> str:
    """Register copies of the shipped definitions that retry at once, and return what their names end with."""
    suffix = unique("by")
    definitions = renamed(load().with_delays(0), suffix)
    with Conductor(conductor_url, Timings()) as conductor:
        apply_definitions(conductor, definitions, plan_definitions(definitions, [], []))
    return suffix


@pytest.fixture
def finish(hand: Hand, suffix: str) -> Finish:
    """Return a function that runs a workflow to its end, given how the workers answer."""

    def run(name: str, given: Mapping[str, Any], answers: Mapping[str, Answer]) -> dict[str, Any]:
        return hand.finish(hand.start(f"{name}-{suffix}", given, "key"), answers)

    return run


def _ran(execution: Mapping[str, Any]) -> list[str]:
    return [task["referenceTaskName"] for task in execution["tasks"]]


def _has(execution: Mapping[str, Any], ending: str, /, **output: Any) -> bool:
    assert execution["status"] == ending, execution.get("reasonForIncompletion")
    assert {name: execution["output"].get(name) for name in output} == output
    return True


def test_ready_gives_its_nonce_back(finish: Finish) -> None:
    """The probe's nonce is the output."""
    assert _has(
        finish("k1nb-ready", {"nonce": "n"}, {"ready_probe": done(nonce="n", worker="w")}), "COMPLETED", nonce="n"
    )


def test_a_good_build_is_stored(finish: Finish) -> None:
    """A build inside its limits is stored and tidied up, with the defaults for what is not given or null."""
    execution = finish("firmware-build", {"commit_sha": SHA, "environment": None}, BUILD)
    facts = {"build_success": True, "artifact_id": NEW, "firmware_path": "file:///a", "commit_sha": SHA}
    assert _has(execution, "COMPLETED", **facts, flash_usage_percent=60.5, warning_count=0, build_log_path="/l")
    assert _ran(execution)[-2:] == ["store_artifact", "cleanup_build_artifacts"]
    given = {"repo": "K1.node1", "branch": "main", "environment": "esp32-s3-devkitc-1", "max_flash_percent": 70}
    assert {name: execution["input"][name] for name in given} == given


def test_a_failed_clean_up_spoils_no_build(finish: Finish) -> None:
    """What cannot be tidied up leaves the build as good as it is."""
    assert _has(
        finish("firmware-build", {"commit_sha": SHA}, BUILD | {"cleanup_build_artifacts": final()}), "COMPLETED"
    )


@pytest.mark.parametrize("gate", [GATE["validate_build"], done()])
def test_the_gate_fails_the_build(finish: Finish, hand: Hand, gate: Answer) -> None:
    """A breach, and a gate that says nothing, end FAILED with the facts; then the failure handler runs by itself."""
    execution = finish("firmware-build", {"commit_sha": SHA}, BUILD | {"validate_build": gate})
    assert _has(execution, "FAILED", build_success=False, commit_sha=SHA, flash_usage_percent=60.5)
    assert _ran(execution)[-2:] == ["send_build_failure_notification", "fail_build"]
    assert "the gate refused the build" in execution["reasonForIncompletion"]
    handler = hand.finish(_handler_of(hand, execution["workflowId"]), HANDLER)
    assert handler["input"]["workflowId"] == execution["workflowId"]
    words = handler["tasks"][0]["inputData"]
    assert (words["workflow_id"], words["failed_workflow_id"]) == (execution["workflowId"], None)
    assert _has(handler, "COMPLETED", cleaned=True, sent=True, build_dir="k1-build-x", reason="why")


def _handler_of(hand: Hand, execution_id: str) -> str:
    deadline = time.monotonic() + 30
    while "conductor.failure_workflow" not in (output := hand.look(execution_id)["output"]):
        assert time.monotonic() < deadline, output
        time.sleep(0.1)
    return str(output["conductor.failure_workflow"])


def test_a_compile_error_is_not_compiled_again(finish: Finish) -> None:
    """A failure for good ends the build at the first attempt; an output that was never written is null."""
    execution = finish(
        "firmware-build", {"commit_sha": SHA}, BUILD | {"platformio_compile": final(build_log_path="/l")}
    )
    assert _has(execution, "FAILED", build_success=None, artifact_id=None, build_log_path="/l")
    assert _ran(execution).count("platformio_compile") == 1


def test_the_handler_may_be_started_by_hand(finish: Finish) -> None:
    """A person's names for the failed execution reach the worker; failing to tidy or tell stops nothing."""
    answers = HANDLER | {"cleanup_build_artifacts": final(), "send_failure_notification": failed()}
    execution = finish("firmware-build-failure-handler", {"failed_workflow_id": "w1", "failure_reason": "why"}, answers)
    assert _has(execution, "COMPLETED", cleaned=None, sent=None, workflow_id="w")
    words = execution["tasks"][0]["inputData"]
    assert words == {"workflow_id": None, "failed_workflow_id": "w1", "reason": None, "failure_reason": "why"}
    assert _ran(execution).count("send_failure_notification") == 3


DEPLOYED = {"device": "demo", "artifact_id": NEW, "previous_artifact": OLD}


@pytest.mark.parametrize(
    ("changes", "status", "output", "last"),
    [
        (
            {},
            "COMPLETED",
            {"outcome": "succeeded", "grade": "IDENTIFIED", "deployment_status": "success", "restored": True},
            "record_deployment",
        ),
        (
            {"preflight_device": done(decision="no_op", device="demo", previous_artifact=OLD)},
            "COMPLETED",
            {"outcome": "no_op", "grade": "HEALTHY", "deployment_status": "success", "evidence": ["already so"]},
            "end_no_op",
        ),
        (
            {"preflight_device": done(decision="needs_usb", device="demo", previous_artifact=OLD)},
            "FAILED",
            {"outcome": "needs_usb", "grade": "NONE", "deployment_status": "failed", "evidence": ["no OTA"]},
            "fail_needs_usb",
        ),
        (
            {"preflight_device": done(decision="dance", device="demo", previous_artifact=OLD)},
            "FAILED",
            {"deployment_status": "failed"},
            "fail_preflight",
        ),
        ({"restore_device": final(differences=["x"])}, "COMPLETED", {"differences": ["x"]}, "record_deployment"),
        (
            BAD,
            "FAILED",
            {"outcome": "rolled_back", "grade": "REBOOTED", "deployment_status": "failed", "evidence": ["bad"]},
            "fail_deployment",
        ),
    ],
    ids=["healthy", "no_op", "needs_usb", "unknown decision", "look not restored", "unhealthy"],
)
def test_a_deployment_ends_as_decided(
    finish: Finish, changes: dict[str, Answer], status: str, output: dict[str, Any], last: str
) -> None:
    """Each decision leads to its own end, whose outputs name outcome, grade, evidence and artifacts."""
    execution = finish("device-deployment", {"device": "demo", "artifact_id": NEW}, {**DEPLOYMENT, **changes})
    assert _has(execution, status, **DEPLOYED, **output)
    assert _ran(execution)[-1] == last


def test_nothing_is_flashed_without_a_decision(finish: Finish) -> None:
    """A refused preflight ends the deployment before anything was sent, at the first attempt."""
    execution = finish("device-deployment", {"device": "demo"}, DEPLOYMENT | {"preflight_device": final()})
    assert _has(execution, "FAILED", deployment_status=None, outcome=None)
    assert _ran(execution) == ["preflight_device"]
    unclear = finish("device-deployment", {"device": "demo"}, DEPLOYMENT | {"preflight_device": done()})
    assert "deploy_firmware_ota" not in _ran(unclear)


@pytest.mark.parametrize(("answer", "attempts"), [(final(deployment_status="failed"), 1), (failed(), 4)])
def test_a_failed_transfer_is_still_judged(finish: Finish, answer: Answer, attempts: int) -> None:
    """A transfer that failed for good, or as often as it may, is followed by health check, rollback and record."""
    health = done(status="not_deployed", grade="NONE", evidence=["never accepted"])
    kept = done(device="demo", artifact_id=OLD, version="v1", needed="none")
    changes = {"deploy_firmware_ota": answer, "device_health_check": health, "fetch_last_good_version": kept}
    execution = finish("device-deployment", {"device": "demo", "artifact_id": NEW}, DEPLOYMENT | changes)
    ran = _ran(execution)
    assert ran.count("deploy_firmware_ota") == attempts
    assert ran[-4:] == ["decision_health", "rollback", "record_failed", "fail_deployment"]
    tasks = {task["referenceTaskName"]: task for task in execution["tasks"]}
    assert tasks["deploy_firmware_ota"]["status"] == "COMPLETED_WITH_ERRORS"
    assert tasks["device_health_check"]["inputData"]["accepted_at"] is None
    assert tasks["record_failed"]["inputData"]["rollback"]["needed"] == "none"


def test_a_failed_rollback_is_recorded(finish: Finish) -> None:
    """A rollback that fails leaves its outputs, null, to the record, and the deployment still ends by its own end."""
    execution = finish("device-deployment", {"device": "demo"}, {**DEPLOYMENT, **BAD, **NO_LAST_GOOD})
    tasks = {task["referenceTaskName"]: task for task in execution["tasks"]}
    assert tasks["rollback"]["status"] == "COMPLETED_WITH_ERRORS"
    assert tasks["record_failed"]["inputData"]["rollback"]["needed"] is None
    assert _has(execution, "FAILED", outcome="rolled_back")  # the answer of the record, which is by hand here


@pytest.mark.parametrize(
    ("changes", "status", "output", "last"),
    [
        ({}, "COMPLETED", {"needed": "flash", "status": "healthy", "artifact_id": OLD}, "restore_device"),
        (
            {"fetch_last_good_version": done(device="demo", artifact_id=OLD, version="v1", needed="none")},
            "COMPLETED",
            {"needed": "none", "status": None, "version": "v1"},
            "decision_unflashed",
        ),
        (NO_LAST_GOOD, "FAILED", {"needed": None, "status": None}, "fail_no_last_good"),
        ({"verify_rollback": done(status="offline")}, "FAILED", {"status": "offline"}, "fail_rollback"),
        ({"rollback_firmware": final(), "verify_rollback": done(status="not_deployed")}, "FAILED", {}, "fail_rollback"),
        ({"verify_rollback": failed()}, "FAILED", {"status": None}, "fail_rollback"),
    ],
    ids=["flashed", "not needed", "no last good", "offline after it", "flash failed", "not verified"],
)
def test_a_rollback_completes_only_when_proven(
    finish: Finish, changes: dict[str, Answer], status: str, output: dict[str, Any], last: str
) -> None:
    """A rollback is COMPLETED if the device is proven healthy or never left its image; people are told in any case."""
    execution = finish("deployment-rollback-handler", {"device": "demo"}, {**ROLLBACK, **changes})
    assert _has(execution, status, **output)
    assert _ran(execution)[-1] == last
    assert any(name.endswith("rollback_notification") for name in _ran(execution))


def test_no_last_good_says_why(finish: Finish) -> None:
    """The reason of the worker that found no last good version is the execution's own, and people are told."""
    execution = finish("deployment-rollback-handler", {"device": "demo"}, {**ROLLBACK, **NO_LAST_GOOD})
    assert execution["reasonForIncompletion"] == "nothing to roll back to: as the test says"
    told = next(t for t in execution["tasks"] if t["referenceTaskName"] == "send_no_rollback_notification")
    assert told["inputData"]["message"] == "Not rolled back: as the test says"


PIPELINE: Answers = {**BUILD, **DEPLOYMENT}


@pytest.mark.parametrize(
    ("given", "changes", "status", "output"),
    [
        ({}, {}, "COMPLETED", {"build_success": True, "deployment_status": "success", "grade": "IDENTIFIED"}),
        ({"deploy": False}, {}, "COMPLETED", {"artifact_id": NEW, "deployment_status": None, "outcome": None}),
        ({"deploy": "perhaps"}, {}, "COMPLETED", {"artifact_id": NEW, "deployment_status": None}),
        ({}, GATE, "FAILED", {"build_success": False, "artifact_id": None, "deployment_status": None}),
        ({}, BAD, "FAILED", {"build_success": True, "deployment_status": "failed", "outcome": "rolled_back"}),
    ],
    ids=["deployed", "build only", "unclear", "build fails", "device fails"],
)
def test_the_pipeline_ends_as_its_parts_do(
    finish: Finish, given: dict[str, Any], changes: dict[str, Answer], status: str, output: dict[str, Any]
) -> None:
    """Build and deployment are one execution with both parts' outputs; it fails where a part fails."""
    execution = finish(
        "firmware-ci-cd-pipeline", {"commit_sha": SHA, "device": "demo", **given}, {**PIPELINE, **changes}
    )
    assert _has(execution, status, **output)


RAN = {
    "run": "r1",
    "began_at": "2026-07-10T06:00:02+00:00",
    "tally": "1 FAIL, 3 OK",
    "folder": "/records/r1",
    "head_number": 7,
    "head_sha256": "d" * 64,
}
NOT_PASSED = done(verdict="FAIL", passes=False, reason="why", details=["FAIL x: y (hint: z)", "record 7"], **RAN)


@pytest.mark.parametrize(
    ("answer", "status", "output", "told"),
    [
        (done(verdict="OK", passes=True, **RAN), "COMPLETED", {"verdict": "OK", "passes": True, **RAN}, None),
        (NOT_PASSED, "FAILED", {"verdict": "FAIL", "passes": False, "reason": "why", **RAN}, "announce_not_passed"),
        (done(), "FAILED", {"passes": False, "run": None}, "announce_not_run"),
        (final(), "FAILED", {"passes": False, "run": None}, "announce_not_run"),
    ],
    ids=["passes", "does not pass", "says nothing", "cannot be run"],
)
def test_a_runbook_completes_only_when_it_passes(
    finish: Finish, answer: Answer, status: str, output: dict[str, Any], told: str | None
) -> None:
    """What is no pass is told, with what the run found, and ends FAILED; a notification that fails stops nothing."""
    answers = {"run_runbook": answer, "announce_not_passed": done(sent=True), "announce_not_run": final()}
    execution = finish("runbook", {"notebook": "daily_health"}, answers)
    assert _has(execution, status, **output)
    tasks = {task["referenceTaskName"]: task for task in execution["tasks"]}
    assert tasks["run_runbook"]["inputData"] == {"notebook": "daily_health", "parameters": {}, "strict": False}
    assert [name for name in tasks if name.startswith("announce")] == ([told] if told else [])
    if told == "announce_not_passed":
        words = tasks[told]["inputData"]
        assert words["message"] == "Runbook daily_health: FAIL, 1 FAIL, 3 OK"
        assert words["details"] == ["FAIL x: y (hint: z)", "record 7"]
        assert execution["reasonForIncompletion"] == "daily_health does not pass: why"


def test_parts_inherit_the_key(finish: Finish, hand: Hand) -> None:
    """The deployment inside a pipeline gets the built artifact, the reason, and the pipeline's natural key."""
    execution = finish("firmware-ci-cd-pipeline", {"commit_sha": SHA, "device": "demo"}, PIPELINE)
    part = next(task for task in execution["tasks"] if task["referenceTaskName"] == "deployment")
    deployment = hand.look(part["subWorkflowId"])
    assert deployment["correlationId"] == "key"
    given = {"artifact_id": NEW, "reason": f"ci {SHA}", "allow_production": False, "restore_look": True}
    assert {name: deployment["input"][name] for name in given} == given
