"""What a plan says beside its steps, as tables; `tests/test_line.py` has it asked of a real server."""

from __future__ import annotations

from dataclasses import replace

import pytest

from k1nb.conductor import Execution, ExecutionStatus
from k1nb.config import Settings
from k1nb.delivery import ROLLBACK
from k1nb.delivery._remarks import HANDLER, PIPELINE, taken_back, told, under_way
from k1nb.firmware import Deployment, Grade
from tests.delivery.test_past import BACK_B, BAD_C, GOOD_B, NEVER_C, row
from tests.delivery.test_preflight import DEVICE

SICK_C = replace(BAD_C, evidence=["rebooted; 11.5 FPS, at least 30 wanted", "outcome rolled_back"])
GOOD_C = row(3, "c", Grade.IDENTIFIED)
NEWER_A = row(5, "a", Grade.IDENTIFIED)
LATER_B = row(6, "b", Grade.IDENTIFIED, ROLLBACK)
AGAIN_C = row(5, "c", Grade.IDENTIFIED)
PUT_BACK_C = row(5, "c", Grade.IDENTIFIED, ROLLBACK)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ((BACK_B, SICK_C, GOOD_B), "execution e4 took it back from this device: grade REBOOTED, rebooted; 11.5 FPS"),
        ((NEWER_A, BACK_B, SICK_C), "execution e4 took it back"),
        ((BACK_B, GOOD_C), "execution e4 took it back from this device: grade IDENTIFIED, nothing more is known"),
        ((SICK_C, GOOD_B), "execution e3 took it back"),
        ((AGAIN_C, BACK_B, SICK_C), None),
        ((PUT_BACK_C, BACK_B, SICK_C), None),
        ((NEVER_C, GOOD_B), None),
        ((LATER_B, NEWER_A, GOOD_C), None),
        ((GOOD_B,), None),
        ((), None),
    ],
)
def test_what_was_taken_back_is_told(rows: tuple[Deployment, ...], said: str | None) -> None:
    """What became of it when the device last had it counts: by which rollback, when, and how far it was proven."""
    found = taken_back(rows, {"c"})
    assert (found is None) is (said is None)
    assert said is None or (said in str(found) and str(found).startswith("on 202"))


RUNNING = Execution("e1", PIPELINE, 1, ExecutionStatus.RUNNING, "deploy:1", {"commit_sha": "c" * 40})


def test_what_is_under_way_is_told() -> None:
    """The same delivery is told from another one and from a rollback; only the newest of the same is joined."""
    paused = replace(RUNNING, id="e2", status=ExecutionStatus.PAUSED, correlation_id="deploy:2")
    back = Execution("e3", HANDLER, 1, ExecutionStatus.RUNNING, "rollback:1", {"to_artifact_id": "a" * 64})
    older = replace(RUNNING, id="e0")
    same, other, rollback, second = told([RUNNING, paused, back, older], PIPELINE, "deploy:1", joins=True)
    assert same == "execution e1 is under way on this device: this very one, applying joins it"
    assert other == f"execution e2 is under way on this device (PAUSED): {PIPELINE} of {'c' * 12}"
    assert rollback == f"execution e3 is under way on this device: {HANDLER} of {'a' * 12}"
    assert second == "execution e0 is under way on this device: this very one"
    assert told([RUNNING], PIPELINE, "deploy:1", joins=False) == [second.replace("e0", "e1")]


def test_without_a_server_nothing_is_said_of_it(settings: Settings) -> None:
    """A plan can be made without Conductor."""
    assert under_way(settings, DEVICE) == ()
