"""A release: firmware and web app from two commits to production, approved by a person, on real parts."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from k1nb._http import run
from k1nb.conductor import Conductor, Execution, ExecutionStatus
from k1nb.config import Settings
from k1nb.delivery import approvals, webapp
from k1nb.device import Device, Fault, Faults, Inventory
from k1nb.errors import ConsentError, UsageError
from k1nb.firmware import SAMPLE_PROJECT, ArtifactStore, Grade, Ledger, commit_change, ensure_sample_repository
from tests.cli.test_app import k1nb
from tests.cli.test_rollback import stored
from tests.conductor.builders import a_use, a_workflow, defined, unique
from tests.conductor.hand import forget
from tests.conftest import BENCH, FreePort
from tests.device import _images
from tests.device.conftest import Running, running

WORKFLOW = "multi-stage-deployment"
PATIENCE = 120.0


@dataclass(frozen=True)
class Wall:
    """The production device, and the commit that is released to it."""

    device: Device
    sha: str
    before: str
    """The web app's release that production served first."""


@pytest.fixture(scope="module")
def wall(line: Settings, free_port: FreePort) -> Iterator[Wall]:
    """Run a production device, and have a web app in production already."""
    repository = ensure_sample_repository(line.paths)
    device = Device(
        "wall", "02:4B:31:00:00:70", "127.0.0.1", free_port(), free_port(), role="production", kind="simulator"
    )
    inventory = Inventory(line.paths)
    inventory.add(device)
    try:
        yield Wall(device, _sha(line), run(_first_page, line, repository.path, device))
    finally:
        inventory.remove(device.name)


def _sha(settings: Settings) -> str:
    """Return the commit that the bench runs already, so that it need not be sent there; without one, a new one."""
    row = Ledger(settings.paths).current(Inventory(settings.paths).get(BENCH).mac)
    if row is not None and row.grade is Grade.IDENTIFIED:
        artifact = ArtifactStore(settings.paths).get(row.artifact_id)
        if artifact.branch == "main":
            return artifact.version
    return commit_change(ensure_sample_repository(settings.paths)).sha


async def _first_page(settings: Settings, repository: Path, device: Device) -> str:
    """Put a web app into production as it was before all releases."""
    stored = webapp.WebAppStore(settings.paths).put(
        repository / "webapp" / "src", version="0" * 40, repo=SAMPLE_PROJECT, branch="main"
    )
    return (await webapp.deploy(settings, "production", stored.id, "0.9.0", device)).release


def start(settings: Settings, wall: Wall, version: str, **words: Any) -> str:
    """Start a release."""
    given = {
        "repo": SAMPLE_PROJECT,
        "release_version": version,
        "firmware_commit_sha": wall.sha,
        "webapp_commit_sha": wall.sha,
        "test_device": BENCH,
        "prod_device": wall.device.name,
        **words,
    }
    with Conductor.from_settings(settings) as server:
        return server.start(WORKFLOW, given)


def at_gate(settings: Settings, execution_id: str) -> dict[str, Any]:
    """Wait until an execution waits for its approval, and return what the command says of it."""
    deadline = time.monotonic() + PATIENCE
    with Conductor.from_settings(settings) as server:
        while not server.execution(execution_id).status.terminal and time.monotonic() < deadline:
            found = [gate for gate in approvals.waiting(settings, server) if gate["execution"] == execution_id]
            if found:
                return found[0]
            time.sleep(0.1)
        execution = server.execution(execution_id)
    raise AssertionError([(task.reference, task.status, task.reason) for task in execution.tasks])


def ended(settings: Settings, execution_id: str) -> Execution:
    """Wait for an execution's end."""
    with Conductor.from_settings(settings) as server:
        return server.wait(execution_id, timings=settings.timings)


def current(settings: Settings, environment: str = "production") -> str | None:
    """Return the web app's release that an environment serves."""
    found = webapp.releases(webapp.target_of(settings, environment))
    return next((release.name for release in found if release.current), None)


def outputs(execution: Execution, reference: str) -> dict[str, Any]:
    """Return a task's output."""
    return next(dict(task.output) for task in execution.tasks if task.reference == reference)


def _tree(settings: Settings, execution: Execution) -> list[Any]:
    """Return what an assertion needs to be understood."""
    with Conductor.from_settings(settings) as server:
        found = [execution, *server.children(execution)]
    return [(one.name, one.reason, [(t.reference, t.status.value, t.reason) for t in one.tasks]) for one in found]


@pytest.fixture(scope="module")
def late(line: Settings) -> Iterator[tuple[str, float]]:
    """Start what nobody will answer, and whose time is over after a second; return its id and when it was started."""
    gate = a_use("gate", type="HUMAN", inputParameters={"wait_seconds": 1, "device": "none"})
    watch = a_use("watch_approval", inputParameters={"workflow_id": "${workflow.workflowId}"})
    answer = {name: f"${{gate.output.{name}}}" for name in ("approved", "by", "why")}
    workflow = a_workflow(watch, gate, name=unique("late-"), outputParameters=answer)
    with Conductor.from_settings(line) as server:
        server.put_workflow_definition(workflow)
        yield server.start(workflow["name"], {}), time.monotonic()
    forget(line.conductor_server_url, defined(workflow))


