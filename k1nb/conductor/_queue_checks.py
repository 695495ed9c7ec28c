"""What a look at the queues adds up to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from k1nb._plain import counted
from k1nb.checks import Check, Status
from k1nb.conductor._queues import Queues, Work

_NAMED = 6
_START = "start the workers with `k1nb up workers`; why they are silent is in `k1nb logs workers`"


@dataclass(frozen=True, slots=True)
class Host:
    """What is known of the worker host of this home."""

    alive: bool
    since: datetime | None = None
    """Start of its process."""


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """What is still good."""

    polled_within: timedelta = timedelta(seconds=30)
    """A worker that asks all the time has asked more recently than this."""
    waits_at_most: timedelta = timedelta(seconds=60)
    """What a task may wait for a worker, beside what its definition allows it."""


def queue_checks(queues: Queues, host: Host, limits: QueueLimits) -> list[Check]:
    """Judge whether every defined task type is served, no queue grows, and no task waits too long."""
    wanted = [work for work in queues.work if work.defined]
    return [_served(queues, wanted, host, limits), _growth(queues), _waits(queues, limits)]


def served(work: Work, host: Host, now: datetime, limits: QueueLimits) -> tuple[Status, str]:
    """Tell whether a task type is served, and how that is known.

    A host need not ask for what has nothing waiting: one that lives and has asked since its start serves an idle type,
    however long ago that was. Of a type that it has not asked for yet nothing is known.
    """
    last = work.polled_at
    if last is not None and now - last <= limits.polled_within:
        return Status.OK, "polled"
    if work.running:
        return Status.OK, "at work on one"
    ago = f"last asked for {_ago(now, last)}" if last else "never asked for"
    if not host.alive:
        return Status.FAIL, ago
    if work.queued:
        return Status.FAIL, f"{ago}, and {work.queued} wait"
    if last is None or host.since is None or last < host.since:
        return Status.UNKNOWN, f"{ago}, not since the host's start"
    return Status.OK, f"idle: {ago}, since the host's start, and nothing waits"


def _served(queues: Queues, wanted: Iterable[Work], host: Host, limits: QueueLimits) -> Check:
    name, source = "workers: task types served", f"{queues.url}/tasks/queue/polldata/all"
    answers = {work.task_type: served(work, host, queues.at, limits) for work in wanted}
    for status in (Status.FAIL, Status.UNKNOWN):
        bad = [f"{task} ({why})" for task, (found, why) in answers.items() if found is status]
        if bad:
            hint = _START if status is Status.FAIL else "look again in a minute; a new host asks for each type once"
            seen = f"{len(bad)} of {len(answers)} task types are {_words(status)}: {_some(bad)}"
            return Check(name, status, seen, hint, source)
    if not answers:
        return Check(name, Status.UNKNOWN, "the definitions use no task type", "`k1nb definitions lint`", source)
    idle = sum(why.startswith("idle") for _, why in answers.values())
    seen = f"{len(answers)} task types, {len(answers) - idle} polled or at work, {idle} idle under a living host"
    return Check(name, Status.OK, seen, source=source)


def _words(status: Status) -> str:
    return "not served" if status is Status.FAIL else "not known to be served"


def _growth(queues: Queues) -> Check:
    name, source = "workers: queues do not grow", f"{queues.url}/tasks/queue/all"
    grown = [w for w in queues.work if w.queued > w.queued_before]
    within = f"within {queues.watched:g} s"
    if not grown:
        total = sum(work.queued for work in queues.work)
        values = {"waiting_tasks": float(total)}
        return Check(
            name,
            Status.OK,
            f"{counted(total, 'task waits', 'tasks wait')}, none more {within}",
            source=source,
            values=values,
        )
    seen = _some(f"{w.task_type} {w.queued_before} → {w.queued}" for w in grown)
    hint = "look again: one that goes on growing gets more than its workers do; `k1nb executions list --running`"
    return Check(name, Status.WARN, f"{len(grown)} grew {within}: {seen}", hint, source)


def _waits(queues: Queues, limits: QueueLimits) -> Check:
    name, source = "workers: no task waits too long", f"{queues.url}/workflow/search"
    most = limits.waits_at_most.total_seconds()
    waiting = [(work.task_type, one) for work in queues.work for one in work.waiting]
    late = [(task, one) for task, one in waiting if one.seconds > most + one.allowed]
    if not late:
        longest = max((one.seconds for _, one in waiting), default=0.0)
        seen, values = (
            f"{counted(len(waiting), 'waits', 'wait')}, the longest for {longest:.0f} s",
            {"longest_wait_seconds": longest},
        )
        return Check(name, Status.OK, seen, source=source, values=values)
    late.sort(key=lambda pair: -pair[1].seconds)
    seen = _some(f"{task} for {one.seconds:.0f} s in {one.execution_id}" for task, one in late)
    hint = f"see what it waits for: `k1nb executions show {late[0][1].execution_id}`; {_START}"
    return Check(name, Status.FAIL, f"{len(late)} wait longer than {most:.0f} s: {seen}", hint, source)


def _ago(now: datetime, then: datetime) -> str:
    return f"{(now - then).total_seconds():.0f} s ago"


def _some(items: Iterable[str]) -> str:
    named = list(items)
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return "; ".join(named[:_NAMED]) + more
