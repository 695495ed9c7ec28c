"""Old executions are removed by plan, and nothing else is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from k1nb.conductor import Conductor, Execution, ExecutionStatus, plan_pruning, prune
from k1nb.conductor._retention import _removable, _removed
from k1nb.errors import ConductorNotFound, ConsentError
from k1nb.timings import Timings
from tests.conductor.builders import a_child, a_workflow, unique

NOW = datetime(2026, 1, 2, tzinfo=UTC)
BEFORE = NOW - timedelta(days=1)
OLD = Execution(
    id="old",
    name="w",
    version=1,
    status=ExecutionStatus.COMPLETED,
    correlation_id="",
    input={},
    output={},
    reason="",
    started_at=NOW - timedelta(days=9),
    updated_at=NOW - timedelta(days=9),
    ended_at=NOW - timedelta(days=8),
    parent_id=None,
    tasks=(),
)


def test_only_what_ended_long_ago_is_planned() -> None:
    """What runs, and what ended later, stays; a plan over the same executions is the same plan a day later."""
    others = [
        replace(OLD, id="late", ended_at=NOW),
        replace(OLD, id="runs", status=ExecutionStatus.RUNNING, ended_at=None),
    ]
    plan = plan_pruning([OLD, *others], NOW - timedelta(days=1))
    assert plan.preconditions["executions"] == ["old"]
    assert [(step.action, step.subject, step.destructive) for step in plan.steps] == [
        ("remove", "1 execution of w", True)
    ]
    assert plan_pruning([OLD, *others], NOW - timedelta(hours=1)).id == plan.id
    assert plan_pruning(others, NOW - timedelta(days=1)).steps == ()


def _family(*names: str) -> list[Execution]:
    """Return old executions of which each is started by the one before."""
    return [replace(OLD, id=name, parent_id=parent) for name, parent in zip(names, (None, *names), strict=False)]


def test_a_child_goes_only_with_its_parent() -> None:
    """Children, and theirs, stay with what stays or is not known to be gone, and go with what goes or is gone."""
    parent, child, grandchild = _family("parent", "child", "grandchild")
    for staying in (
        replace(parent, status=ExecutionStatus.RUNNING, ended_at=None),
        replace(parent, ended_at=NOW),
    ):
        assert plan_pruning([staying, child, grandchild, OLD], BEFORE).preconditions["executions"] == ["old"]
    assert not plan_pruning([child, grandchild], BEFORE).steps
    assert plan_pruning([child, grandchild], BEFORE, {"parent"}).preconditions["executions"] == ["child", "grandchild"]
    assert len(plan_pruning([grandchild, child, parent], BEFORE).preconditions["executions"]) == 3


@pytest.fixture
def family(conductor: Conductor) -> Iterator[tuple[str, str, str]]:
    """An execution that started another, both at their end, and the name of its workflow; removed afterwards."""
    name = unique("family-")
    wait = {"name": "wait", "taskReferenceName": "wait", "type": "WAIT", "inputParameters": {"duration": "1 hour"}}
    conductor.put_workflow_definition({**a_workflow(), "name": f"{name}-child", "tasks": [wait]})
    conductor.put_workflow_definition(a_workflow(a_child(f"{name}-child"), name=name))
    parent = conductor.start(name, {})
    deadline = time.monotonic() + 20
    while not (children := conductor.children(conductor.execution(parent))):
        assert time.monotonic() < deadline
    conductor.terminate(parent, "the test wants it ended")
    while not all(conductor.find(name=each, status=ExecutionStatus.TERMINATED) for each in (name, f"{name}-child")):
        assert time.monotonic() < deadline
        time.sleep(0.1)  # search lags
    yield parent, children[0].id, name
    for one in (parent, children[0].id):
        with suppress(ConductorNotFound):
            conductor.terminate(one, "the test is over")


def test_no_child_is_taken_from_a_parent_that_stays(conductor: Conductor, family: tuple[str, str, str]) -> None:
    """A pruning of the child's workflow leaves it as long as the server has its parent, and takes it afterwards."""
    parent, child, name = family
    later = datetime.now(UTC) + timedelta(hours=1)
    assert not prune(conductor, before=later, name=f"{name}-child").plan.steps
    conductor.remove(parent)
    plan = prune(conductor, before=later, name=f"{name}-child").plan
    assert prune(conductor, before=later, name=f"{name}-child", consent=plan.id).removed == (child,)


def test_what_was_begun_again_meanwhile_stays(conductor: Conductor, family: tuple[str, str, str]) -> None:
    """An execution that runs again by the time it would be removed is refused, and its child with it."""
    parent, child, _ = family
    later = datetime.now(UTC) + timedelta(hours=1)
    found = [conductor.execution(one, tasks=False) for one in (child, parent)]
    plan = plan_pruning(found, later)
    conductor.restart(parent)
    done = _removed(conductor, plan, _removable(found, later, ()), None)
    assert done.removed == ()
    assert done.refused == {
        parent: "it was begun again and is RUNNING",
        child: f"{parent}, which started it, stays",
    }
    assert not conductor.execution(parent).status.terminal
    assert conductor.execution(child).status.terminal


def test_what_was_consented_to_is_removed(conductor_url: str) -> None:
    """Without consent all stays; with it the ended executions are gone, and the one that runs is not."""
    with Conductor(conductor_url, Timings()) as server:
        name = unique("pruned-")
        wait = {"name": "wait", "taskReferenceName": "wait", "type": "WAIT", "inputParameters": {"duration": "1 hour"}}
        server.put_workflow_definition({**a_workflow(), "name": name, "tasks": [wait]})
        ended, runs = (server.start(name, {}) for _ in range(2))
        server.terminate(ended, "the test wants it ended")
        later = datetime.now(UTC) + timedelta(hours=1)
        deadline = time.monotonic() + 20
        while not server.find(name=name, status=ExecutionStatus.TERMINATED) and time.monotonic() < deadline:
            time.sleep(0.1)  # search lags
        planned = prune(server, before=later, name=name)
        assert planned.refused is None
        assert server.execution(ended).status.terminal
        with pytest.raises(ConsentError):
            prune(server, before=later, name=name, consent="plan-000000000000")
        done = prune(server, before=later, name=name, consent=planned.plan.id)
        assert (done.removed, done.refused) == ((ended,), {})
        with pytest.raises(ConductorNotFound):
            server.execution(ended)
        assert not server.execution(runs).status.terminal
        server.terminate(runs, "the test is over")
