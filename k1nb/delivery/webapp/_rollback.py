"""Going back to another release of the web app, as an operator asks for it: observe, plan, apply."""

from __future__ import annotations

from dataclasses import dataclass

from k1nb._http import run
from k1nb.config import Settings
from k1nb.delivery.webapp._deploy import Restored, switch_to
from k1nb.delivery.webapp._target import Release, releases, target_of
from k1nb.errors import ConsentError, UsageError
from k1nb.plan import Plan, Step


@dataclass(frozen=True, slots=True)
class WebAppFacts:
    """What a target holds, and where it is to go."""

    environment: str
    place: str
    releases: list[Release]
    """The newest first."""
    goal: str

    @property
    def current(self) -> str | None:
        """The release that is served; None where nothing is."""
        return next((release.name for release in self.releases if release.current), None)


def observe(settings: Settings, environment: str, to: str = "") -> WebAppFacts:
    """Look at a target; `to` names another release than the one before. Raises UsageError without one, HostError."""
    target = target_of(settings, environment)
    found = releases(target)
    before = next((release.name for release in found if release.previous and not release.current), None)
    goal = to or before
    if goal is None:
        hint = f"name one with --to; `k1nb webapp list {environment}` shows them"
        raise UsageError(f"{environment} has no release before the one that it serves", hint=hint)
    if goal not in {release.name for release in found}:
        hint = f"`k1nb webapp list {environment}` shows those that are there"
        raise UsageError(f"{environment} has no release {goal!r}", hint=hint)
    return WebAppFacts(environment, target.place, found, goal)


def plan(facts: WebAppFacts) -> Plan:
    """Plan the switch; a target that serves its goal already needs none."""
    purpose = f"rollback of the web app in {facts.environment} to {facts.goal}"
    why = f"it serves {facts.current or 'nothing'} now"
    step = Step("switch", f"{facts.environment} to {facts.goal}", why, destructive=True)
    steps = () if facts.current == facts.goal else (step,)
    return Plan(purpose, steps, {"place": facts.place, "serves": facts.current, "goes to": facts.goal})


def apply(settings: Settings, facts: WebAppFacts, planned: Plan, *, consent: str = "") -> Restored | None:
    """Switch with consent; None where nothing is to be done or nobody consented. Raises ConsentError, HostError."""
    if not planned.steps or not consent:
        return None
    planned.require(consent)
    if plan(observe(settings, facts.environment, facts.goal)).id != planned.id:
        raise ConsentError("the target has changed since the plan was made", hint="plan again")
    return run(switch_to, settings, facts.environment, facts.goal)
