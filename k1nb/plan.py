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
        }
