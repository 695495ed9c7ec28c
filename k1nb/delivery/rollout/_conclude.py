"""What is left after a pass of a rollout: pending devices are put onto the server's own schedule, or taken off it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from k1nb.conductor import Conductor, Schedule
from k1nb.config import Settings
from k1nb.delivery.rollout._progress import executions_of
from k1nb.delivery.rollout._rollout import WORKFLOW, Rollout
from k1nb.delivery.rollout._step import Result


def conclude(settings: Settings, execution_id: str, result: Result) -> str | None:
    """Return the name of the schedule that starts the next pass; None where there is none. Raises ConductorError.

    Safe to run again: a schedule that is there, paused or not, stays as it is.
    """
    with Conductor.from_settings(settings) as conductor:
        rollout = Rollout.from_input(conductor.execution(execution_id, tasks=False).input)
        known = {schedule.name for schedule in conductor.schedules(WORKFLOW)}
        if result is Result.ASIDE:
            return rollout.schedule if rollout.schedule in known else None
        if result is not Result.PENDING or _too_old(conductor, rollout):
            conductor.remove_schedule(rollout.schedule)
            return None
        if rollout.schedule not in known:
            conductor.put_schedule(_schedule(rollout))
        return rollout.schedule


def _too_old(conductor: Conductor, rollout: Rollout) -> bool:
    first = executions_of(conductor, rollout.id)[-1].started_at
    return first is not None and datetime.now(UTC) - first > timedelta(days=rollout.policy.give_up_days)


def _schedule(rollout: Rollout) -> Schedule:
    return Schedule(
        rollout.schedule,
        rollout.policy.pick_up,
        WORKFLOW,
        input=rollout.as_input(),
        correlation_id=rollout.key,
        description=f"tries the pending devices of rollout {rollout.id} again",
    )
