"""Old executions are removed by plan, and nothing else is."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from k1nb.conductor import Conductor, Execution, ExecutionStatus, plan_pruning, prune
from k1nb.errors import ConductorNotFound, ConsentError
from k1nb.timings import Timings
from tests.conductor.builders import a_workflow, unique

NOW = datetime(2026, 1, 2, tzinfo=UTC)
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
        ("remove", "1 executions of w", True)
    ]
    assert plan_pruning([OLD, *others], NOW - timedelta(hours=1)).id == plan.id
    assert plan_pruning(others, NOW - timedelta(days=1)).steps == ()


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
