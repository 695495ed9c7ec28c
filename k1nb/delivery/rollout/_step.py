"""What a rollout does next: pure, from what is known of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from k1nb.delivery.rollout._gate import judge, tally_of
from k1nb.delivery.rollout._known import Decision, Known, State
from k1nb.delivery.rollout._rollout import Policy, Rollout
from k1nb.device import Device


class Next(StrEnum):
    """What comes next."""

    DEPLOY = "deploy"
    """Begin the deployments of `devices`."""
    WATCH = "watch"
    """Deployments are under way, and no other may begin."""
    SOAK = "soak"
    """Let `seconds` pass."""
    VERIFY = "verify"
    """Look at the wave's devices once more and decide on its gate."""
    APPROVAL = "approval"
    """Ask a person whether `wave` may begin."""
    END = "end"


class Result(StrEnum):
    """How a pass of a rollout ends."""

    COMPLETED = "completed"
    PENDING = "pending"
    """Every gate that could be decided is open, and devices are left to be tried again."""
    STOPPED = "stopped"
    EXPIRED = "expired"
    """The execution has lasted as long as it may; another one goes on."""
    ASIDE = "aside"
    """Another execution of the same rollout is under way."""


@dataclass(frozen=True, slots=True)
class Step:
    """What comes next, and why."""

    next: Next
    wave: int
    devices: tuple[Device, ...] = ()
    seconds: float = 0.0
    result: Result | None = None
    reasons: tuple[str, ...] = ()


def next_step(rollout: Rollout, known: Known, now: datetime, limit: float = float("inf")) -> Step:
    """Decide what comes next; nothing is begun beyond a gate that is not open, nor more at once than may be.

    `limit` is how many seconds after its begin the execution begins nothing more.
    """
    late = known.begun_at is not None and now - known.begun_at >= timedelta(seconds=min(limit, 1e9))
    for number in range(1, len(rollout.waves) + 1):
        step = _in_wave(rollout, known, number, now)
        if step is None:
            continue
        if late and step.next is not Next.END:
            return _stop(known, number, (f"it has not finished within {limit:g} s",), Result.EXPIRED)
        return step
    pending = known.within(State.PENDING)
    if pending:
        return Step(Next.END, len(rollout.waves), result=Result.PENDING, reasons=(f"{len(pending)} pending",))
    return Step(Next.END, len(rollout.waves), result=Result.COMPLETED, reasons=("every gate is open",))


def _in_wave(rollout: Rollout, known: Known, number: int, now: datetime) -> Step | None:
    """Return what is to be done in a wave; None where its gate is open."""
    wave, policy = rollout.waves[number - 1], rollout.policy
    tally = tally_of(wave, known)
    judged, gate = judge(tally, policy), known.gate(number)
    if judged.decision is Decision.STOP:
        return _stop(known, number, judged.reasons)
    if tally.waiting and not _approved(policy, known, number):
        return _ask(known, number)
    if judged.decision is Decision.WAIT:
        return _deploy(policy, known, number, wave)
    if tally.results and not (gate and gate.results == tally.results):
        return _soak(known, number, wave, policy, now)
    if judged.decision is Decision.HOLD:
        reasons = tuple(f"wave {number}: {reason}" for reason in judged.reasons)
        return Step(Next.END, number, result=Result.PENDING, reasons=reasons)
    return None


def _approved(policy: Policy, known: Known, number: int) -> bool:
    return not policy.approval or number == 1 or known.notes.approvals.get(number) is True


def _ask(known: Known, number: int) -> Step:
    if known.notes.approvals.get(number) is False:
        return _stop(known, number, ("it was rejected",))
    if known.within(State.RUNNING):
        return Step(Next.WATCH, number)
    return Step(Next.APPROVAL, number, reasons=(f"wave {number} waits for approval",))


def _deploy(policy: Policy, known: Known, number: int, wave: Sequence[Device]) -> Step:
    room = policy.parallel - len(known.within(State.RUNNING))
    waiting = [device for device in wave if known.devices[device.mac].state is State.WAITING]
    if waiting and room > 0:
        return Step(Next.DEPLOY, number, devices=tuple(waiting[:room]))
    return Step(Next.WATCH, number)


def _soak(known: Known, number: int, wave: Sequence[Device], policy: Policy, now: datetime) -> Step:
    ended = known.last_end(wave)
    left = policy.soak_seconds - (now - ended).total_seconds() if ended else 0.0
    if left > 0:
        return Step(Next.SOAK, number, seconds=left, reasons=(f"wave {number} soaks",))
    return Step(Next.VERIFY, number)


def _stop(known: Known, number: int, reasons: tuple[str, ...], result: Result = Result.STOPPED) -> Step:
    """End the rollout at a wave, once nothing is under way any more."""
    if known.within(State.RUNNING):
        return Step(Next.WATCH, number, reasons=reasons)
    said = tuple(f"wave {number}: {reason}" for reason in reasons)
    return Step(Next.END, number, result=result, reasons=said)
