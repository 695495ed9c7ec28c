"""What Conductor knows and its own metrics do not tell."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog

from k1nb.conductor import Conductor, Execution, ExecutionStatus, PollData, TaskStatus, forgotten
from k1nb.config import Settings
from k1nb.errors import ConductorError, ConductorNotFound, SettingError

FAILED = (ExecutionStatus.FAILED, ExecutionStatus.TIMED_OUT, ExecutionStatus.TERMINATED)
"""How an execution ends that did not succeed."""
RUNNING_MOST = 1000
"""Running executions whose age is taken into account."""
LOOKED_INTO = 200
"""Of them, those whose tasks are looked at, the oldest first."""
FAILURES_MOST = 500
FAILURES_SINCE = timedelta(days=1)
"""How long ago an execution may have been started whose failure is counted."""
POLLED_WITHIN = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Workflow:
    """How the running executions of one workflow stand."""

    running_seconds: float = 0.0
    """Age of the oldest that does not wait for a person."""
    waiting: int = 0
    forgotten: int = 0


@dataclass(frozen=True, slots=True)
class Facts:
    """One look at the server."""

    at: float
    """By the host's clock."""
    workflows: Mapping[str, Workflow]
    pollers: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Failures:
    """Executions that did not succeed, each counted once; a baseline is not counted."""

    seen: frozenset[tuple[str, str, datetime | None]] = frozenset()
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By workflow and status."""
    started: bool = False

    def after(self, found: Iterable[Execution]) -> Failures:
        """Return what is counted when these are seen; the same execution counts again if it failed again."""
        now = {(execution.id, execution.status.value, execution.ended_at): execution for execution in found}
        new = [execution for key, execution in now.items() if key not in self.seen] if self.started else []
        counts = self.counts + Counter((execution.name, execution.status.value) for execution in new)
        return Failures(frozenset(now), counts, started=True)


class ConductorWatch(threading.Thread):
    """Looks at the server again and again, in a thread that ends with the process: no request to it can be cut."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(name="conductor", daemon=True)
        self.facts: Facts | None = None
        """What the server said last; None before its first answer."""
        self.failures = Failures()
        self.up = False
        """Whether it answered everything at the last look."""
        self._settings = settings
        self._log = structlog.get_logger("k1nb.exporter")

    @property
    def fresh(self) -> Facts | None:
        """What the server said, where that is not too old to be told."""
        facts = self.facts
        stale = self._settings.timings.exporter_stale
        return facts if facts is not None and time.monotonic() - facts.at <= stale else None

    def run(self) -> None:
        """Look for ever."""
        while True:
            self.look()
            time.sleep(self._settings.timings.exporter_conductor)

    def look(self) -> None:
        """Look once; a server that does not answer is looked at again next time."""
        before = self.up
        try:
            with Conductor.from_settings(self._settings) as conductor:
                healthy = conductor.healthy()
                if healthy:  # one that is not ready yet has enough to do
                    self.facts = self._ask(conductor)
                self.up = healthy
        except (ConductorError, SettingError) as error:
            self.up = False
            self._log.debug("Conductor does not answer", error=error.message)
        except Exception:  # noqa: BLE001 - an odd answer must not end the only thread that looks
            self.up = False
            self._log.exception("a look at Conductor failed")
        if before != self.up:
            self._log.info("Conductor is up" if self.up else "Conductor is down")

    def _ask(self, conductor: Conductor) -> Facts:
        now = datetime.now(UTC)
        names = {str(definition["name"]) for definition in conductor.workflow_definitions()}
        types = {str(definition["name"]) for definition in conductor.task_definitions()}
        running = conductor.find(status=ExecutionStatus.RUNNING, size=RUNNING_MOST)
        looked = _with_tasks(conductor, running[::-1][:LOOKED_INTO])
        failed = conductor.find(status=FAILED, since=now - FAILURES_SINCE, size=FAILURES_MOST)
        polls = conductor.poll_data()
        self.failures = self.failures.after(failed)
        after = self._settings.timings.forgotten_after
        return Facts(
            at=time.monotonic(),
            workflows=workflows(names, running[: -len(looked) or None], looked, now, after),
            pollers=pollers(types, polls, looked, now),
        )


def _with_tasks(conductor: Conductor, executions: Sequence[Execution]) -> list[Execution | None]:
    """Return the executions with their tasks; None for one that is gone or has ended since the search."""
    return [_attempt(conductor, execution.id) for execution in executions]


def _attempt(conductor: Conductor, execution_id: str) -> Execution | None:
    try:
        found = conductor.execution(execution_id)
    except ConductorNotFound:  # removed since the search
        return None
    return found if found.status is ExecutionStatus.RUNNING else None


def workflows(
    names: Iterable[str],
    younger: Sequence[Execution],
    looked: Sequence[Execution | None],
    now: datetime,
    forgotten_after: float,
) -> dict[str, Workflow]:
    """Return how each workflow stands, those without an execution included.

    Of the `younger` executions the tasks are not known: they count with their age alone.
    """
    oldest = [execution for execution in looked if execution is not None]
    waiting = waiting_for_person(oldest)
    ages: dict[str, float] = {}
    for execution in [*oldest, *younger]:
        if execution.id not in waiting and execution.started_at is not None:
            age = (now - execution.started_at).total_seconds()
            ages[execution.name] = max(ages.get(execution.name, 0.0), age)
    waits = Counter(execution.name for execution in oldest if execution.id in waiting)
    lost = Counter(execution.name for execution in oldest if forgotten(execution, now, forgotten_after))
    known = {*names, *ages, *waits, *lost}
    return {name: Workflow(ages.get(name, 0.0), waits[name], lost[name]) for name in sorted(known)}


def waiting_for_person(executions: Sequence[Execution]) -> set[str]:
    """Return the ids of those in which a HUMAN task waits, in themselves or in a sub-workflow, however deep."""
    waiting: set[str] = set()
    while True:
        more = {e.id for e in executions if e.id not in waiting and _waits(e, waiting)}
        if not more:
            return waiting
        waiting |= more


def _waits(execution: Execution, waiting: set[str]) -> bool:
    open_tasks = [task for task in execution.tasks if not task.status.terminal]
    return any(task.kind == "HUMAN" or task.child_id in waiting for task in open_tasks)


def pollers(
    types: Iterable[str], polls: Sequence[PollData], running: Sequence[Execution | None], now: datetime
) -> dict[str, int]:
    """Return how many workers serve each task type: a worker that is busy with its only task does not ask for more."""
    workers: dict[str, set[str]] = {name: set() for name in types}
    for poll in polls:
        if poll.task_type in workers and poll.last_poll and now - poll.last_poll <= POLLED_WITHIN:
            workers[poll.task_type].add(poll.worker_id)
    for execution in running:
        for task in execution.tasks if execution is not None else ():
            if task.type in workers and task.status is TaskStatus.IN_PROGRESS and task.worker_id:
                workers[task.type].add(task.worker_id)
    return {name: len(found) for name, found in sorted(workers.items())}
