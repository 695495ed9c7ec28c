"""Applying a rollout, following it, and what it has shown."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from k1nb.conductor import Conductor, Execution
from k1nb.config import Settings
from k1nb.delivery._consent import grant
from k1nb.delivery.rollout._facts import RolloutFacts, observe
from k1nb.delivery.rollout._plan import plan
from k1nb.delivery.rollout._progress import Progress, Standing, read
from k1nb.delivery.rollout._rollout import WORKFLOW, Rollout, key_of
from k1nb.errors import ConductorUnreachable, ConsentError
from k1nb.plan import Plan

CONSENT_LASTS = timedelta(days=14)
"""How long a rollout's consent holds for devices that are picked up later; aborting it takes it back."""
Told = Callable[[Progress], None]


def apply(
    settings: Settings,
    facts: RolloutFacts,
    rollout: Rollout,
    planned: Plan,
    *,
    consent: str = "",
    follow_it: bool = True,
    since: datetime | None = None,
    on_change: Told | None = None,
    on_execution: Callable[[Execution], None] | None = None,
) -> Progress | None:
    """Start a rollout that was consented to, or join it where it is under way; None where nothing is to be done.

    One that has begun at `since` or after it is not begun again, however it has ended, and its devices are looked at
    once more, for that may be long ago. It is followed until it has ended or waits for a person, unless `follow_it` is
    false; `on_change` is told of each change, `on_execution` of the execution that does the work. Raises ConsentError
    where the consent is for another plan, also when what was observed has changed since, UsageError for a wrong
    `pick_up`.
    """
    begun = since is not None and consent != "" and _has_begun(settings, consent, since)
    if begun:
        rollout_id = consent  # whatever other rollout is under way by now
    elif facts.under_way is not None:
        rollout_id = _join(facts.under_way, consent)
        if not consent:
            return facts.under_way
    elif not planned.steps or not consent:
        return None
    else:
        rollout_id = _start(settings, facts, rollout, planned, consent)
    with Conductor.from_settings(settings) as conductor:
        if not follow_it:
            return read(conductor, rollout_id)
        progress = read(conductor, rollout_id)
        for progress in follow(settings, conductor, rollout_id):
            if on_change is not None:
                on_change(progress)
            if on_execution is not None:
                on_execution(progress.execution)
    return _looked_at_again(settings, facts, progress) if begun else progress


def _looked_at_again(settings: Settings, facts: RolloutFacts, progress: Progress) -> Progress:
    now = {device.mac for device in observe(settings, facts.artifact.id, facts.selection).current}
    rollout = progress.rollout
    ran = [*rollout.current, *(device for device in rollout.devices if progress.state(device).state.good)]
    return replace(progress, strayed=tuple(device for device in ran if device.mac not in now))


def _join(under_way: Progress, consent: str) -> str:
    rollout_id = under_way.rollout.id
    if consent not in ("", rollout_id):
        raise ConsentError(
            f"{consent} is not the rollout of this artifact that is under way: that is {rollout_id}",
            hint=f"k1nb rollout status {rollout_id}, or end it with `k1nb rollout abort {rollout_id}`",
        )
    return rollout_id


def _has_begun(settings: Settings, rollout_id: str, since: datetime) -> bool:
    with Conductor.from_settings(settings) as conductor:
        return conductor.begun(WORKFLOW, key_of(rollout_id), since) is not None


def _start(settings: Settings, facts: RolloutFacts, rollout: Rollout, planned: Plan, consent: str) -> str:
    planned.require(consent)
    with Conductor.from_settings(settings) as conductor:
        conductor.next_runs(rollout.policy.pick_up, count=1)  # which refuses what is no time to run at
        if not conductor.running(WORKFLOW, rollout.key):
            again = observe(settings, facts.artifact.id, facts.selection)
            if plan(again, rollout.policy)[1].id != planned.id:
                raise ConsentError("the devices or the ledger have changed since the plan was made", hint="plan again")
            _consent(settings, rollout, planned)
            conductor.start(WORKFLOW, rollout.as_input(), correlation_id=rollout.key)
    return rollout.id


def _consent(settings: Settings, rollout: Rollout, planned: Plan) -> None:
    """Keep what was consented to for the production devices, so that their deployments find it."""
    production = {device.mac: rollout.artifact_id for device in rollout.devices if device.role == "production"}
    if production:
        grant(settings.paths, planned, production, f"rollout in {len(rollout.waves)} waves", lasts=CONSENT_LASTS)


def follow(settings: Settings, conductor: Conductor, rollout_id: str) -> Iterator[Progress]:
    """Yield how a rollout stands now and whenever that has changed, until it has ended or waits for a person.

    A server that restarts meanwhile is waited for, as long as `conductor_ready` allows.
    """
    timings = settings.timings
    seen: tuple[object, ...] | None = None
    answered = time.monotonic()
    while True:
        try:
            progress = read(conductor, rollout_id)
            answered = time.monotonic()
        except ConductorUnreachable:
            if time.monotonic() - answered > timings.conductor_ready:
                raise
        else:
            if progress.signature != seen:
                seen = progress.signature
                yield progress
            if progress.standing is not Standing.RUNNING:
                return
        time.sleep(timings.follow)
