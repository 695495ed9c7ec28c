"""How the commands that change a device's firmware tell what becomes of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from k1nb.cli import _output

if TYPE_CHECKING:
    from k1nb.conductor import Execution
    from k1nb.firmware import Grade, Outcome


def note(execution: Execution) -> None:
    """Say on stderr where an execution stands."""
    at = next((task.reference for task in reversed(execution.tasks) if not task.status.terminal), "")
    _output.note(f"{execution.id} {execution.status} {at}".rstrip())


def show(outcome: Outcome, grade: Grade, evidence: Iterable[str], execution_id: str | None) -> None:
    """Print how a deployment or a rollback ended, and how that is known."""
    console = _output.console()
    console.print(f"outcome   {outcome}, grade {grade.name}", markup=False)
    for line in evidence:
        console.print(f"          {line}", markup=False, soft_wrap=True)
    if execution_id:
        console.print(f"execution {execution_id}", markup=False)
