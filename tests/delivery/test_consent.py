"""What counts as a consent to flash a production device, and what does not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from k1nb import delivery
from k1nb.conductor import Execution, ExecutionStatus, Task, TaskStatus
from k1nb.config import Settings
from k1nb.delivery._consent import LASTS, Claim, Consent, _consents, _fault, grant, kept_consent, revoke
from k1nb.device import Device
from k1nb.errors import ConductorUnreachable, ConsentError
from k1nb.firmware import Grade, Ledger
from k1nb.plan import Plan, Step

WALL = Device("wall", "02:4B:31:00:00:70", "192.0.2.1", role="production")
NEW, OLD, OTHER = "a" * 64, "b" * 64, "c" * 64
PLAN = Plan("rollback of wall", (Step("flash", "wall", "because", destructive=True),), {"device": WALL.mac})


def a_release(
    output: Mapping[str, Any],
    *,
    kind: str = "HUMAN",
    status: ExecutionStatus = ExecutionStatus.RUNNING,
    minutes: float = 5,
    **asked: Any,
) -> Execution:
    """Return an execution whose gate was answered so many minutes after it had asked, just now."""
    ended = datetime.now(UTC)
    question = {"wait_seconds": 3600, "device_mac": WALL.mac, "artifact_id": NEW, **asked}
    began = ended - timedelta(minutes=minutes)
    task = Task("t", "gate", "gate", kind, TaskStatus.COMPLETED, question, output, started_at=began, ended_at=ended)
    return Execution("release", "multi-stage-deployment", 1, status, tasks=(task,))


CHILD = Execution("child", "device-deployment", 1, ExecutionStatus.RUNNING, input={"approved": True, "by": "me"})
YES = {"approved": True, "by": "somebody", "why": "it is good"}


def faults(
    settings: Settings, *executions: Execution, artifact_id: str = NEW, back: bool = False, device: Device = WALL
) -> list[str | None]:
    """Return what is wrong with each consent that these executions refer to."""
    claim = Claim(device, artifact_id, back, executions)
    return [_fault(claim, consent, Ledger(settings.paths)) for consent in _consents(settings, executions)]


def enter(settings: Settings, artifact_id: str, execution_id: str, grade: Grade = Grade.HEALTHY) -> None:
    """Enter into the ledger that the device has accepted an artifact now."""
    ledger = Ledger(settings.paths)
    row = ledger.begin(WALL.mac, artifact_id, execution_id, "test")
    ledger.raise_grade(row.id, grade, "seen", accepted_at=datetime.now(UTC))


def test_an_answered_gate_allows_what_it_names(settings: Settings) -> None:
    """Device and artifact of the gate's own input, and nothing else."""
    release = a_release(YES)
    assert faults(settings, CHILD, release) == [None]
    assert faults(settings, CHILD, release, artifact_id=OTHER) == [f"is for artifact {NEW[:12]}"]
    stranger = replace(WALL, mac="02:4B:31:00:00:71")
    assert faults(settings, CHILD, release, device=stranger) == [f"does not name {stranger.mac}"]


def test_a_gate_may_name_a_fleet(settings: Settings) -> None:
    """A gate that names artifacts by MAC allows each of them on its device."""
    fleet = a_release(YES, devices={WALL.mac: OTHER, "02:4B:31:00:00:71": NEW})
    assert faults(settings, CHILD, fleet, artifact_id=OTHER) == [None]
    assert faults(settings, CHILD, fleet) == [f"is for artifact {OTHER[:12]}"]


@pytest.mark.parametrize(
    "release",
    [
        a_release({"approved": False}),
        a_release({"approved": "yes"}),
        a_release({}),
        a_release(YES, kind="SIMPLE"),
        a_release(YES, kind="WAIT"),
        a_release(YES, minutes=61),
        a_release(YES, status=ExecutionStatus.TERMINATED),
        a_release(YES, status=ExecutionStatus.FAILED),
    ],
    ids=["no", "another word", "nothing", "a worker's task", "a timer", "too late", "ended by somebody", "failed"],
)
def test_what_is_no_answer_allows_nothing(settings: Settings, release: Execution) -> None:
    """Only a HUMAN task of an execution that still runs, answered with yes within its limit, is a consent."""
    assert faults(settings, CHILD, release) == []


def test_nothing_in_an_input_allows_anything(settings: Settings) -> None:
    """Whatever an execution was started with, its own words are no consent; a made-up plan is none either."""
    words = {"approved": True, "consent": PLAN.id, "allow_production": True, "by": "me"}
    assert faults(settings, replace(CHILD, input=words)) == []
    for name in ("plan-../../x", "../x", "", None, 7, ["plan-1"], "none", "plan-" + "é" * 3):
        assert faults(settings, replace(CHILD, input={"consent": name})) == []


