"""Queues and task logs, on a real Conductor server."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from k1nb.conductor import Conductor, PolledTask, TaskClient, TaskStatus
from k1nb.timings import Timings
from tests.conductor.builders import a_task, a_use, a_workflow, unique


@pytest.fixture
def task_type(conductor: Conductor) -> str:
    """A fresh task type, with a workflow of the same name of that one task."""
    name = unique("queue_")
    conductor.put_task_definitions([a_task(name, retryCount=0)])
    conductor.put_workflow_definition(a_workflow(a_use(name), name=name))
    return name


def _poll(url: str, task_type: str, worker: str = "bench") -> list[PolledTask]:
    async def poll() -> list[PolledTask]:
        async with TaskClient(url, Timings()) as tasks:
            return await tasks.poll(task_type, worker_id=worker, wait=1)

    return asyncio.run(poll())


def test_a_poll_is_known_with_its_time(conductor: Conductor, conductor_url: str, task_type: str) -> None:
    """Before a worker asks for a type there is no poll data of it; then its name and the time are told."""
    assert conductor.poll_data(task_type) == []
    before = datetime.now(UTC) - timedelta(seconds=5)
    _poll(conductor_url, task_type)
    (data,) = conductor.poll_data(task_type)
    assert (data.task_type, data.worker_id, data.domain) == (task_type, "bench", None)
    assert data.last_poll is not None
    assert data.last_poll > before
    assert data in conductor.poll_data()


def test_a_requeue_hands_running_tasks_out_again(conductor: Conductor, conductor_url: str, task_type: str) -> None:
    """Every task that has not ended is queued again and counted, one that a worker holds as well."""
    execution = conductor.start(task_type, {})
    (first,) = _poll(conductor_url, task_type)
    assert conductor.queue_sizes().get(task_type, 0) == 0
    assert conductor.requeue(task_type) == 1
    (second,) = _poll(conductor_url, task_type, "other")
    assert (second.id, second.poll_count) == (first.id, 2)
    assert conductor.execution(execution).tasks[0].status is TaskStatus.IN_PROGRESS
    conductor.terminate(execution, "enough")
    assert conductor.requeue(task_type) == 0


def test_a_task_log_is_read(conductor: Conductor, conductor_url: str, task_type: str) -> None:
    """What a worker wrote is there in order, with its time; a task without a log, and an unknown one, have none."""
    conductor.start(task_type, {})
    (task,) = _poll(conductor_url, task_type)
    assert conductor.task_log(task.id) == conductor.task_log("nobody") == []

    async def write() -> None:
        async with TaskClient(conductor_url, Timings()) as tasks:
            for text in ("one", "zwei „“\nthree"):
                await tasks.log(task.id, text)

    before = datetime.now(UTC) - timedelta(seconds=5)
    asyncio.run(write())
    lines = conductor.task_log(task.id)
    assert [line.text for line in lines] == ["one", "zwei „“\nthree"]
    assert all(line.at is not None and line.at > before for line in lines)
