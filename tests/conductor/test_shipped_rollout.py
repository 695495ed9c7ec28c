"""The workflow `fleet-rollout` behaves on a real server as it is drawn: every branch, worked through by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from k1nb.conductor import Conductor, Definitions, apply_definitions, load, plan_definitions
from k1nb.timings import Timings
from tests.conductor.builders import renamed, unique
from tests.conductor.hand import Answer, Hand

NAME = "fleet-rollout"
TASKS = ("advance_rollout", "conclude_rollout", "send_failure_notification")
GIVEN = {"rollout": "plan-0123456789ab", "artifact_id": "f" * 64, "consent": "plan-0123456789ab", "plan": {"waves": []}}


@pytest.fixture(scope="module")
def suffix(conductor_url: str) -> str:
    """Register a copy of the shipped definitions that retries at once, and return what the names end with."""
    suffix, every = unique("roll"), load().with_delays(0)
    wanted = Definitions({name: every.tasks[name] for name in TASKS}, {(NAME, 1): every.workflows[NAME, 1]})
    definitions = renamed(wanted, suffix)
    with Conductor(conductor_url, Timings()) as conductor:
        apply_definitions(conductor, definitions, plan_definitions(definitions, [], []))
    return suffix


def turned(next_: str = "end", result: str | None = None, **more: Any) -> Answer:
    """Return what a turn tells."""
    said = {"wave": 1, "duration": "1 seconds", "reasons": ["why"], "reason": "why", "notes": {"pending": {}}}
    return ("COMPLETED", {**said, "next": next_, "result": result, **more})


def run(hand: Hand, suffix: str, *turns: Answer, **answers: Answer) -> dict[str, Any]:
    """Run a rollout to its end, given how the turns go."""
    given: dict[str, Answer | Sequence[Answer]] = {
        "advance_rollout": list(turns),
        "conclude_rollout": ("COMPLETED", {"schedule": None}),
        "send_failure_notification": ("COMPLETED", {"sent": True, "channel": "file"}),
        **answers,
    }
    return hand.finish(hand.start(f"{NAME}-{suffix}", GIVEN, "key"), given)


def ran(execution: dict[str, Any]) -> list[str]:
    """Return the reference names, without the rounds of the loop."""
    return [task["referenceTaskName"].partition("__")[0] for task in execution["tasks"]]


def test_turns_soaks_and_approvals_follow_each_other(hand: Hand, suffix: str) -> None:
    """A turn leads to the next at once, after a soak, or after a person's answer, until one says that it is the end."""
    turns = (turned("go_on"), turned("wait"), turned("approval", wave=2), turned(result="completed", wave=3))
    execution = run(hand, suffix, *turns, approval=("COMPLETED", {"approved": True}))
    assert execution["status"] == "COMPLETED"
    assert {key: execution["output"][key] for key in ("rollout", "result", "wave", "schedule")} == {
        "rollout": GIVEN["rollout"],
        "result": "completed",
        "wave": 3,
        "schedule": None,
    }
    steps = [name for name in ran(execution) if name not in ("rounds", "decision_next", "decision_result")]
    assert steps == [
        *("advance_rollout", "advance_rollout", "soak", "advance_rollout", "approval", "advance_rollout"),
        "conclude_rollout",
    ]
    asked = next(task for task in execution["tasks"] if task["referenceTaskName"].startswith("approval"))
    assert (asked["inputData"]["wave"], asked["inputData"]["artifact_id"]) == (2, GIVEN["artifact_id"])


@pytest.mark.parametrize("result", ["pending", "aside"])
def test_what_is_left_over_is_no_failure(hand: Hand, suffix: str, result: str) -> None:
    """A pass that leaves devices pending, or that stood aside, is COMPLETED with what it says."""
    execution = run(hand, suffix, turned(result=result), conclude_rollout=("COMPLETED", {"schedule": "rollout-x"}))
    assert (execution["status"], execution["output"]["result"]) == ("COMPLETED", result)
    assert (execution["output"]["schedule"], execution["output"]["reasons"]) == ("rollout-x", ["why"])
    assert ran(execution)[-1] == "decision_result"


@pytest.mark.parametrize("told", [("COMPLETED", {"sent": True}), ("FAILED_WITH_TERMINAL_ERROR", {})])
def test_a_stop_fails_the_execution_and_people_are_told(hand: Hand, suffix: str, told: Answer) -> None:
    """A rollout that has stopped is FAILED with its reason and its notes, whether people could be told or not."""
    execution = run(hand, suffix, turned(result="stopped"), send_failure_notification=told)
    assert execution["status"] == "FAILED"
    assert execution["reasonForIncompletion"] == "the rollout has stopped: why"
    assert (execution["output"]["result"], execution["output"]["notes"]) == ("stopped", {"pending": {}})
    assert ran(execution)[-2:] == ["send_failure_notification", "fail_rollout"]


def test_a_turn_that_cannot_be_done_fails_the_execution(hand: Hand, suffix: str) -> None:
    """A turn that fails for good, as without its image, ends the rollout with that reason; another is tried again."""
    execution = run(hand, suffix, ("FAILED_WITH_TERMINAL_ERROR", {}))
    assert (execution["status"], ran(execution)) == ("FAILED", ["rounds", "advance_rollout"])
    assert "as the test says" in execution["reasonForIncompletion"]
    again = run(hand, suffix, ("FAILED", {}), turned(result="completed"))
    assert again["status"] == "COMPLETED"
    assert ran(again).count("advance_rollout") == 2
