"""What a daily look at the workflow server asks."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from k1nb.checks import Check, Status
from k1nb.conductor import Conductor, Execution, ExecutionStatus, PollData, Task, TaskStatus, checks, forgotten
from k1nb.conductor._checks import (
    BACKLOG,
    definitions_check,
    failures_check,
    overdue,
    polls_check,
    queues_check,
    running_check,
    unpolled,
)
from k1nb.conductor._forgotten import Running
from k1nb.config import Settings
from k1nb.plan import Plan, Step
from k1nb.timings import Timings
from tests.conductor.builders import a_task, a_use, a_workflow, defined, unique
from tests.conductor.hand import Hand
from tests.serving import serving

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NAMES = [
    "conductor: answers",
    "conductor: definitions",
    "conductor: workers poll",
    "conductor: queues",
    "conductor: failed executions",
    "conductor: running executions",
]


def _ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def _statuses(answers: list[Check]) -> dict[str, Status]:
    return {check.name: check.status for check in answers}


def test_a_server_that_is_down_fails_and_the_rest_is_unknown(settings: Settings) -> None:
    """A configured server that does not answer is FAIL, what could not be asked UNKNOWN, and each has a hint."""
    answers = checks(settings)
    assert [check.name for check in answers] == NAMES
    assert [check.status for check in answers] == [Status.FAIL, *[Status.UNKNOWN] * 5]
    assert all(check.hint and str(settings.conductor_port) in check.source for check in answers)


@pytest.fixture
def asked(settings: Settings, conductor_url: str) -> Settings:
    """Settings for the session's real server."""
    return settings.model_copy(update={"conductor_server_url": conductor_url})


def test_a_real_server_answers_every_question(asked: Settings) -> None:
    """A server that runs answers each question one way or the other; what is not OK says what to do."""
    answers = checks(asked)
    assert [check.name for check in answers] == NAMES
    assert answers[0].status is Status.OK
    assert Status.UNKNOWN not in _statuses(answers).values()
    assert all(check.evidence and check.source.startswith(asked.conductor_server_url) for check in answers)
    assert all(check.hint for check in answers if check.status is not Status.OK)


def test_a_failed_execution_is_named(asked: Settings, conductor: Conductor, hand: Hand) -> None:
    """An execution that failed today is a warning that names it, its id and its reason."""
    name = unique("failing-")
    conductor.put_task_definitions([a_task(task := name.replace("-", "_"), retryCount=0)])
    conductor.put_workflow_definition(a_workflow(a_use(task, "compile"), name=name))
    execution_id = conductor.start(name, {})
    hand.finish(execution_id, {"compile": ("FAILED", {})})
    deadline = time.monotonic() + 20
    while execution_id not in (check := _of(checks(asked), "conductor: failed executions")).evidence:
        assert time.monotonic() < deadline, check.evidence
        time.sleep(0.2)
    assert check.status is Status.WARN
    assert name in check.evidence
    assert "as the test says" in check.evidence
    assert "Task " not in check.evidence, "the server's wrapping"
    assert "k1nb executions list --failed" in (check.hint or "")


def test_of_many_failures_the_newest_tells_its_first_line() -> None:
    """However many failed, and whatever their texts, the check stays one short line: how many, and the newest."""
    text = "commit 338eeb216a4a does not build: src/main.c:31:11: error: " + "x" * 300 + "\nIn file included from …"
    failed = [
        Execution(f"e{n}", "firmware-build", 1, ExecutionStatus.FAILED, reason=text if n == 0 else "other")
        for n in range(5)
    ]
    check = failures_check("conductor: failed executions", failed, "source")
    assert check.status is Status.WARN
    assert check.evidence.startswith("5 failed in 24 h; the newest, firmware-build e0: commit 338eeb216a4a does not")
    assert len(check.evidence) < 240
    assert "\n" not in check.evidence
    assert check.evidence.endswith(" …")
    assert check.values == {"failed_executions": 5.0}
    silent = [Execution("e", "x", 1, ExecutionStatus.TIMED_OUT)]
    assert "x e: ended TIMED_OUT without a reason" in failures_check("f", silent, "source").evidence
    assert failures_check("f", [], "source").status is Status.OK
    children = [Execution("c", "x", 1, ExecutionStatus.FAILED, parent_id="e"), *silent]
    assert failures_check("f", children, "source").values == {"failed_executions": 1.0}


