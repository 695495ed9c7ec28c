"""Planned times held against what was started for them: a pure judgement of what the server tells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from k1nb.checks import Verdict
from k1nb.conductor import Execution, ExecutionStatus, FailedStart, TaskStatus

GRACE = timedelta(minutes=5)
"""How late the start of a run may be, and how long its task may wait for a worker."""
TASK = "run_runbook"


class State(StrEnum):
    """What became of one planned time."""

    RAN = "ran"
    """There is a record with a verdict."""
    RUNNING = "running"
    DUE = "due"
    """Its time has just come, or nobody has taken it up yet; not late so far."""
    LATE = "late"
    """It was started, and nobody takes it up."""
    BROKE = "broke"
    """It was started, and there is no verdict."""
    MISSED = "missed"
    """Nothing was started for it."""

    @property
    def well(self) -> bool:
        """Tell whether nothing is wrong with it so far."""
        return self in (State.RAN, State.RUNNING, State.DUE)


@dataclass(frozen=True, slots=True)
class Run:
    """One planned time of a schedule."""

    planned_at: datetime
    state: State
    execution: str | None = None
    began_at: datetime | None = None
    run: str | None = None
    """Id of its record."""
    verdict: str | None = None
    reason: str = ""
    """Why it is not well."""

    @property
    def delay(self) -> timedelta:
        """How long after its time it was begun."""
        return max(timedelta(0), (self.began_at or self.planned_at) - self.planned_at)

    def as_dict(self) -> dict[str, Any]:
        """Return the run as JSON-able data."""
        return {
            "planned_at": _text(self.planned_at),
            "state": self.state.value,
            "execution": self.execution,
            "began_at": _text(self.began_at),
            "run": self.run,
            "verdict": self.verdict,
            "reason": self.reason,
        }


def judge(
    planned: Iterable[datetime],
    executions: Iterable[Execution],
    failed: Iterable[FailedStart],
    now: datetime,
) -> list[Run]:
    """Return what became of each planned time, in their order; executions that run come with their tasks."""
    begun: dict[datetime, Execution] = {}
    for execution in executions:
        at = planned_time(execution)
        if at is not None and (at not in begun or _better(execution, begun[at])):
            begun[at] = execution
    reasons = {start.planned_at: start.reason for start in failed}
    return [_run(at, begun.get(at), reasons, now) for at in planned]


def planned_time(execution: Execution) -> datetime | None:
    """Return the time that the scheduler started an execution for; None for one that somebody else started."""
    at = execution.input.get("_scheduledTime")
    return datetime.fromtimestamp(at / 1000, UTC) if isinstance(at, int) else None


def _better(one: Execution, other: Execution) -> bool:
    """Tell which of two executions for the same time says more: a server that was killed may start a second one."""
    return verdict_of(one) is not None and verdict_of(other) is None


def verdict_of(execution: Execution) -> Verdict | None:
    """Return the verdict that an execution ended with; None where its notebook did not conclude."""
    try:
        found = Verdict(str(execution.output.get("verdict")))
    except ValueError:
        return None
    ended = execution.status in (ExecutionStatus.COMPLETED, ExecutionStatus.FAILED)
    return found if ended and found is not Verdict.INTERRUPTED else None


def _run(at: datetime, execution: Execution | None, reasons: Mapping[datetime, str], now: datetime) -> Run:
    if execution is None:
        state = State.DUE if now - at < GRACE and at not in reasons else State.MISSED
        return Run(at, state, reason=_missed(state, reasons.get(at)))
    found = verdict_of(execution)
    state, reason = (State.RAN, "") if found else _unconcluded(execution, now)
    run = execution.output.get("run")
    return Run(
        at,
        state,
        execution=execution.id,
        began_at=_began(execution),
        run=run if isinstance(run, str) else None,
        verdict=found.value if found else None,
        reason=reason,
    )


def _began(execution: Execution) -> datetime | None:
    """Return when the notebook began, which may have waited for a worker; else when the execution did."""
    try:
        return datetime.fromisoformat(str(execution.output.get("began_at"))).astimezone(UTC)
    except ValueError:
        return execution.started_at


def _missed(state: State, reason: str | None) -> str:
    if state is State.DUE:
        return ""
    return f"the scheduler could start nothing: {reason}" if reason else "the scheduler started nothing"


def _unconcluded(execution: Execution, now: datetime) -> tuple[State, str]:
    if execution.status.terminal:
        return State.BROKE, execution.reason or f"its execution ended {execution.status} without a verdict"
    if execution.status is ExecutionStatus.PAUSED:
        return State.LATE, "its execution is paused"
    waiting = [t for t in execution.tasks if t.status is TaskStatus.SCHEDULED and t.kind == "SIMPLE"]
    working = any(t.status is TaskStatus.IN_PROGRESS for t in execution.tasks)
    since = min((t.scheduled_at for t in waiting if t.scheduled_at), default=execution.started_at)
    if working:
        return State.RUNNING, ""
    if since is not None and now - since < GRACE:
        return State.DUE, ""
    what = waiting[0].reference if waiting else "nothing"
    return State.LATE, f"{what} waits for a worker since {f'{since:%Y-%m-%d %H:%M}' if since else 'its start'}"


def _text(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds") if at else None
