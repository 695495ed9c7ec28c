"""Commands for executions, run as an operator would run them, on a real Conductor server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from k1nb.conductor import Conductor, ExecutionStatus
from k1nb.timings import Timings
from tests.conductor.builders import a_task, a_use, a_workflow, unique
from tests.conductor.hand import Answer, Hand
from tests.refusals import assert_refused

DONE: Answer = ("COMPLETED", {})
FAILED: Answer = ("FAILED", {})
NOBODY = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def server(conductor_url: str) -> Iterator[Conductor]:
    """A client of the session's Conductor."""
    with Conductor(conductor_url, Timings(follow=0.1)) as client:
        yield client


@pytest.fixture
def hand(conductor_url: str) -> Iterator[Hand]:
    """A worker by hand, on the session's Conductor."""
    worker = Hand(conductor_url)
    yield worker
    worker.close()


@pytest.fixture
def workflow(server: Conductor) -> str:
    """The name of a fresh workflow of the steps `one` and `two`."""
    name = unique("cli-")
    tasks = [name.replace("-", "_") + number for number in "12"]
    server.put_task_definitions([a_task(task, retryCount=0) for task in tasks])
    server.put_workflow_definition(a_workflow(a_use(tasks[0], "one"), a_use(tasks[1], "two"), name=name))
    return name


def executions(server: Conductor, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `k1nb executions …` against the server."""
    return subprocess.run(_command(*words), env=_surroundings(server), capture_output=True, text=True, check=False)


def _command(*words: str) -> list[str]:
    return [sys.executable, "-m", "k1nb", "executions", *words]


def _surroundings(server: Conductor) -> dict[str, str]:
    return {**os.environ, "CONDUCTOR_SERVER_URL": server.url, "K1NB_TIMINGS_SCALE": "0.1", "NO_COLOR": "1"}


def test_following_prints_a_line_for_each_change(server: Conductor, workflow: str, hand: Hand) -> None:
    """Each change of a task is a line as it happens, the end is the last line, and exit code 0 says it completed."""
    execution = server.start(workflow, {})
    with subprocess.Popen(
        _command("follow", execution), env=_surroundings(server), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline().split()[1:]
        hand.finish(execution, {"one": DONE, "two": DONE})
        lines = [line.split()[1:] for line in process.stdout]
    assert process.returncode == 0
    assert first == ["one", "SCHEDULED"]
    assert lines.index(["one", "COMPLETED"]) < lines.index(["two", "COMPLETED"])
    assert lines[-1] == [workflow, "COMPLETED"]


def test_following_gives_json_lines_and_the_end(server: Conductor, workflow: str, hand: Hand) -> None:
    """As JSON each change is one line, and what did not complete ends 1."""
    execution = server.start(workflow, {})
    hand.finish(execution, {"one": DONE, "two": FAILED})
    done = executions(server, "follow", execution, "--json")
    changes = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1
    assert [(change["task"], change["status"]) for change in changes] == [
        ("one", "COMPLETED"),
        ("two", "FAILED"),
        (None, "FAILED"),
    ]


def test_executions_are_paused_and_resumed(server: Conductor, workflow: str) -> None:
    """Both take several ids, say what became of each, and end 1 where one was refused."""
    ids = [server.start(workflow, {}) for _ in range(2)]
    assert executions(server, "pause", *ids).returncode == 0
    assert {server.execution(one).status for one in ids} == {ExecutionStatus.PAUSED}
    done = executions(server, "resume", *ids, NOBODY, "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, sorted(told["done"]), list(told["refused"])) == (1, sorted(ids), [NOBODY])
    assert {server.execution(one).status for one in ids} == {ExecutionStatus.RUNNING}


def test_a_failed_execution_is_retried(server: Conductor, workflow: str, hand: Hand) -> None:
    """A retry goes on from the failed task; one that runs is refused in the server's words, and that ends 1."""
    execution = server.start(workflow, {})
    hand.finish(execution, {"one": FAILED})
    assert executions(server, "retry", execution).returncode == 0
    done = executions(server, "retry", execution)
    assert done.returncode == 1
    assert "still running" in done.stdout
    hand.finish(execution, {"one": DONE, "two": DONE})


def test_a_termination_wants_consent(server: Conductor, workflow: str) -> None:
    """First the plan is shown and nothing done; with its id the execution ends for that reason, once."""
    execution = server.start(workflow, {})
    words = ("terminate", execution, "--reason", "wrong commit")
    shown = executions(server, *words)
    plan = re.findall(r"plan-[0-9a-f]{12}", shown.stdout)[0]
    assert shown.returncode == 0
    assert "nothing was changed" in shown.stderr
    assert server.execution(execution).status is ExecutionStatus.RUNNING
    assert_refused(executions(server, *words, "--json", "--apply", "plan-000000000000"), 2, "plan-000000000000")
    done = executions(server, *words, "--apply", plan)
    assert (done.returncode, "TERMINATED" in done.stdout) == (0, True)
    assert server.execution(execution).reason == "wrong commit"
    assert "nothing to do" in executions(server, *words).stderr


def test_an_ended_execution_begins_again_with_consent(server: Conductor, workflow: str, hand: Hand) -> None:
    """A restart begins at the first task, a rerun at the one that is named."""
    execution = server.start(workflow, {"a": "1"})
    hand.finish(execution, {"one": DONE, "two": DONE})
    for words in (("restart", execution), ("rerun", execution, "--from", "two"), ("rerun", execution, "-i", "a=2")):
        plan = json.loads(executions(server, *words, "--json").stdout)["plan"]["id"]
        done = executions(server, *words, "--apply", plan, "--json")
        told = json.loads(done.stdout)
        assert (done.returncode, told["applied"], told["refused"]) == (0, True, {})
        assert [one["status"] for one in told["done"]] == ["RUNNING"]
        hand.finish(execution, {"one": DONE, "two": DONE})
    assert server.execution(execution).input == {"a": "2"}


def test_what_cannot_begin_again_is_refused(server: Conductor, workflow: str) -> None:
    """A running execution and an unknown one are one error line with a hint."""
    execution = server.start(workflow, {})
    assert_refused(executions(server, "restart", execution), 2, "RUNNING")
    assert_refused(executions(server, "rerun", NOBODY), 1, NOBODY)


def test_the_list_is_bounded_and_searched(server: Conductor, workflow: str) -> None:
    """The list ends at its limit and says so; a word is looked for in inputs."""
    first = server.start(workflow, {"repo": "needle"})
    server.start(workflow, {"repo": "hay"})
    for _ in range(100):
        done = executions(server, "list", workflow, "--text", "needle", "--json")
        found = [one["id"] for one in json.loads(done.stdout)]
        if found == [first]:
            break
    assert found == [first]
    limited = executions(server, "list", workflow, "--limit", "1")
    assert "--limit" in limited.stderr
    assert_refused(executions(server, "list", "--text", "two words"), 2, "two words")
