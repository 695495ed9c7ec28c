"""The gate after a wave: what is known of it, and whether the rollout goes on. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from k1nb.delivery.rollout._known import Decision, Known, State
from k1nb.delivery.rollout._rollout import Policy, Rollout
from k1nb.device import Device


@dataclass(frozen=True, slots=True)
class Tally:
    """How many devices of a wave are where."""

    size: int
    waiting: int = 0
    running: int = 0
    good: int = 0
    failed: int = 0
    pending: int = 0

    @property
    def results(self) -> int:
        """How many the gate counts."""
        return self.good + self.failed


@dataclass(frozen=True, slots=True)
class Judgement:
    """A decision with its reasons."""

    decision: Decision
    reasons: tuple[str, ...]


def tally_of(wave: Iterable[Device], known: Known) -> Tally:
    """Count the devices of a wave by where they are."""
    states = Counter(known.devices[device.mac].state for device in wave)
    return Tally(
        size=states.total(),
        waiting=states[State.WAITING],
        running=states[State.RUNNING],
        good=states[State.SUCCEEDED] + states[State.CURRENT],
        failed=states[State.FAILED],
        pending=states[State.PENDING],
    )


def judge(tally: Tally, policy: Policy) -> Judgement:
    """Decide on a wave from its tally alone; soak and approval come on top.

    STOP comes as soon as nothing that is still open can avert it, GO_ON only once nothing is open. Where pending
    devices may still bring what is missing, the decision is HOLD.
    """
    results, failed = tally.results, tally.failed
    wanted = min(policy.minimum_sample, tally.size)
    enough = results >= wanted
    most = f"at most {policy.error_percent:g} % may"
    if enough and failed * 100 > policy.error_percent * tally.size:
        return Judgement(Decision.STOP, (f"{failed} of {_devices(tally.size)} failed, {most}",))
    if tally.waiting or tally.running:
        return Judgement(Decision.WAIT, (f"{results} of {_devices(tally.size)} have a result",))
    short = Decision.HOLD if tally.pending else Decision.STOP
    also = f", {tally.pending} pending" if tally.pending else ""
    if not enough:
        return Judgement(short, (f"{_results(results)} of {wanted} wanted{also}",))
    if failed * 100 > policy.error_percent * results:
        return Judgement(Decision.STOP, (f"{failed} of {_results(results)} are failures, {most}",))
    if tally.good * 100 < policy.success_percent * tally.size:
        least = f"{policy.success_percent:g} % are wanted"
        return Judgement(short, (f"{tally.good} of {_devices(tally.size)} run the artifact, {least}{also}",))
    seen = f"{tally.good} of {_devices(tally.size)} run the artifact, {failed} failed{also}"
    return Judgement(Decision.GO_ON, (seen,))


def gate_of(rollout: Rollout, known: Known, number: int) -> Judgement:
    """Judge a wave as it stands."""
    return judge(tally_of(rollout.waves[number - 1], known), rollout.policy)


def _devices(count: int) -> str:
    return f"{count} device{'' if count == 1 else 's'}"


def _results(count: int) -> str:
    return f"{count} result{'' if count == 1 else 's'}"
