"""Task functions that move a rollout on; what reaches a device is the workflow `device-deployment` alone."""

from __future__ import annotations

import asyncio
from math import ceil
from typing import Any

from pydantic import BaseModel

from k1nb.delivery import rollout
from k1nb.delivery.rollout import Next, Result
from k1nb.workers._task import TaskContext, task

GO_ON = "go_on"


class AdvanceIn(BaseModel):
    """The rollout by its id, whose plan stands in the execution's input, and how long it may take."""

    rollout: str
    limit_seconds: float


class AdvanceOut(BaseModel):
    """What comes next: `go_on`, `wait`, `approval` or `end`; and what was noted so far."""

    next: str
    wave: int
    duration: str
    result: str | None
    reasons: list[str]
    reason: str
    notes: dict[str, Any]


@task("advance_rollout")
async def advance_rollout(words: AdvanceIn, context: TaskContext) -> AdvanceOut:
    """Begin the deployments that may begin, watch those that run, and decide on the gate of a wave that is through."""
    once = _once(context)
    turned = await rollout.turn(context.settings, context.execution_id, once, limit=words.limit_seconds)
    step = turned.step
    reasons = list(step.reasons) if step else []
    return AdvanceOut(
        next=_next(step),
        wave=turned.wave,
        duration=f"{max(1, ceil(step.seconds)) if step else 1} seconds",
        result=step.result if step else None,
        reasons=reasons,
        reason="; ".join(reasons),
        notes=turned.notes.as_dict(),
    )


def _once(context: TaskContext) -> rollout.Once:
    async def once(key: str, effect: rollout.Effect, look: rollout.Look) -> str:
        return await context.once(key, str, effect, look)

    return once


def _next(step: rollout.Step | None) -> str:
    if step is None:
        return GO_ON
    return {Next.SOAK: "wait", Next.APPROVAL: "approval", Next.END: "end"}[step.next]


class ConcludeIn(BaseModel):
    """How the pass ended."""

    rollout: str
    result: Result


class ConcludeOut(BaseModel):
    """The schedule that starts the next pass, if there is one."""

    schedule: str | None


@task("conclude_rollout")
async def conclude_rollout(words: ConcludeIn, context: TaskContext) -> ConcludeOut:
    """Put pending devices onto the server's schedule, or take them off it."""
    schedule = await asyncio.to_thread(rollout.conclude, context.settings, context.execution_id, words.result)
    return ConcludeOut(schedule=schedule)
