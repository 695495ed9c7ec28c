"""The shipped workflow of a release behaves on a real server as it is drawn: every branch, worked through by hand."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from k1nb.conductor import Conductor, Definitions, apply_definitions, load, plan_definitions
from k1nb.conductor._definitions import walk
from k1nb.timings import Timings
from tests.conductor.builders import a_use, renamed, unique
from tests.conductor.hand import Answer, Hand, forget
from tests.conductor.test_shipped import NEW, SHA, done, failed, final

WORKFLOW = "multi-stage-deployment"
WEB = "c" * 64
GIVEN = {
    "release_version": "1.0.0",
    "firmware_commit_sha": SHA,
    "webapp_commit_sha": SHA,
    "test_device": "bench",
    "prod_device_ip": "wall",
}
DEPLOYED = done(deployment_status="success", outcome="no_op", grade="HEALTHY", evidence=["already so"])
SAID_NO: Answer = final()
Answers = Mapping[str, Answer | Sequence[Answer]]
GOOD: Answers = {
    "validate_commit": done(artifact_id=NEW, commit_sha=SHA),
    "check_release": done(
        release_version="1.0.0", test_device="mt", test_name="bench", prod_device="mp", prod_name="wall"
    ),
    "build_webapp": done(artifact_id=WEB, artifact_url="file:///w", commit_sha=SHA),
    "deploy_webapp_staging": done(deployed=True, url="http://s/", release="1.0.0-s", previous=None),
    "preflight_device": DEPLOYED,
    "run_integration_tests": done(passed=True, report=[{"status": "OK"}]),
    "watch_approval": done(schedule="s", limit_seconds=3600),
    "announce_approval": done(sent=True),
    "manual_approval_gate": done(approved=True, by="somebody", why="it is good"),
    "deploy_webapp_prod": done(deployed=True, url="http://p/", release="1.0.0-p", previous="0.9.0-p"),
    "run_smoke_tests": done(passed=True, report=[{"status": "OK"}]),
    "final_status": done(status="success", reasons=[]),
    "announce_success": done(sent=True),
    "deployment_cancelled": done(status="cancelled", reasons=["manual approval rejected"]),
    "announce_cancelled": done(sent=True),
    "rollback_webapp": done(release="0.9.0-p", rolled_back=True),
    "announce_failure": done(sent=True),
}
BAD_END: Answers = {"final_status": done(status="failed", reasons=["why"])}
MUTE: Answers = dict.fromkeys(("announce_approval", "announce_success"), SAID_NO)
CASES: Mapping[str, Answers] = {
    "approved": {},
    "approved in words, nobody is told": {"manual_approval_gate": done(approved="true"), **MUTE},
    "wrong devices": {"check_release": SAID_NO},
    "firmware does not build": {"validate_commit": SAID_NO},
    "web app does not build": {"build_webapp": SAID_NO},
    "staging fails": {"deploy_webapp_staging": [failed(), SAID_NO]},
    "test device fails": {"preflight_device": SAID_NO},
    "tests fail": {"run_integration_tests": [failed(passed=False), SAID_NO]},
    "nobody would watch": {"watch_approval": SAID_NO},
    "rejected": {"manual_approval_gate": done(approved=False, by="somebody", why="not today")},
    "nearly approved": {"manual_approval_gate": done(approved="True")},
    "production page fails": {**BAD_END, "deploy_webapp_prod": SAID_NO},
    "production device fails": {**BAD_END, "preflight_device": [DEPLOYED, SAID_NO]},
    "smoke tests fail": {**BAD_END, "run_smoke_tests": final(passed=False)},
    "nothing can be taken back": {**BAD_END, "run_smoke_tests": SAID_NO, "rollback_webapp": SAID_NO},
    "no status": {"final_status": done()},
}
Ended = Mapping[str, dict[str, Any]]


@pytest.fixture(scope="module")
def ended(conductor_url: str) -> Iterator[Ended]:
    """Run every case at once, on copies of the shipped definitions that retry at once, and return how each ended."""
    suffix = unique("by")
    definitions = renamed(_with_short_parts(load().with_delays(0)), suffix)
    with Conductor(conductor_url, Timings()) as conductor:
        apply_definitions(conductor, definitions, plan_definitions(definitions, [], []))

    def run(changes: Answers) -> dict[str, Any]:
        hand = Hand(conductor_url)
        try:
            execution = hand.finish(hand.start(f"{WORKFLOW}-{suffix}", GIVEN), {**GOOD, **changes})
            return execution if execution["status"] == "COMPLETED" else _with_handler(hand, execution["workflowId"])
        finally:
            hand.close()

    with ThreadPoolExecutor(3) as pool:
        found = dict(zip(CASES, pool.map(run, CASES.values()), strict=True))
    yield found
    forget(conductor_url, definitions)


def _with_short_parts(definitions: Definitions) -> Definitions:
    """Let the parts, which have tests of their own, be one task each whose output is theirs."""
    parts = {"firmware-build": "validate_commit", "device-deployment": "preflight_device"}
    workflows = dict(definitions.workflows)
    for name, task in parts.items():
        drawn = workflows[(name, 1)]
        given = {key: f"${{{task}.output.{key}}}" for key in drawn["outputParameters"]}
        workflows[(name, 1)] = {**drawn, "tasks": [a_use(task)], "outputParameters": given}
    return Definitions(definitions.tasks, workflows)


def _with_handler(hand: Hand, execution_id: str) -> dict[str, Any]:
    """Return a failed execution once its handler was started, which comes a moment after its end."""
    deadline = time.monotonic() + 30
    while "conductor.failure_workflow" not in (execution := hand.look(execution_id))["output"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return execution


def ran(execution: Mapping[str, Any]) -> list[str]:
    """Return the tasks that an execution came to."""
    return [task["referenceTaskName"] for task in execution["tasks"]]


def output(execution: Mapping[str, Any], *names: str) -> list[Any]:
    """Return some of an execution's outputs."""
    return [execution["output"].get(name) for name in names]


