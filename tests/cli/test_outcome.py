"""What is told of an execution that a command waits for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from k1nb.cli._outcome import telling
from k1nb.conductor import Change, Execution, ExecutionStatus, Task, TaskStatus
from k1nb.errors import ConductorUnreachable

TASK = Task.from_json(
    {
        "taskId": "t1",
        "referenceTaskName": "preflight",
        "taskDefName": "preflight_device",
        "taskType": "SIMPLE",
        "status": "IN_PROGRESS",
    }
)
EXECUTION = Execution("e1", "device-deployment", 1, ExecutionStatus.RUNNING, tasks=(TASK,))


def test_each_change_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Another worker that takes the same task is no news; a failed attempt is, with its reason and its number."""
    failed = replace(TASK, status=TaskStatus.FAILED, reason="device demo does not answer", retry_count=3)
    with telling("delivery") as told:
        told.begun("e1", joined=True)
        for task in (TASK, replace(TASK, worker_id="another"), failed, failed, None, None):
            told.changed(Change(EXECUTION, 1 if task else 0, task))
        told.silent(ConductorUnreachable("Conductor does not answer"))
        told.silent(None)
    said = capsys.readouterr()
    assert said.out == ""
    assert [line.strip() for line in said.err.splitlines()] == [
        "execution e1 is under way already, joined",
        "preflight  IN_PROGRESS",
        "preflight  FAILED  attempt 4  device demo does not answer",
        "device-deployment  RUNNING",
        "Conductor does not answer; waiting for it",
        "Conductor answers again",
    ]


def _break(error: BaseException, what: str) -> None:
    """Have something end a command that waits for an execution."""
    with telling(what) as told:
        told.begun("e1", joined=False)
        raise error


def test_who_stops_waiting_hears_that_it_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C and a server that stays away end with the execution's id and how it is followed and joined."""
    hint = "follow it with `k1nb executions follow e1`; the same command joins it again"
    with pytest.raises(SystemExit) as stopped:
        _break(KeyboardInterrupt(), "delivery")
    assert stopped.value.code == 130
    said = f"error: interrupted; the delivery goes on at the server as execution e1\nhint: {hint}\n"
    assert capsys.readouterr().err.endswith(said)
    with pytest.raises(ConductorUnreachable, match="no answer; the rollback goes on") as silent:
        _break(ConductorUnreachable("no answer", hint="start it"), "rollback")
    assert silent.value.hint == f"start it; then {hint}"


def test_before_anything_is_known_to_have_begun_nothing_is_claimed(capsys: pytest.CaptureFixture[str]) -> None:
    """Without an execution's id Ctrl-C says so, and a server that never answered is told as it is."""
    with pytest.raises(SystemExit), telling("delivery"):
        raise KeyboardInterrupt
    assert "before it is known whether the delivery has begun" in capsys.readouterr().err
    with pytest.raises(ConductorUnreachable, match=r"^no answer$"), telling("delivery"):
        raise ConductorUnreachable("no answer")
