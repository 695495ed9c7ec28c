"""How a rollout stands, read from its executions."""

from __future__ import annotations

from typing import Any

import pytest

from k1nb.conductor import Task, TaskStatus
from k1nb.delivery.rollout import Notes, Standing, State
from k1nb.delivery.rollout._progress import _standing, newest_told, notes_of
from tests.delivery.rollout.samples import (
    a_progress,
    a_rollout,
    a_turn,
    an_execution,
    deployment,
    device,
)

ROLLOUT = a_rollout(1, 2)
KNOWN = a_progress(ROLLOUT, Standing.RUNNING).known


def asked(status: str = "IN_PROGRESS", wave: int = 2, **output: Any) -> Task:
    """Return the task that asks a person."""
    return Task("ask", f"approval__{wave}", "approval", "HUMAN", TaskStatus(status), {"wave": wave}, output)


@pytest.mark.parametrize(
    ("status", "output", "reason", "standing"),
    [
        ("RUNNING", {}, "", Standing.RUNNING),
        ("PAUSED", {}, "", Standing.PAUSED),
        ("COMPLETED", {"result": "completed", "reasons": ["all"]}, "", Standing.COMPLETED),
        ("COMPLETED", {"result": "pending", "reasons": ["1 pending"]}, "", Standing.PENDING),
        ("COMPLETED", {}, "", Standing.BROKEN),
        ("FAILED", {"result": "stopped", "reasons": ["1 of 1"]}, "", Standing.STOPPED),
        ("FAILED", {"result": "expired"}, "time", Standing.BROKEN),
        ("FAILED", {}, "the image is gone", Standing.BROKEN),
        ("TIMED_OUT", {}, "", Standing.BROKEN),
        ("TERMINATED", {}, "aborted: enough", Standing.ABORTED),
    ],
)
def test_an_execution_tells_how_the_rollout_stands(
    status: str, output: dict[str, Any], reason: str, standing: Standing
) -> None:
    """Only a decision ends a rollout for good; an end by a fault can be resumed. Each has its reason."""
    found, why = _standing(an_execution(ROLLOUT, status, reason=reason, **output), None, KNOWN)
    assert found is standing
    assert why
    assert reason in why


def test_a_question_to_a_person_is_told() -> None:
    """While a person is asked the rollout waits for approval, and says of which wave."""
    execution = an_execution(ROLLOUT, "RUNNING", asked())
    assert _standing(execution, asked(), KNOWN) == (Standing.APPROVAL, "wave 2 waits for approval")


def test_the_last_turn_has_the_notes_and_people_their_answers() -> None:
    """Notes are those of the last turn that told some; only an answered question counts, and only yes as yes."""
    first, last = Notes({"a": "offline"}), Notes({"a": "offline", "b": "offline"}, approvals={2: True})
    turns = (a_turn(ROLLOUT, notes=first), a_turn(ROLLOUT, number=2, notes=last))
    answers = (asked("COMPLETED", 3, approved="no"), asked("CANCELED", 4), asked("COMPLETED", 5, approved="true"))
    notes = notes_of(an_execution(ROLLOUT, "RUNNING", *turns, *answers), same_pass=True)
    assert notes.pending == last.pending
    assert notes.approvals == {2: True, 3: False, 5: True}


def test_another_pass_tries_again_what_was_passed_over() -> None:
    """What an earlier execution has judged stays, what it passed over does not."""
    told = Notes({"a": "offline"}, {"b": "changed"}, {"c": "vanished"})
    notes = notes_of(an_execution(ROLLOUT, "COMPLETED", a_turn(ROLLOUT, notes=told)), same_pass=False)
    assert (notes.pending, notes.skipped, notes.lost) == ({}, {}, told.lost)


class Server:
    """Executions by id, as a server would give them."""

    def __init__(self, *executions: Any) -> None:
        self.executions = {execution.id: execution for execution in executions}

    def execution(self, execution_id: str) -> Any:
        """Return one."""
        return self.executions[execution_id]


def test_who_stood_aside_tells_nothing() -> None:
    """An execution that found another one at work is passed over; a new one without a turn has the notes of before."""
    old = an_execution(ROLLOUT, "COMPLETED", a_turn(ROLLOUT), number=1, result="pending")
    aside = an_execution(ROLLOUT, "COMPLETED", a_turn(ROLLOUT, result="aside"), number=2, result="aside")
    fresh = an_execution(ROLLOUT, "RUNNING", number=3)
    server: Any = Server(old, aside, fresh)
    assert newest_told(server, [aside, old]) == (old, old)
    assert newest_told(server, [fresh, aside, old]) == (fresh, old)
    assert newest_told(server, [fresh]) == (fresh, fresh)


def test_devices_that_were_not_reached_say_so() -> None:
    """Where a rollout ended without success, who waited was not reached; the JSON has each device in one state."""
    stopped = a_progress(ROLLOUT, Standing.STOPPED, deployment(0, "rolled_back"))
    assert stopped.state(device(1)).state is State.NOT_REACHED
    assert stopped.counts() == {"failed": 1, "not_reached": 2}
    told = stopped.as_dict()
    assert [d["state"] for wave in told["waves"] for d in wave["devices"]] == ["failed", "not_reached", "not_reached"]
    assert told["waves"][0]["devices"][0]["outcome"] == "rolled_back"
    going = a_progress(ROLLOUT, Standing.RUNNING, deployment(0))
    assert going.state(device(1)).state is State.WAITING