@pytest.mark.parametrize("case", ["approved", "approved in words, nobody is told"])
def test_an_approved_release_is_completed(ended: Ended, case: str) -> None:
    """True and the text `true` approve; production gets both parts, and what nobody could be told ends nothing."""
    execution = ended[case]
    assert execution["status"] == "COMPLETED", execution["reasonForIncompletion"]
    facts = ["success", "1.0.0", NEW, WEB, "1.0.0-p", "http://p/"]
    names = ("deployment_status", "release_version", "artifact_id", "webapp_artifact", "webapp_release", "webapp_url")
    assert output(execution, *names) == facts
    assert ran(execution)[-1] == "announce_success"
    assert "rollback_webapp" not in ran(execution)


@pytest.mark.parametrize(
    ("case", "last"),
    [
        ("wrong devices", "check_release"),
        ("firmware does not build", "join_builds"),
        ("web app does not build", "join_builds"),
        ("staging fails", "deploy_webapp_staging"),
        ("test device fails", "deploy_firmware_test_device"),
        ("tests fail", "run_integration_tests"),
        ("nobody would watch", "watch_approval"),
    ],
)
def test_what_fails_before_the_gate_never_reaches_it(ended: Ended, case: str, last: str) -> None:
    """Each step before the approval ends the release as FAILED, with nobody asked."""
    execution = ended[case]
    assert execution["status"] == "FAILED"
    assert ran(execution)[-1] == last
    assert "manual_approval_gate" not in ran(execution)
    assert output(execution, "deployment_status") == [None]


@pytest.mark.parametrize("case", ["rejected", "nearly approved"])
def test_whatever_is_no_yes_cancels(ended: Ended, case: str) -> None:
    """Only true and `true` approve; anything else ends the release as cancelled, with production untouched."""
    execution = ended[case]
    assert execution["status"] == "COMPLETED"
    assert output(execution, "deployment_status", "reasons") == ["cancelled", ["manual approval rejected"]]
    assert ran(execution)[-3:] == ["deployment_cancelled", "announce_cancelled", "end_cancelled"]
    assert not {"deploy_webapp_prod", "deploy_firmware_prod_device", "final_status"} & set(ran(execution))


@pytest.mark.parametrize(
    ("case", "begun", "not_begun"),
    [
        ("production page fails", set(), {"deploy_firmware_prod_device", "run_smoke_tests"}),
        ("production device fails", {"deploy_firmware_prod_device"}, {"run_smoke_tests"}),
        ("smoke tests fail", {"deploy_firmware_prod_device", "run_smoke_tests"}, set()),
        ("nothing can be taken back", {"run_smoke_tests"}, set()),
        ("no status", {"run_smoke_tests"}, set()),
    ],
)
def test_what_fails_in_production_is_taken_back(ended: Ended, case: str, begun: set[str], not_begun: set[str]) -> None:
    """After the approval every failure, and a status that is none, puts the web app back and ends FAILED."""
    execution = ended[case]
    assert execution["status"] == "FAILED"
    names = set(ran(execution))
    assert begun <= names
    assert not not_begun & names
    assert ran(execution)[-3:] == ["rollback_webapp", "announce_failure", "fail_release"]
    back = [None, None] if case == "nothing can be taken back" else ["0.9.0-p", True]
    assert output(execution, "webapp_release", "webapp_rolled_back") == back


def test_the_gate_names_what_it_allows(ended: Ended) -> None:
    """What is approved stands in the gate's own input: device, artifact, web app, commits and test report."""
    gate = next(t for t in ended["approved"]["tasks"] if t["referenceTaskName"] == "manual_approval_gate")
    wanted = {"wait_seconds": 3600, "release_version": "1.0.0", "device": "wall", "device_mac": "mp"}
    facts = {"artifact_id": NEW, "firmware_commit": SHA, "webapp_artifact": WEB, "webapp_commit": SHA}
    assert gate["inputData"] == {**wanted, **facts, "tests": [{"status": "OK"}]}


def test_only_the_approved_part_may_flash_production(ended: Ended) -> None:
    """The deployment to the test device may flash no production device, the one behind the gate may."""
    uses = {u["taskReferenceName"]: u["inputParameters"] for u in walk(load().workflows[(WORKFLOW, 1)]["tasks"])
            if u["type"] == "SUB_WORKFLOW"}  # fmt: skip
    allowed = {name: given.get("allow_production") for name, given in uses.items()}
    assert allowed == {
        "build_firmware": None,
        "deploy_firmware_test_device": False,
        "deploy_firmware_prod_device": True,
    }
    assert ran(ended["approved"]).index("manual_approval_gate") < ran(ended["approved"]).index("deploy_webapp_prod")