def _of(answers: list[Check], name: str) -> Check:
    return next(check for check in answers if check.name == name)


class _Half(ThreadingHTTPServer):
    """Answers /health and refuses everything else."""

    health: Any = None


class _Handler(BaseHTTPRequestHandler):
    server: _Half

    def do_GET(self) -> None:
        healthy = self.path.endswith("/health")
        body = json.dumps(self.server.health if healthy else {"message": "database is locked"}).encode()
        self.send_response(200 if healthy else 500)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture
def half() -> Iterator[_Half]:
    """A server of which only the health route works."""
    with serving(_Half(("127.0.0.1", 0), _Handler)) as server:
        yield server


@pytest.mark.parametrize(
    ("health", "first"), [({"healthy": True}, Status.OK), ({"healthy": False}, Status.FAIL), ([], Status.FAIL)]
)
def test_health_alone_proves_nothing(half: _Half, settings: Settings, health: Any, first: Status) -> None:
    """A server that calls itself healthy and answers nothing else leaves everything else UNKNOWN."""
    half.health = health
    broken = settings.model_copy(update={"conductor_server_url": f"http://127.0.0.1:{half.server_port}"})
    answers = checks(broken)
    assert [check.status for check in answers] == [first, *[Status.UNKNOWN] * 5]
    assert first is not Status.OK or "database is locked" in answers[1].evidence


def test_drift_of_definitions_fails() -> None:
    """Definitions that differ from the files are FAIL, with the first of them named and the command that helps."""
    steps = tuple(Step("update", f"task t{n}", "the server's differs in retryCount") for n in range(7))
    definitions = defined(a_task(), a_workflow())
    drifted = definitions_check("x", definitions, Plan("x", steps), "")
    assert drifted.status is Status.FAIL
    assert "task t0: the server's differs in retryCount" in drifted.evidence
    assert drifted.evidence.endswith("and 2 more")
    assert "k1nb definitions apply" in (drifted.hint or "")
    same = definitions_check("x", definitions, Plan("x"), "")
    assert (same.status, same.evidence) == (Status.OK, "1 workflows and 1 task definitions are as in the files")


def _poll(task: str, seconds: float | None, domain: str | None = None) -> PollData:
    return PollData(task, f"worker-{domain}", domain, None if seconds is None else _ago(seconds))


def test_the_newest_poll_of_any_domain_counts() -> None:
    """A type is polled if any worker in any domain asked lately; others and what is not wanted don't matter."""
    polls = [_poll("a", 500), _poll("a", 3, "site"), _poll("b", 40), _poll("d", None), _poll("theirs", 900)]
    assert unpolled({"a", "b", "c", "d"}, polls, NOW) == {"b": _ago(40), "c": None, "d": None}


@pytest.mark.parametrize(
    ("polls", "working", "status", "word"),
    [
        ([_poll("a", 1), _poll("b", 2)], set(), Status.OK, "worker-None"),
        ([_poll("a", 1), _poll("b", 200)], set(), Status.FAIL, "b: last at 2026-03-01 11:56:40"),
        ([_poll("a", 1)], set(), Status.FAIL, "b: never"),
        ([_poll("a", 1), _poll("b", 200)], {"b"}, Status.OK, "2 task types"),
    ],
)
def test_silent_workers_fail(polls: list[PollData], working: set[str], status: Status, word: str) -> None:
    """A type that nobody asks for is FAIL, unless its worker is at work on one."""
    check = polls_check("x", {"a", "b"}, polls, working, NOW, "")
    assert check.status is status
    assert word in check.evidence


