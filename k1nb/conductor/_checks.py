"""What a daily look at the workflow server asks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property

from k1nb._plain import counted, first_line
from k1nb.checks import Check, Status
from k1nb.conductor._client import Conductor
from k1nb.conductor._definitions import Definitions, load
from k1nb.conductor._executions import Execution, ExecutionStatus
from k1nb.conductor._forgotten import Running, forgotten, running_executions
from k1nb.conductor._queue_calls import PollData
from k1nb.conductor._sync import plan_definitions
from k1nb.config import Settings
from k1nb.errors import ConductorError
from k1nb.plan import Plan
from k1nb.timings import Timings

POLLED_WITHIN = timedelta(seconds=30)
"""A worker that serves a task type has asked for it more recently than this, unless it is at work on one."""
ASKED_AGAIN_WITHIN = timedelta(seconds=120)
"""A worker that asks for some types has asked for each of its own by then, also where the server was away before."""
LONG_RUNNING = timedelta(seconds=600)
"""What a normal run of the pipeline stays below. Source: the design's targets."""
BACKLOG = 20
"""Waiting tasks of one type that are more than a burst: ten executions at once leave none."""
LOOK_BACK = timedelta(hours=24)
_NAMED = 5
_LOOKED_AT = 100
"""Failed executions that are counted; where there are more, the check says at least."""
_LINE = 160
"""Characters of a reason that stand in a check; whoever wants to read it all looks at the execution."""


class _Look:
    """One look at one server; what several checks need is fetched once."""

    def __init__(self, conductor: Conductor, definitions: Definitions, timings: Timings) -> None:
        self.conductor = conductor
        self.timings = timings
        self.definitions = definitions
        self.now = datetime.now(UTC)

    @cached_property
    def running(self) -> Running:
        return running_executions(self.conductor)

    @cached_property
    def working(self) -> set[str]:
        """Task types that some worker is at work on."""
        tasks = (task for execution in self.running.executions for task in execution.tasks)
        return {t.type for t in tasks if not t.status.terminal and t.started_at and t.worker_id}


def checks(settings: Settings) -> list[Check]:
    """Ask the configured server how it is, and answer each question.

    A server that does not answer is FAIL, and what could not be asked of it UNKNOWN; nothing is raised for either.
    """
    with Conductor.from_settings(settings) as conductor:
        first = _answers(conductor)
        if first.status is Status.FAIL:
            return [first, *(_unasked(name, conductor, "not asked: the server does not answer") for name in _QUESTIONS)]
        look = _Look(conductor, load(), settings.timings)
        return [first, *(_asked(name, question, look) for name, question in _QUESTIONS.items())]


def _answers(conductor: Conductor) -> Check:
    name, source = "conductor: answers", f"{conductor.url}/health"
    began = time.monotonic()
    try:
        healthy = conductor.healthy()
    except ConductorError as error:
        return Check(name, Status.FAIL, error.message, error.hint or "see `k1nb logs conductor`", source)
    if not healthy:
        return Check(name, Status.FAIL, "it calls itself unhealthy", "see `k1nb logs conductor`", source)
    took = round((time.monotonic() - began) * 1000)
    return Check(name, Status.OK, f"healthy, in {took} ms", source=source, values={"answer_ms": float(took)})


def _unasked(name: str, conductor: Conductor, why: str) -> Check:
    return Check(name, Status.UNKNOWN, why, "start the server with `k1nb up conductor`, then look again", conductor.url)


def _asked(name: str, question: Callable[[str, _Look], Check], look: _Look) -> Check:
    try:
        return question(name, look)
    except ConductorError as error:
        return _unasked(name, look.conductor, error.message)


def _definitions(name: str, look: _Look) -> Check:
    server = look.conductor.task_definitions(), look.conductor.workflow_definitions()
    plan = plan_definitions(look.definitions, *server)
    return definitions_check(name, look.definitions, plan, f"{look.conductor.url}/metadata")


