"""What a rollback has come to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from k1nb.conductor import Execution
from k1nb.firmware import Grade, Outcome


@dataclass(frozen=True, slots=True)
class Rollback:
    """How a rollback ended, and how far that is proven."""

    outcome: Outcome
    grade: Grade
    artifact_id: str
    evidence: list[str] = field(default_factory=list)
    execution_id: str | None = None
    """As the ledger has it; None where nothing was begun."""
    execution: Execution | None = None
    """None where Conductor had no part in it."""

    @property
    def good(self) -> bool:
        """Tell whether the device is proven to run what it was to go back to."""
        return self.outcome in (Outcome.rolled_back, Outcome.no_op)

    def as_dict(self) -> dict[str, Any]:
        """Return the rollback as JSON-able data; the grade by its name."""
        return {
            "outcome": self.outcome.value,
            "grade": self.grade.name,
            "artifact_id": self.artifact_id,
            "evidence": self.evidence,
            "execution_id": self.execution_id,
        }
