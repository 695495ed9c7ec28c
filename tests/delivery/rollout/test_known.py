"""What is known of a rollout's devices."""

from __future__ import annotations

from datetime import timedelta

import pytest

from k1nb.conductor import ExecutionStatus
from k1nb.delivery.rollout import Decision, Gate, Notes, State, known_of
from tests.delivery.rollout.samples import NOON, a_rollout, deployment, device


@pytest.mark.parametrize(
    ("outcome", "status", "state", "said"),
    [
        ("succeeded", None, State.SUCCEEDED, "seen"),
        ("no_op", None, State.CURRENT, "seen"),
        ("rolled_back", None, State.FAILED, "the device is unhealthy; seen"),
        ("needs_usb", None, State.FAILED, "the device is unhealthy"),
        ("succeeded", ExecutionStatus.TERMINATED, State.FAILED, "TERMINATED"),
        ("", ExecutionStatus.TIMED_OUT, State.FAILED, "the device is unhealthy"),
        ("", ExecutionStatus.COMPLETED, State.FAILED, "seen"),
        (None, None, State.RUNNING, "deployed"),
        (None, ExecutionStatus.PAUSED, State.RUNNING, "paused"),
    ],
)
def test_a_deployment_tells_how_a_device_stands(
    outcome: str | None, status: ExecutionStatus | None, state: State, said: str
) -> None:
    """Only a completed deployment that says so is good; whatever else has ended is a failure, with its reason."""
    rollout = a_rollout(1)
    seen = known_of(rollout, Notes(), [deployment(0, outcome, status=status)]).devices[device(0).mac]
    assert seen.state is state
    assert said in seen.reason


def test_notes_stand_where_there_is_no_deployment() -> None:
    """What was passed over is pending, skipped stays skipped, and a deployment counts for more than both."""
    rollout = a_rollout(3)
    notes = Notes({device(0).mac: "offline", device(2).mac: "offline"}, {device(1).mac: "changed"})
    known = known_of(rollout, notes, [deployment(2)])
    assert [known.devices[device(n).mac].state for n in range(3)] == [State.PENDING, State.SKIPPED, State.SUCCEEDED]


def test_of_two_deployments_the_first_counts() -> None:
    """A device that somebody deployed to again under the same key stands as its first deployment left it."""
    rollout = a_rollout(1)
    later = deployment(0, "succeeded", began=NOON + timedelta(seconds=1))
    seen = known_of(rollout, Notes(), [later, deployment(0, "rolled_back")]).devices[device(0).mac]
    assert seen.state is State.FAILED


def test_notes_survive_the_server() -> None:
    """Notes are the same after they were JSON; a wave's newest gate replaces the one before."""
    notes = Notes({"a": "offline"}, {"b": "changed"}, {"c": "vanished"}, approvals={2: True, 3: False})
    notes = notes.with_gate(Gate(1, Decision.HOLD, 1, ("few",), NOON)).with_gate(Gate(2, Decision.STOP, 2, (), NOON))
    notes = notes.with_gate(Gate(1, Decision.GO_ON, 2, ("good",), NOON))
    assert Notes.from_dict(notes.as_dict()) == notes
    assert {gate.wave: gate.decision for gate in notes.gates} == {1: Decision.GO_ON, 2: Decision.STOP}