@pytest.fixture(scope="module")
def begun(line: Settings, wall: Wall, late: tuple[str, float]) -> tuple[str, str]:  # noqa: ARG001 - it waits meanwhile
    """Start a release, and another one once the first has left staging and waits at its gate."""
    first = start(line, wall, "1.0.0")
    at_gate(line, first)
    return first, start(line, wall, "1.0.1")


@pytest.fixture(scope="module")
def failed(line: Settings, wall: Wall, begun: tuple[str, str]) -> Execution:
    """Approve the first release by the command line, for a production device whose OTA service is dead."""
    with running([wall.device], line.paths, line.timings, Faults(ota_dead=Fault())) as simulation:
        execution_id = begun[0]
        shown = json.loads(k1nb(line, "approvals", "approve", execution_id, "--json").stdout)
        assert shown["answered"] is False
        words = ("approvals", "approve", execution_id, "-r", "it is Tuesday", "--apply", shown["plan"]["id"])
        done = k1nb(line, *words)
        assert done.returncode == 0, done.stderr
        execution = ended(line, execution_id)
        assert simulation.state()["flashes_completed"] == 0
        return execution


def test_what_fails_in_production_puts_the_web_app_back(line: Settings, wall: Wall, failed: Execution) -> None:
    """Where the firmware cannot be deployed after the web app was switched, production serves what it did before."""
    assert failed.status is ExecutionStatus.FAILED, failed.reason
    assert outputs(failed, "deploy_webapp_prod")["previous"] == wall.before
    assert outputs(failed, "rollback_webapp") == {
        "release": wall.before,
        "rolled_back": True,
        "evidence": [f"{wall.before} is served again"],
    }
    assert failed.output["deployment_status"] == "failed"
    assert "needs_usb" in failed.output["reasons"][0], _tree(line, failed)
    assert current(line) == wall.before


def test_the_handler_of_a_failed_release_finds_nothing_to_do(line: Settings, failed: Execution) -> None:
    """The failure workflow runs by itself; nothing was accepted by the production device, and nothing is flashed."""
    with Conductor.from_settings(line) as server:
        while "conductor.failure_workflow" not in failed.output:  # which is noted a moment after the end
            time.sleep(0.2)
            failed = server.execution(failed.id)
        handler = server.wait(str(failed.output["conductor.failure_workflow"]), timings=line.timings)
    assert handler.status is ExecutionStatus.COMPLETED, handler.reason
    assert handler.output["needed"] == "none"
    assert "rollback_firmware" not in [task.reference for task in handler.tasks]


@pytest.fixture(scope="module")
def healthy(line: Settings, wall: Wall, failed: Execution) -> Iterator[Running]:  # noqa: ARG001 - comes first
    """Run the production device without a fault."""
    with running([wall.device], line.paths, line.timings) as simulation:
        yield simulation


@pytest.fixture(scope="module")
def released(line: Settings, wall: Wall, healthy: Running, begun: tuple[str, str]) -> Execution:
    """Look at what the second release waits for, and approve it."""
    execution_id = begun[1]
    gate = at_gate(line, execution_id)
    assert (gate["question"]["release_version"], gate["question"]["device"]) == ("1.0.1", wall.device.name)
    assert healthy.state()["flashes_completed"] == 0
    assert current(line) == wall.before
    with Conductor.from_settings(line) as server:
        found = approvals.find_gate(server, execution_id)
        plan = approvals.plan_approval(found)
        with pytest.raises(ConsentError, match="is not the plan"):
            approvals.approve(line, server, found, consent="plan-0123456789ab")
        approvals.approve(line, server, found, consent=plan.id, why="tested")
        with pytest.raises(UsageError, match="waits for no approval"):
            approvals.find_gate(server, execution_id)
    return ended(line, execution_id)


def test_an_approved_release_completes(line: Settings, wall: Wall, released: Execution) -> None:
    """Built, tried on the bench, approved, deployed, tried in production: COMPLETED, with its real outputs."""
    assert released.status is ExecutionStatus.COMPLETED, [(t.reference, t.reason) for t in released.tasks]
    output = released.output
    assert (output["deployment_status"], output["reasons"], output["approved"]) == ("success", [], True)
    assert (output["grade"], output["release_version"]) == ("IDENTIFIED", "1.0.1")
    assert "@" in output["approved_by"]
    row = Ledger(line.paths).current(wall.device.mac)
    assert row is not None
    assert (row.artifact_id, row.reason, row.grade) == (output["artifact_id"], "release 1.0.1", Grade.IDENTIFIED)
    assert any("allowed by manual_approval_gate" in text for text in _preflight(line, released)["evidence"])
    assert current(line) == output["webapp_release"]
    assert [check["status"] for check in outputs(released, "run_smoke_tests")["report"]] == ["OK"] * 5
    history = (line.paths.artifacts / "releases.jsonl").read_text().splitlines()
    assert [json.loads(entry)["status"] for entry in history[-2:]] == ["failed", "success"]


