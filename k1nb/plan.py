"""Plans: the steps from what was observed to what is wanted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from k1nb.errors import ConsentError


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that will be done to one thing, and why."""

    action: str
    subject: str
    why: str
    destructive: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps and the preconditions they were planned from; no steps means there is nothing to do."""

    purpose: str
    steps: tuple[Step, ...] = ()
    preconditions: Mapping[str, Any] = field(default_factory=dict)
    """JSON-able facts; a plan whose facts have changed is another plan."""
    in_notebook: bool = False
    """A notebook applies it, too, whose parameter `apply` takes its id."""
    remarks: tuple[str, ...] = ()
    """What else is worth knowing now; it may change from one moment to the next, and is no part of the id."""

    @property
    def id(self) -> str:
        """Name this plan by its steps and preconditions: `plan-` and twelve hex digits."""
        facts = {
            "purpose": self.purpose,
            "steps": [[s.action, s.subject, s.why, s.destructive] for s in self.steps],
            "preconditions": self.preconditions,
        }
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()
        return f"plan-{digest[:12]}"

    @property
    def how_to_apply(self) -> str:
        """Say how consent is given, on a command line and, where one applies it, in a notebook."""
        told = f"apply it with the same words and --apply {self.id}"
        return f'{told}, in Jupyter with apply = "{self.id}"' if self.in_notebook else told

    @property
    def destructive(self) -> bool:
        """Tell whether any step destroys or replaces something."""
        return any(s.destructive for s in self.steps)

    def require(self, consent: str) -> None:
        """Raise ConsentError unless `consent` is this plan's id or nothing destructive is planned."""
        if not self.destructive or consent == self.id:
            return
        if not consent:
            raise ConsentError(f"{self.purpose} is planned, not applied", hint=self.how_to_apply)
        raise ConsentError(
            f"{consent} is not the plan for {self.purpose}: what it was made from, or asked with, is not the same",
            hint=f"look at the new plan, then {self.how_to_apply}",
        )

    def require_same(self, now: Plan) -> None:
        """Raise ConsentError, which says what has changed, unless a plan that is made now is this one."""
        if now.id != self.id:
            changed = "; ".join(self._changes(now)) or f"now it is for {now.purpose}"
            raise ConsentError(f"what was planned from has changed since: {changed}", hint="plan again")

    def _changes(self, now: Plan) -> list[str]:
        names = dict.fromkeys((*self.preconditions, *now.preconditions))
        before, after = self.preconditions, now.preconditions
        facts = [
            f"{name} was {_told(before.get(name))}, is {_told(after.get(name))}"
            for name in names
            if before.get(name) != after.get(name)
        ]
        steps = [] if self.steps == now.steps else [f"the steps were {_steps(self)}, are {_steps(now)}"]
        return facts + steps

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as JSON-able data."""
        return {
            "id": self.id,
            "purpose": self.purpose,
            "steps": [
                {"action": s.action, "subject": s.subject, "why": s.why, "destructive": s.destructive}
                for s in self.steps
            ],
            "preconditions": dict(self.preconditions),
            "remarks": list(self.remarks),
        }


def _told(fact: object) -> str:
    return "not known" if fact is None else str(fact)


def _steps(plan: Plan) -> str:
    return ", ".join(f"{step.action} ({step.why})" for step in plan.steps) or "none"
