"""A look at the queues, and what it adds up to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from k1nb.checks import Status
from k1nb.conductor import (
    Conductor,
    Definitions,
    Host,
    PollData,
    QueueLimits,
    Queues,
    Task,
    TaskStatus,
    Work,
    load,
    look_at_queues,
    queue_checks,
)
from k1nb.conductor._queue_checks import served
from k1nb.conductor._queues import Waiting, allowed_wait, work_of
from k1nb.timings import Timings

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOST = Host(alive=True, since=NOW - timedelta(hours=1))
LIMITS = QueueLimits()


def before(seconds: float) -> datetime:
    """Return the moment so many seconds ago."""
    return NOW - timedelta(seconds=seconds)


def task(status: TaskStatus, **values: Any) -> Task:
    """Return a task of type `build`."""
    return Task(**{"id": "t", "reference": "build", "type": "build", "kind": "SIMPLE", "status": status} | values)


@pytest.fixture
def server(conductor_url: str) -> Iterator[Conductor]:
    """Return a client of the session's server."""
    with Conductor(conductor_url, Timings()) as conductor:
        yield conductor


@pytest.mark.parametrize(
    ("work", "host", "status", "said"),
    [
        (Work("build", True, before(5)), HOST, Status.OK, "polled"),
        (Work("build", True, before(5)), Host(alive=False), Status.OK, "polled"),
        (Work("build", True, before(300), running=1), HOST, Status.OK, "at work"),
        (Work("build", True, before(300)), HOST, Status.OK, "idle: last asked for 300 s ago, since the host's start"),
        (Work("build", True, before(300), queued=2), HOST, Status.FAIL, "300 s ago, and 2 wait"),
        (Work("build", True, before(7200)), HOST, Status.UNKNOWN, "not since the host's start"),
        (Work("build", True, None), HOST, Status.UNKNOWN, "never asked for, not since the host's start"),
        (Work("build", True, None, queued=1), HOST, Status.FAIL, "never asked for, and 1 wait"),
        (Work("build", True, before(300)), Host(alive=True), Status.UNKNOWN, "not since"),
        (Work("build", True, before(300)), Host(alive=False), Status.FAIL, "300 s ago"),
        (Work("build", True, None), Host(alive=False), Status.FAIL, "never asked for"),
    ],
)
def test_a_task_type_is_served_or_not_or_that_is_not_known(work: Work, host: Host, status: Status, said: str) -> None:
    """A long silence is no fault of an idle type under a living host, but never passes where tasks wait."""
    found, why = served(work, host, NOW, LIMITS)
    assert found is status
    assert said in why


def test_how_recent_is_recent_is_a_limit() -> None:
    """What counts as polled lately is the caller's to say."""
    work = Work("build", True, before(45))
    dead = Host(alive=False)
    assert served(work, dead, NOW, LIMITS)[0] is Status.FAIL
    assert served(work, dead, NOW, QueueLimits(polled_within=timedelta(seconds=60)))[0] is Status.OK


GOOD = Work("build", True, before(1))
LOOK = Queues("http://server", NOW, watched=5, hours=24, work=(GOOD,))


@pytest.mark.parametrize(
    ("work", "statuses"),
    [
        ((GOOD,), (Status.OK, Status.OK, Status.OK)),
        ((), (Status.UNKNOWN, Status.OK, Status.OK)),
        ((replace(GOOD, defined=False, polled_at=None),), (Status.UNKNOWN, Status.OK, Status.OK)),
        ((GOOD, Work("flash", True)), (Status.UNKNOWN, Status.OK, Status.OK)),
        ((GOOD, Work("flash", True, queued=1, queued_before=1)), (Status.FAIL, Status.OK, Status.OK)),
        ((replace(GOOD, queued=3, queued_before=2),), (Status.OK, Status.WARN, Status.OK)),
        ((replace(GOOD, queued=2, queued_before=3),), (Status.OK, Status.OK, Status.OK)),
        ((replace(GOOD, waiting=(Waiting("e", 61, 0),)),), (Status.OK, Status.OK, Status.FAIL)),
        ((replace(GOOD, waiting=(Waiting("e", 61, 30),)),), (Status.OK, Status.OK, Status.OK)),
    ],
)
def test_the_look_adds_up_to_three_checks(work: tuple[Work, ...], statuses: tuple[Status, ...]) -> None:
    """Unserved types fail, growth is a WARN, and who waits longer than allowed fails and is named."""
    checks = queue_checks(replace(LOOK, work=work), HOST, LIMITS)
    assert tuple(check.status for check in checks) == statuses
    assert all(bool(check.hint) is (check.status is not Status.OK) for check in checks)


