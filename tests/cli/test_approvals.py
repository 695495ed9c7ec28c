"""The commands `approvals`, on a real server, with gates of a workflow of the test's own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from k1nb.conductor import Conductor, ExecutionStatus
from k1nb.config import Settings
from tests.cli.test_app import k1nb
from tests.conductor.builders import a_use, a_workflow, defined, unique
from tests.conductor.hand import forget
from tests.test_json import held

ASKS = {"wait_seconds": 600, "release_version": "1.0.0", "device": "wall", "tests": [{"status": "OK"}]}


@pytest.fixture(scope="module")
def gated(line: Settings) -> Iterator[str]:
    """Define a workflow with a gate and return its name."""
    gate = a_use("gate", type="HUMAN", inputParameters=ASKS)
    workflow = a_workflow(gate, name=unique("gated-"), outputParameters={"by": "${gate.output.by}"})
    with Conductor.from_settings(line) as server:
        server.put_workflow_definition(workflow)
    yield str(workflow["name"])
    forget(line.conductor_server_url, defined(workflow))


def start(line: Settings, name: str) -> str:
    """Start an execution and return its id once it waits."""
    with Conductor.from_settings(line) as server:
        execution_id = server.start(name, {})
        deadline = time.monotonic() + 20
        while not server.execution(execution_id).tasks:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    return execution_id


def ended(line: Settings, execution_id: str) -> dict[str, Any]:
    """Return an execution's output after its end."""
    with Conductor.from_settings(line) as server:
        execution = server.wait(execution_id, timings=line.timings)
    assert execution.status is ExecutionStatus.COMPLETED
    return dict(execution.tasks[0].output)


def test_one_is_shown_then_approved_by_its_plan(line: Settings, gated: str) -> None:
    """What waits is listed; approving shows the plan first, and applied is kept with who and why; then it is gone."""
    one = start(line, gated)
    (listed,) = [gate for gate in held(line, "approvals list") if gate["execution"] == one]
    assert (listed["overdue"], listed["question"]["device"]) == (False, "wall")
    shown = held(line, "approvals approve", one)
    assert (shown["answered"], shown["plan"]["preconditions"]["tests"]) == (False, "1 of 1 checks are OK")
    refused = k1nb(line, "approvals", "approve", one, "--apply", "plan-0123456789ab")
    assert (refused.returncode, "is not the plan" in refused.stderr) == (2, True)
    done = held(line, "approvals approve", one, "-r", "it is good", "--apply", shown["plan"]["id"])
    assert (done["approved"], done["why"]) == (True, "it is good")
    output = ended(line, one)
    assert {name: output[name] for name in ("approved", "by", "why")} == {
        "approved": True,
        "by": done["by"],
        "why": "it is good",
    }
    assert one not in {gate["execution"] for gate in held(line, "approvals list")}
    again = k1nb(line, "approvals", "approve", one)
    assert (again.returncode, "waits for no approval" in again.stderr) == (2, True)


def test_one_is_rejected_with_a_reason(line: Settings, gated: str) -> None:
    """Without a reason nothing is rejected; with one it is kept."""
    one = start(line, gated)
    assert k1nb(line, "approvals", "reject", one).returncode == 2
    done = held(line, "approvals reject", one, "-r", "not on a Friday")
    assert (done["approved"], done["answered"]) == (False, True)
    output = ended(line, one)
    assert (output["approved"], output["why"]) == (False, "not on a Friday")


def test_nobody_approves_what_has_waited_too_long(line: Settings, gated: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time an execution is shown as overdue and cannot be approved any more, only rejected."""
    one = start(line, gated)
    monkeypatch.setenv("K1NB_APPROVAL_SECONDS", "1")
    time.sleep(1)
    shown = held(line, "approvals approve", one)
    late = k1nb(line, "approvals", "approve", one, "--apply", shown["plan"]["id"])
    assert (late.returncode, "has waited too long" in late.stderr) == (2, True)
    listed = k1nb(line, "approvals", "list")
    assert "overdue" in listed.stdout
    assert k1nb(line, "approvals", "reject", one, "-r", "late").returncode == 0
