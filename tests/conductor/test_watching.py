"""Changes of an execution, one task at a time, on a real Conductor server."""

from __future__ import annotations

import json

from k1nb.conductor import Change, Conductor, ExecutionStatus, watch
from k1nb.timings import Timings
from tests.conductor.builders import a_child, a_task, a_use, a_workflow, unique
from tests.conductor.flaky import CUT, answer, flaky
from tests.conductor.hand import Answer, Hand

DONE: Answer = ("COMPLETED", {})


def _name(change: Change) -> str:
    return change.task.reference if change.task else "itself"


def test_each_change_is_told_once_and_children_below(conductor: Conductor, hand: Hand) -> None:
    """A child's tasks are told a level below, each state once and with its time, and the execution's end comes last."""
    name = unique("watched-")
    conductor.put_task_definitions([a_task(task := name.replace("-", "_"), retryCount=0)])
    conductor.put_workflow_definition(a_workflow(a_use(task, "inner"), name=name))
    conductor.put_workflow_definition(a_workflow(a_child(name), name=f"{name}-parent"))
    execution = conductor.start(f"{name}-parent", {})
    changes = []
    for change in watch(conductor, execution):
        changes.append(change)
        if _name(change) == "inner" and change.task and not change.task.status.terminal:
            hand.finish(execution, {"inner": DONE})
    states = [(change.depth, _name(change), (change.task or change.execution).status.value) for change in changes]
    assert len(states) == len(set(states))
    assert (1, "inner", "SCHEDULED") in states
    assert states.index((1, "inner", "COMPLETED")) > states.index((1, "inner", "SCHEDULED"))
    assert (0, "child", "COMPLETED") in states
    assert states[-1] == (0, "itself", "COMPLETED")
    assert all(change.at is not None for change in changes)


def test_a_failure_is_told_with_its_reason(conductor: Conductor, hand: Hand) -> None:
    """Each attempt is told by its number, the failed ones with their reason."""
    name = unique("watched-")
    conductor.put_task_definitions([a_task(task := name.replace("-", "_"), retryCount=1, retryDelaySeconds=0)])
    conductor.put_workflow_definition(a_workflow(a_use(task, "compile"), name=name))
    execution = conductor.start(name, {})
    hand.finish(execution, {"compile": ("FAILED", {})})
    *tasks, last = [change.as_dict() for change in watch(conductor, execution)]
    assert [(change["task"], change["attempt"], change["status"]) for change in tasks] == [
        ("compile", 1, "FAILED"),
        ("compile", 2, "FAILED"),
    ]
    assert {change["reason"] for change in tasks} == {"as the test says"}
    assert (last["task"], last["status"]) == (None, "FAILED")


def test_an_ended_execution_is_told_at_once(conductor: Conductor) -> None:
    """Of what has ended the watch tells the last states and ends."""
    name = unique("watched-")
    conductor.put_task_definitions([a_task(task := name.replace("-", "_"))])
    conductor.put_workflow_definition(a_workflow(a_use(task), name=name))
    execution = conductor.start(name, {})
    conductor.terminate(execution, "enough")
    changes = list(watch(conductor, execution))
    assert changes[-1].execution.status is ExecutionStatus.TERMINATED
    assert changes[-1].as_dict()["reason"] == "enough"


def test_a_server_that_stops_answering_is_told_once_and_so_is_its_return() -> None:
    """However many looks come to nothing, there is one word of it, and one that it is over."""

    def look(status: str) -> bytes:
        return answer(json.dumps({"workflowId": "e", "workflowType": "w", "status": status}).encode())

    heard: list[bool] = []
    quick = Timings(follow=0.01, reconnect_first=0.01)
    with flaky(look("RUNNING"), *[CUT] * 6, look("COMPLETED")) as server, Conductor(server.url, quick) as conductor:
        changes = list(watch(conductor, "e", on_silence=lambda error: heard.append(error is None)))
    assert heard == [False, True]
    assert [change.execution.status.value for change in changes] == ["RUNNING", "COMPLETED"]
