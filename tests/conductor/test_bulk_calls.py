"""Interventions in many executions at once, on a real Conductor server."""

from __future__ import annotations

import pytest

from k1nb.conductor import Bulk, Conductor, ExecutionStatus
from k1nb.conductor._bulk_calls import LARGEST
from tests.conductor.builders import a_task, a_use, a_workflow, unique
from tests.conductor.hand import Hand

NOBODY = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def executions(conductor: Conductor) -> list[str]:
    """The ids of two fresh executions of one task, called `compile` in it."""
    name = unique("bulk-")
    conductor.put_task_definitions([a_task(task := name.replace("-", "_"), retryCount=0)])
    conductor.put_workflow_definition(a_workflow(a_use(task, "compile"), name=name))
    return [conductor.start(name, {}) for _ in range(2)]


def _states(conductor: Conductor, executions: list[str]) -> set[ExecutionStatus]:
    return {conductor.execution(execution).status for execution in executions}


def _taken(bulk: Bulk, executions: list[str]) -> None:
    assert sorted(bulk.done) == sorted(executions)
    assert list(bulk.refused) == [NOBODY]
    assert NOBODY in bulk.refused[NOBODY]


def test_many_are_paused_resumed_and_terminated(conductor: Conductor, executions: list[str]) -> None:
    """Each execution is paused, resumed and ended; one that is not there is named and keeps none back."""
    wanted = [NOBODY, *executions]
    _taken(conductor.pause_many(wanted), executions)
    assert _states(conductor, executions) == {ExecutionStatus.PAUSED}
    _taken(conductor.resume_many(wanted), executions)
    assert _states(conductor, executions) == {ExecutionStatus.RUNNING}
    _taken(conductor.terminate_many(wanted, "wrong commit"), executions)
    assert {conductor.execution(e).reason for e in executions} == {"wrong commit"}


def test_many_are_retried_and_restarted(conductor: Conductor, executions: list[str], hand: Hand) -> None:
    """Failed executions go on from their failed tasks, ended ones begin again."""
    for execution in executions:
        hand.finish(execution, {"compile": ("FAILED", {})})
    _taken(conductor.retry_many([NOBODY, *executions]), executions)
    for execution in executions:
        ended = hand.finish(execution, {"compile": ("COMPLETED", {})})
        assert [task["status"] for task in ended["tasks"]] == ["FAILED", "COMPLETED"]
    _taken(conductor.restart_many([*executions, NOBODY]), executions)
    for execution in executions:
        assert len(hand.finish(execution, {"compile": ("COMPLETED", {})})["tasks"]) == 1


def test_what_does_not_fit_is_refused_in_the_servers_words(conductor: Conductor, executions: list[str]) -> None:
    """A running execution can be neither resumed nor restarted, and each says why."""
    for bulk in (conductor.resume_many(executions), conductor.restart_many(executions)):
        assert bulk.done == ()
        assert set(bulk.refused) == set(executions)
        assert all("RUNNING" in reason for reason in bulk.refused.values())
    assert bulk.as_dict() == {"done": [], "refused": bulk.refused}


def test_none_are_none_and_too_many_are_parted(conductor: Conductor, executions: list[str]) -> None:
    """No execution asks nothing of the server, and more than it takes at once are sent in parts."""
    assert conductor.pause_many([]) == Bulk()
    unknown = [f"nobody-{number}" for number in range(LARGEST + 5)]
    bulk = conductor.pause_many([*unknown, *executions, *executions])
    assert sorted(bulk.done) == sorted(executions)
    assert list(bulk.refused) == unknown