@pytest.mark.parametrize(
    ("definition", "retry", "seconds"),
    [
        ({}, 0, 0),
        ({"pollTimeoutSeconds": 30}, 0, 30),
        ({"retryDelaySeconds": 10}, 0, 0),
        ({"retryDelaySeconds": 10, "retryLogic": "FIXED"}, 3, 10),
        ({"retryDelaySeconds": 10, "retryLogic": "EXPONENTIAL_BACKOFF"}, 3, 40),
        ({"retryDelaySeconds": 10, "retryLogic": "EXPONENTIAL_BACKOFF", "maxRetryDelaySeconds": 25}, 3, 25),
        ({"retryDelaySeconds": 10, "retryLogic": "LINEAR_BACKOFF", "backoffScaleFactor": 2}, 3, 60),
        ({"retryDelaySeconds": 10, "pollTimeoutSeconds": 30}, 1, 40),
    ],
)
def test_a_retry_may_wait_for_its_delay(definition: dict[str, Any], retry: int, seconds: float) -> None:
    """What a task's definition lets it wait is its poll timeout and the delay of its retry."""
    assert allowed_wait(definition, retry) == seconds


def test_one_type_is_summed_up() -> None:
    """Polls, both looks at the sizes, open and ended tasks of a type are counted, those of others not."""
    definitions = Definitions(tasks={"build": {"name": "build", "pollTimeoutSeconds": 9}}, workflows={})
    done = task(TaskStatus.COMPLETED, started_at=before(10), ended_at=before(6))
    work = work_of(
        "build",
        definitions,
        polls=[
            PollData("build", "a", None, before(9)),
            PollData("build", "b", "x", before(3)),
            PollData("o", "c", None, NOW),
        ],
        sizes=({"build": 1, "x:build": 1, "rebuild": 9}, {"build": 2, "x:build": 2}),
        open_tasks=[
            ("e", task(TaskStatus.SCHEDULED, scheduled_at=before(7))),
            ("f", task(TaskStatus.IN_PROGRESS)),
            ("g", replace(task(TaskStatus.IN_PROGRESS), type="other")),
        ],
        recent=[done, replace(done, ended_at=before(8)), task(TaskStatus.FAILED), task(TaskStatus.CANCELED)],
        now=NOW,
    )
    assert (work.polled_at, work.workers) == (before(3), ("a", "b"))
    assert (work.queued_before, work.queued, work.running) == (2, 4, 1)
    assert work.waiting == (Waiting("e", 7, 9),)
    assert (work.completed, work.failed, work.seconds, work.median) == (2, 1, (2.0, 4.0), 3.0)
    assert work.as_dict()["longest_wait_seconds"] == 7


def test_a_task_that_nobody_serves_is_seen_to_wait(server: Conductor) -> None:
    """On a real server a task of a type without worker is seen in its queue, waiting, and its execution is named."""
    definition = {
        "name": "queue-look", "version": 1, "schemaVersion": 2, "ownerEmail": "test@example.org", "timeoutSeconds": 60,
        "timeoutPolicy": "TIME_OUT_WF",
        "tasks": [{"name": "nobody_serves", "taskReferenceName": "nobody_serves", "type": "SIMPLE"}],
    }  # fmt: skip
    server.put_task_definitions([{"name": "nobody_serves", "ownerEmail": "test@example.org", "timeoutSeconds": 50,
                                  "responseTimeoutSeconds": 40}])  # fmt: skip
    server.put_workflow_definition(definition)
    execution = server.start("queue-look", {})
    try:
        known = Definitions(tasks={"nobody_serves": {}}, workflows={("queue-look", 1): definition})
        look = look_at_queues(server, known, watch=0.2)
        (work,) = [each for each in look.work if each.task_type == "nobody_serves"]
        assert (work.queued, work.polled_at) == (1, None)
        assert [one.execution_id for one in work.waiting] == [execution]
        assert queue_checks(look, HOST, LIMITS)[0].status is Status.FAIL
        late = queue_checks(look, HOST, QueueLimits(waits_at_most=timedelta(0)))[2]
        assert execution in late.evidence
    finally:
        server.terminate(execution, "the test is over")


def test_recent_tasks_are_those_since(server: Conductor) -> None:
    """Nothing has changed since tomorrow."""
    assert server.recent_tasks(datetime.now(UTC) + timedelta(days=1), size=10) == []


def test_the_shipped_types_are_all_in_the_look(server: Conductor) -> None:
    """Each task type of the shipped definitions has its row, polled or not."""
    look = look_at_queues(server, watch=0)
    assert load().task_types() <= {work.task_type for work in look.work if work.defined}