def test_a_backlog_warns() -> None:
    """More waiting tasks of one of our types than a burst is a warning; other people's queues are theirs."""
    fine = queues_check("x", {"a"}, {"a": BACKLOG, "site:a": 1, "theirs": 900, "_deciderQueue": 900}, "")
    assert (fine.status, fine.evidence) == (Status.OK, f"{BACKLOG + 1} tasks wait in 2 queues")
    long = queues_check("x", {"a"}, {"a": 2, "site:a": BACKLOG + 1}, "")
    assert long.status is Status.WARN
    assert f"{BACKLOG + 1} of site:a" in long.evidence


def _execution(*statuses: TaskStatus, since: float, kind: str = "SIMPLE", **changes: Any) -> Execution:
    tasks = tuple(Task(str(n), f"t{n}", "t", kind, status, updated_at=_ago(since)) for n, status in enumerate(statuses))
    facts = {"status": ExecutionStatus.RUNNING, "started_at": _ago(since), "updated_at": _ago(since), **changes}
    return Execution("e", "w", 1, tasks=tasks, **facts)


@pytest.mark.parametrize(
    ("execution", "expected"),
    [
        (_execution(TaskStatus.COMPLETED, since=90), True),
        (_execution(since=90), True),
        (_execution(TaskStatus.COMPLETED, since=30), False),
        (_execution(TaskStatus.COMPLETED, TaskStatus.SCHEDULED, since=9000), False),
        (_execution(TaskStatus.IN_PROGRESS, since=9000), False),
        (_execution(TaskStatus.COMPLETED, since=90, updated_at=_ago(5)), False),
        (_execution(TaskStatus.COMPLETED, since=90, status=ExecutionStatus.PAUSED), False),
        (_execution(TaskStatus.COMPLETED, since=90, status=ExecutionStatus.COMPLETED), False),
    ],
)
def test_forgotten_is_running_with_nothing_to_do(execution: Execution, expected: bool) -> None:
    """An execution is forgotten if it is RUNNING, nothing is scheduled or at work, and nothing moved for a minute."""
    assert forgotten(execution, NOW, Timings().forgotten_after) is expected


@pytest.mark.parametrize(
    ("executions", "cut", "expected"),
    [
        ([_execution(TaskStatus.IN_PROGRESS, since=9)], False, (Status.OK, "1 running")),
        ([_execution(TaskStatus.IN_PROGRESS, since=9)], True, (Status.UNKNOWN, "oldest 200 are well")),
        ([_execution(TaskStatus.COMPLETED, since=90)], True, (Status.WARN, "1 forgotten")),
        ([_execution(TaskStatus.IN_PROGRESS, since=700)], True, (Status.WARN, "more than 10 minutes")),
    ],
)
def test_a_look_that_was_cut_is_not_green(executions: list[Execution], cut: bool, expected: tuple[Status, str]) -> None:
    """Where more executions run than were looked at, what is found counts, and finding nothing is UNKNOWN."""
    check = running_check("x", Running(tuple(executions), 200, cut), NOW, Timings(), "source")
    assert check.status is expected[0]
    assert expected[1] in check.evidence
    assert bool(check.hint) is (check.status is not Status.OK)


@pytest.mark.parametrize(
    ("execution", "expected"),
    [
        (_execution(TaskStatus.IN_PROGRESS, since=700), True),
        (_execution(TaskStatus.IN_PROGRESS, since=500), False),
        (_execution(TaskStatus.IN_PROGRESS, since=9000, kind="HUMAN"), False),
        (_execution(TaskStatus.COMPLETED, since=9000, kind="HUMAN"), True),
    ],
)
def test_waiting_for_a_person_is_not_overdue(execution: Execution, expected: bool) -> None:
    """Ten minutes are long for work, and nothing for a person who has yet to answer."""
    assert overdue(execution, NOW) is expected
