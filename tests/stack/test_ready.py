from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest

from k1nb.conductor import Conductor, Execution, ExecutionStatus, load, plan_definitions
from k1nb.config import Settings
from k1nb.errors import ConductorUnreachable, ServiceError
from k1nb.stack._ready import ReadyProbe, apply_shipped_definitions, conductor_ready
from tests.stack.conftest import await_true

UNSERVED = "k1nb-unserved"
"""Like `k1nb-ready`, with a task that no worker of ours takes."""


@pytest.fixture
def probe(conductor_url: str, settings: Settings) -> ReadyProbe:
    """Return a probe that is in a hurry, and that nobody answers."""
    there = settings.model_copy(update={"conductor_server_url": conductor_url, "timings_scale": 0.05})
    return ReadyProbe(there, UNSERVED)


@pytest.fixture
def server(conductor_url: str, settings: Settings) -> Iterator[Conductor]:
    """Return a client of the session's server, which knows the workflow that nobody serves."""
    with Conductor(conductor_url, settings.timings) as conductor:
        definitions = load()
        workflow = json.loads(json.dumps(definitions.workflows["k1nb-ready", 1]))
        workflow["name"] = UNSERVED
        workflow["tasks"][0]["name"] = "unserved_probe"
        conductor.put_task_definitions([{**definitions.tasks["ready_probe"], "name": "unserved_probe"}])
        conductor.put_workflow_definition(workflow)
        yield conductor


def answer(conductor: Conductor, execution_id: str, status: str, **output: str) -> None:
    """Answer an execution's task, as a worker does."""
    task = conductor.execution(execution_id).tasks[0]
    body = {"workflowInstanceId": execution_id, "taskId": task.id, "status": status, "outputData": output}
    httpx.post(f"{conductor.url}/tasks", json=body, trust_env=False).raise_for_status()


def started(conductor: Conductor, probe: ReadyProbe, count: int) -> list[Execution]:
    """Ask the probe until it has started so many executions; return them, the oldest first."""
    while True:
        assert not probe()
        found = conductor.correlated(UNSERVED, f"ready:{probe.nonce}")
        if len(found) >= count:
            return sorted(found, key=lambda execution: execution.started_at or datetime.min.replace(tzinfo=UTC))


def test_a_probe_that_nobody_answers_is_repeated_and_ended(server: Conductor, probe: ReadyProbe) -> None:
    """An execution whose task may be lost is joined by another; giving up leaves none of them running."""
    executions = started(server, probe, 2)
    probe.give_up()
    ends = {server.execution(execution.id).status for execution in executions}
    assert ends == {ExecutionStatus.TERMINATED}


def test_one_answer_is_enough(server: Conductor, probe: ReadyProbe) -> None:
    """When one of the executions returns the nonce, our workers work, and the others are ended."""
    lost, second = started(server, probe, 2)[:2]
    answer(server, second.id, "COMPLETED", nonce=probe.nonce)
    await_true(probe)
    assert server.execution(lost.id).status is ExecutionStatus.TERMINATED


@pytest.mark.parametrize(("status", "nonce"), [("COMPLETED", "another"), ("FAILED", "")])
def test_a_wrong_answer_is_an_error(server: Conductor, probe: ReadyProbe, status: str, nonce: str) -> None:
    """A worker that fails, or returns something else, isn't one of ours that works."""
    answer(server, started(server, probe, 1)[0].id, status, nonce=nonce)
    with pytest.raises(ServiceError, match=f"{UNSERVED} ended {status} without its nonce"):
        await_true(probe)


def test_the_server_is_up_with_the_shipped_definitions(conductor_url: str, settings: Settings) -> None:
    """After `up` the API answers, and there is nothing left to apply."""
    reachable = settings.model_copy(update={"conductor_server_url": conductor_url})
    assert conductor_ready(reachable)()
    with Conductor.from_settings(reachable) as conductor:
        plan = plan_definitions(load(), conductor.task_definitions(), conductor.workflow_definitions())
    assert plan.steps == ()


def test_no_server_is_not_ready(settings: Settings) -> None:
    """While nothing answers, the server isn't ready, and the probe of the workers says what is missing."""
    assert not conductor_ready(settings)()
    with pytest.raises(ConductorUnreachable):
        ReadyProbe(settings)()


def test_drift_is_mended_but_not_under_running_executions(server: Conductor, settings: Settings) -> None:
    """What somebody changed on the server is put back by `up`; under a running execution it is told of and left."""
    there = settings.model_copy(update={"conductor_server_url": server.url})
    shipped = load().workflows["firmware-build-failure-handler", 1]
    execution = server.start(UNSERVED, {"nonce": "x"})
    told: list[str] = []
    try:
        server.put_workflow_definition({**shipped, "timeoutSeconds": 601})
        apply_shipped_definitions(there, told.append)
        assert told == ["applying 1 definition"]
        busy = server.start(shipped["name"], {}, domain="nobody")
        server.put_workflow_definition({**shipped, "timeoutSeconds": 602})
        apply_shipped_definitions(there, told.append)
        assert "left as it is: workflow firmware-build-failure-handler v1: " in told[-1]
        server.terminate(busy, "the test is over")
    finally:
        server.terminate(execution, "the test is over")
    apply_shipped_definitions(there, told.append)
    assert told[-1] == "applying 1 definition"
    apply_shipped_definitions(there, told.append)
    assert len(told) == 3