def _preflight(settings: Settings, released: Execution) -> dict[str, Any]:
    with Conductor.from_settings(settings) as server:
        child = next(task.child_id for task in released.tasks if task.reference == "deploy_firmware_prod_device")
        assert child
        return outputs(server.execution(child), "preflight_device")


FORGED = {"consent": "plan-0123456789ab", "approved": True, "allow_production": True}


@pytest.fixture(scope="module")
def other(line: Settings, released: Execution) -> str:  # noqa: ARG001 - comes first
    """Store an image that nobody has approved, and return its id."""
    return stored(line, "k1-" + "a" * 12, _images.sample("k1-" + "a" * 12, seed=7)).id


def _own_gate(line: Settings, wall: Wall, other: str) -> str:
    """Define, start and approve a workflow of one's own, whose gate names another artifact; return the deployment."""
    named = {"wait_seconds": 60, "device_mac": wall.device.mac, "artifact_id": "b" * 64}
    child = a_use("child", type="SUB_WORKFLOW", subWorkflowParam={"name": "device-deployment", "version": 1})
    child["inputParameters"] = {"device": wall.device.mac, "artifact_id": other, **FORGED}
    workflow = a_workflow(a_use("gate", type="HUMAN", inputParameters=named), child, name=unique("own-"))
    with Conductor.from_settings(line) as server:
        server.put_workflow_definition(workflow)
        execution_id = server.start(workflow["name"], {"approved": True})
        _wait_for(lambda: len(server.execution(execution_id).tasks) == 1)
        server.answer(execution_id, "gate", {"approved": True, "by": "nobody"})
        _wait_for(lambda: server.execution(execution_id).status.terminal)
        forget(line.conductor_server_url, defined(workflow))
        return str(server.execution(execution_id).tasks[-1].child_id)


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_no_way_round_the_approval_flashes_production(
    line: Settings, wall: Wall, released: Execution, healthy: Running, other: str
) -> None:
    """Started by hand, with forged inputs, beside a gate that asked for something else, or rerun: all are refused."""
    before, served = healthy.state()["flashes_completed"], current(line)
    child = next(task.child_id for task in released.tasks if task.reference == "deploy_firmware_prod_device")
    assert child
    with Conductor.from_settings(line) as server:
        begun = [
            server.start("device-deployment", {"device": wall.device.name, "artifact_id": other, **FORGED}),
            server.start("device-deployment", {"device": wall.device.name, "artifact_id": other, "reason": "rollback"}),
            server.start(
                "deployment-rollback-handler", {"device": wall.device.name, "to_artifact_id": other, **FORGED}
            ),
            _own_gate(line, wall, other),
        ]
        attacks = [server.wait(one, timings=line.timings) for one in begun]
        # Last, for it reopens the release.
        server.rerun(child, input={"device": wall.device.name, "artifact_id": other, **FORGED})
        attacks.append(server.wait(child, timings=line.timings))
    assert {one.status for one in attacks} == {ExecutionStatus.FAILED}
    assert ["is a production device" in one.reason for one in attacks] == [True] * 5, [one.reason for one in attacks]
    assert [("nobody has consented" in one.reason) for one in attacks] == [True, False, True, True, True]
    assert healthy.state()["flashes_completed"] == before
    row = Ledger(line.paths).current(wall.device.mac)
    assert row is not None
    assert row.artifact_id == released.output["artifact_id"]
    assert served == released.output["webapp_release"]


def test_what_waits_too_long_is_ended_by_the_servers_scheduler(line: Settings, late: tuple[str, float]) -> None:
    """Nobody started the check: the schedule that came with the gate did, and answered no in nobody's name."""
    execution = ended(line, late[0])
    assert execution.status is ExecutionStatus.COMPLETED
    assert (execution.output["approved"], execution.output["by"]) == (False, "time limit")
    assert "nobody answered by" in execution.output["why"]
    assert time.monotonic() - late[1] < PATIENCE


def test_the_look_goes_once_nothing_can_wait(line: Settings, late: tuple[str, float]) -> None:
    """The first look that finds no execution with a gate takes the schedule away, and earlier looks with it."""
    ended(line, late[0])
    with Conductor.from_settings(line) as server:
        idle = not approvals.any_gated(server)
        look = server.wait(server.start("k1nb-approval-limit", {}), timings=line.timings)
        assert (look.status, look.output) == (ExecutionStatus.COMPLETED, {"closed": [], "idle": idle})
        assert ("k1nb-approval-limit" in {schedule.name for schedule in server.schedules()}) is not idle
