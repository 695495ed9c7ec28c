"""What a device was sent, for terminals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from k1nb._plain import first_line
from k1nb.show._terminal import new_listing

if TYPE_CHECKING:
    from rich.console import Console

    from k1nb.firmware import PastDeployment

_WHY, _FOLDED = 120, 50
"""Characters of the last column: what there is of it, and what a line has at least."""


def print_history(console: Console, label: str, history: Sequence[PastDeployment]) -> None:
    """Print one line for each deployment onto a device, or a block of lines on a narrow terminal."""
    if not history:
        console.print(Text(f"nothing was ever sent to {label}"))
        return
    heads = ("began (UTC)", "artifact", "commit", "grade", "outcome", "execution", "reason, last evidence")
    table = new_listing(*heads, folds_to=_FOLDED)
    for past in history:
        row = past.deployment
        said = ": ".join((row.reason, *row.evidence[-1:]))
        table.add_row(
            f"{row.started_at:%Y-%m-%d %H:%M:%S}",
            Text(row.artifact_id[:12]),
            Text(past.commit[:12]) if past.commit else Text("not stored", "dim"),
            row.grade.name,
            row.outcome.value if row.outcome else "not ended",
            Text(row.execution_id),
            Text(first_line(said, _WHY)),
        )
    console.print(table)