def definitions_check(name: str, definitions: Definitions, plan: Plan, source: str) -> Check:
    """Judge what it would take to bring the server's definitions to those of the files."""
    if not plan.steps:
        count = f"{len(definitions.workflows)} workflows and {len(definitions.tasks)} task definitions"
        return Check(name, Status.OK, f"{count} are as in the files", source=source)
    seen = _some(f"{step.subject}: {step.why}" for step in plan.steps)
    return Check(
        name,
        Status.FAIL,
        seen,
        "see `k1nb definitions diff`; `k1nb definitions apply` registers the shipped ones",
        source,
    )


def _polls(name: str, look: _Look) -> Check:
    source = f"{look.conductor.url}/tasks/queue/polldata/all"
    wanted, polls = look.definitions.task_types(), look.conductor.poll_data()
    # Only where somebody is silent it matters who is at work.
    working = look.working if unpolled(wanted, polls, look.now) else set()
    return polls_check(name, wanted, polls, working, look.now, source)


def polls_check(
    name: str, wanted: set[str], polls: Sequence[PollData], working: set[str], now: datetime, source: str
) -> Check:
    """Judge who asks for the wanted task types; one at a time means not asking while at work on one."""
    lately = any(poll.task_type in wanted and not _stale(poll, now) for poll in polls)
    silent = {
        task: last
        for task, last in unpolled(wanted, polls, now).items()
        if task not in working and not (lately and last and now - last <= ASKED_AGAIN_WITHIN)
    }
    if not silent:
        workers = {poll.worker_id for poll in polls if poll.task_type in wanted and not _stale(poll, now)}
        evidence = f"{len(wanted)} task types are polled, by {_some(sorted(workers))}"
        return Check(name, Status.OK, evidence, source=source)
    seen = _some(f"{task}: {'last at ' + _clock(last) if last else 'never'}" for task, last in silent.items())
    hint = "start the workers with `k1nb up workers`; why they are silent is in `k1nb logs workers`"
    return Check(name, Status.FAIL, f"{len(silent)} of {len(wanted)} task types are not polled: {seen}", hint, source)


def unpolled(wanted: Iterable[str], polls: Sequence[PollData], now: datetime) -> dict[str, datetime | None]:
    """Return the task types that no worker asked for lately, each with when one last did, if ever."""
    last: dict[str, datetime | None] = dict.fromkeys(sorted(wanted))
    for poll in polls:
        before = last.get(poll.task_type)
        if poll.task_type in last and poll.last_poll and (before is None or before < poll.last_poll):
            last[poll.task_type] = poll.last_poll
    return {task: at for task, at in last.items() if at is None or now - at > POLLED_WITHIN}


def _stale(poll: PollData, now: datetime) -> bool:
    return poll.last_poll is None or now - poll.last_poll > POLLED_WITHIN


def _queues(name: str, look: _Look) -> Check:
    source = f"{look.conductor.url}/tasks/queue/all"
    return queues_check(name, look.definitions.task_types(), look.conductor.queue_sizes(), source)


def queues_check(name: str, wanted: set[str], sizes: Mapping[str, int], source: str) -> Check:
    """Judge how many tasks of the wanted types wait, in whatever domain."""
    ours = {queue: size for queue, size in sizes.items() if queue.rpartition(":")[2] in wanted}
    long = {queue: size for queue, size in ours.items() if size > BACKLOG}
    waiting = sum(ours.values())
    values = {"waiting_tasks": float(waiting)}
    if not long:
        return Check(name, Status.OK, _waiting(waiting, len(ours)), source=source, values=values)
    seen = _some(f"{size} of {queue}" for queue, size in sorted(long.items(), key=lambda item: -item[1]))
    hint = "see whether the workers poll and what they do: `k1nb logs workers`"
    return Check(name, Status.WARN, f"more than {BACKLOG} tasks wait: {seen}", hint, source, values=values)


