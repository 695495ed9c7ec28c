"""From what was observed to the waves of a rollout: pure."""

from __future__ import annotations

from dataclasses import replace

from k1nb.delivery.rollout._facts import RolloutFacts
from k1nb.delivery.rollout._rollout import Policy, Rollout, digest
from k1nb.delivery.rollout._waves import divide
from k1nb.device import Device
from k1nb.plan import Plan, Step

_NAMED = 8
"""Devices of a wave that its step names."""


def plan(facts: RolloutFacts, policy: Policy) -> tuple[Rollout, Plan]:
    """Plan a rollout; where every device runs the artifact, or a rollout of it is under way, there is no step.

    What changes by itself, as which device answers, is no part of it. Raises what `divide` raises.
    """
    left = [device for device in facts.devices if device not in facts.current]
    waves = () if facts.under_way else divide(left, policy.waves, policy.canary if left else ())
    artifact = facts.artifact
    purpose = f"rollout of {artifact.id[:12]} to {len(left)} of {len(facts.devices)} devices"
    preconditions = {
        "artifact": f"{artifact.id}, {artifact.repo}@{artifact.version[:12]} for {artifact.environment}",
        "inventory": f"{len(facts.devices)} devices, {digest(facts.devices)}",
        "production devices": sum(device.role == "production" for device in left),
        "run it already": ", ".join(device.name for device in facts.current) or "none",
        "ledger": facts.ledger,
        "policy": _words(policy),
        "earlier rollouts of it": ", ".join(facts.earlier) or "none",
    }
    planned = Plan(
        purpose, tuple(_step(n, wave, policy) for n, wave in enumerate(waves, 1)), preconditions, in_notebook=True
    )
    rollout = Rollout(
        id=planned.id,
        artifact_id=artifact.id,
        version=artifact.version,
        waves=waves,
        current=facts.current,
        selection=replace(facts.selection),
        policy=policy,
    )
    return rollout, planned


def _words(policy: Policy) -> str:
    asked = ", a person is asked before each further wave" if policy.approval else ""
    return (
        f"waves {policy.waves}{'; canary ' + ', '.join(policy.canary) if policy.canary else ''}; "
        f"{policy.success_percent:g} % are to succeed, {policy.error_percent:g} % may fail, "
        f"judged from {policy.minimum_sample} on after {policy.soak_seconds:g} s{asked}; "
        f"{policy.parallel} at once; pending ones at {policy.pick_up} for {policy.give_up_days:g} days"
    )


def _step(number: int, wave: tuple[Device, ...], policy: Policy) -> Step:
    names = ", ".join(device.name for device in wave[:_NAMED]) + (" …" if len(wave) > _NAMED else "")
    production = sum(device.role == "production" for device in wave)
    why = "the canary" if number == 1 else "once the gate before is open"
    if number > 1 and policy.approval:
        why += " and a person has approved it"
    if production:
        why += f"; {production} of them production"
    subject = f"wave {number}, {len(wave)} device{'' if len(wave) == 1 else 's'}: {names}"
    return Step("flash", subject, why, destructive=True)