def test_a_plan_that_was_consented_to_allows_what_it_names(settings: Settings) -> None:
    """What is kept in this home for a plan counts for the outermost execution that names the plan."""
    given = grant(settings.paths, PLAN, {WALL.mac: OLD}, "it is broken")
    assert kept_consent(settings.paths, PLAN.id) == given
    assert "@" in given.by
    root = replace(CHILD, input={"consent": PLAN.id})
    assert faults(settings, root, artifact_id=OLD) == [None]
    assert faults(settings, CHILD, root, artifact_id=OLD) == [None]
    assert faults(settings, root, replace(CHILD, id="other"), artifact_id=OLD) == []
    assert faults(settings, root, artifact_id=OTHER) == [f"is for artifact {OLD[:12]}"]


def test_a_damaged_consent_is_none(settings: Settings) -> None:
    """What cannot be read allows nothing."""
    grant(settings.paths, PLAN, {WALL.mac: OLD})
    file = settings.paths.consents / f"{PLAN.id}.json"
    assert file.stat().st_mode & 0o077 == 0
    for text in ("", "[]", json.dumps({"devices": 1}), "\x00"):
        file.write_text(text)
        assert kept_consent(settings.paths, PLAN.id) is None


def test_a_rollback_may_go_to_what_was_proven(settings: Settings) -> None:
    """With a consent for the device, a rollback may send what was healthy there, a deployment only what is named."""
    enter(settings, OLD, "earlier")
    release = a_release(YES)
    assert faults(settings, CHILD, release, artifact_id=OLD, back=True) == [None]
    assert faults(settings, CHILD, release, artifact_id=OLD) == [f"is for artifact {NEW[:12]}"]
    enter(settings, OTHER, "child", Grade.REBOOTED)
    assert faults(settings, CHILD, release, artifact_id=OTHER, back=True) == [f"is for artifact {NEW[:12]}"]


def test_a_consent_ends_when_the_device_accepts_something_else(settings: Settings) -> None:
    """The execution's own transfer does not end it; anybody else's later one does, so that no consent serves twice."""
    release = a_release(YES)
    enter(settings, NEW, CHILD.id)
    assert faults(settings, CHILD, release) == [None]
    enter(settings, OTHER, "somebody-else")
    assert faults(settings, CHILD, release) == ["was given before the device accepted something else"]


def test_a_consent_ends_with_its_day(settings: Settings) -> None:
    """What was consented to long ago is asked for again."""
    old = Consent({WALL.mac: NEW}, "somebody", datetime.now(UTC) - LASTS - timedelta(seconds=1), "a plan")
    assert _fault(Claim(WALL, NEW, False, (CHILD,)), old, Ledger(settings.paths)) == "was given more than 24 hours ago"


def require(settings: Settings, device: Device, *, allowed: bool) -> list[str]:
    """Ask as a task does."""
    return asyncio.run(
        delivery.require_consent(settings, device, NEW, allow_production=allowed, execution_id="x", back=False)
    )


def test_a_test_device_needs_nobody(settings: Settings) -> None:
    """For a test device nobody is asked, and no server."""
    assert require(settings, replace(WALL, role="test"), allowed=False) == []


def test_without_an_answer_of_the_server_nothing_is_allowed(settings: Settings) -> None:
    """A server that does not answer is no yes; and without the explicit word it is not even asked."""
    with pytest.raises(ConductorUnreachable):
        require(settings, WALL, allowed=True)
    with pytest.raises(ConsentError, match="is a production device"):
        require(settings, WALL, allowed=False)


def test_a_consent_may_last_longer_and_be_taken_back(settings: Settings) -> None:
    """A rollout's consent outlives a day; taken back, it sends nothing new and still lets the device be rolled back."""
    execution = Execution("e", "device-deployment", 1, ExecutionStatus.RUNNING, input={"consent": PLAN.id})
    given = grant(settings.paths, PLAN, {WALL.mac: NEW}, lasts=timedelta(days=14))
    old = replace(given, at=given.at - timedelta(days=13))
    assert _fault(Claim(WALL, NEW, False, [execution]), old, Ledger(settings.paths)) is None
    assert faults(settings, execution) == [None]
    revoke(settings.paths, PLAN.id)
    assert faults(settings, execution) == ["was taken back"]
    assert faults(settings, execution, back=True) == [None]
    revoke(settings.paths, "plan-000000000000")
    assert kept_consent(settings.paths, "plan-000000000000") is None