def _waiting(tasks: int, queues: int) -> str:
    return f"{counted(tasks, 'task waits', 'tasks wait')} in {counted(queues, 'queue')}"


def _failures(name: str, look: _Look) -> Check:
    statuses = (ExecutionStatus.FAILED, ExecutionStatus.TIMED_OUT)
    found = look.conductor.find(status=statuses, since=look.now - LOOK_BACK, size=_LOOKED_AT)
    return failures_check(name, found, f"{look.conductor.url}/workflow/search")


def failures_check(name: str, failed: Sequence[Execution], source: str) -> Check:
    """Judge what failed or timed out in the last day, newest first; a sub-workflow counts with what started it."""
    ids = {execution.id for execution in failed}
    # A runbook's execution fails because a check does; the check of schedules tells of it.
    first = [execution for execution in failed if execution.parent_id not in ids and execution.name != "runbook"]
    values = {"failed_executions": float(len(first))}
    if not first:
        return Check(name, Status.OK, "none failed or timed out in the last 24 h", source=source, values=values)
    count = f"{'at least ' if len(failed) == _LOOKED_AT else ''}{len(first)}"
    hint = "see them all with `k1nb executions list --failed`"
    seen = f"{count} failed in 24 h; the newest, {_failed(first[0])}"
    return Check(name, Status.WARN, seen, hint, source, values=values)


def _failed(execution: Execution) -> str:
    why = first_line(execution.reason, _LINE) or f"ended {execution.status} without a reason"
    return f"{execution.name} {execution.id}: {why}"


def _running(name: str, look: _Look) -> Check:
    return running_check(name, look.running, look.now, look.timings, f"{look.conductor.url}/workflow/search")


def running_check(name: str, running: Running, now: datetime, timings: Timings, source: str) -> Check:
    """Judge what runs: whether the server has forgotten some of it, and whether some runs for long."""
    lost = [execution for execution in running.executions if forgotten(execution, now, timings.forgotten_after)]
    if lost:
        seen = _some(f"{e.name} {e.id}, nothing to do since {_clock(e.updated_at)}" for e in lost)
        hint = "let the server continue them with `k1nb executions repair`; the worker host does it by itself"
        return Check(name, Status.WARN, f"{len(lost)} forgotten by the server: {seen}", hint, source)
    long = [execution for execution in running.executions if overdue(execution, now)]
    if long:
        seen = _some(f"{e.name} {e.id} since {_clock(e.started_at)}" for e in long)
        minutes = LONG_RUNNING.total_seconds() / 60
        hint = f"see what it waits for: `k1nb executions show {long[0].id}`"
        return Check(name, Status.WARN, f"{len(long)} for more than {minutes:.0f} minutes: {seen}", hint, source)
    if running.cut:
        seen = f"the oldest {running.looked_at} are well, and there are more, which were not looked at"
        return Check(name, Status.UNKNOWN, seen, "see what piles up: `k1nb executions list --running`", source)
    count = len(running.executions)
    values = {"running_executions": float(count)}
    return Check(name, Status.OK, f"{count} running, none for long", source=source, values=values)


def overdue(execution: Execution, now: datetime) -> bool:
    """Tell whether an execution runs longer than a normal one, and waits for no person."""
    waits = any(task.kind in ("HUMAN", "WAIT") and not task.status.terminal for task in execution.tasks)
    return not waits and execution.started_at is not None and now - execution.started_at > LONG_RUNNING


def _some(items: Iterable[str]) -> str:
    named = list(items)
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return ("; ".join(named[:_NAMED]) + more) or "nobody"


def _clock(at: datetime | None) -> str:
    return at.isoformat(sep=" ", timespec="seconds") if at else "an unknown time"


_QUESTIONS: dict[str, Callable[[str, _Look], Check]] = {
    "conductor: definitions": _definitions,
    "conductor: workers poll": _polls,
    "conductor: queues": _queues,
    "conductor: failed executions": _failures,
    "conductor: running executions": _running,
}
