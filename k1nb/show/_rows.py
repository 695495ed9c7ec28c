"""The lines in which an execution is shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from k1nb.conductor import Execution, Task


@dataclass(frozen=True, slots=True)
class Row:
    """One line: every attempt at one task, `depth` sub-workflows down."""

    reference: str
    depth: int
    attempts: list[Task] = field(default_factory=list)

    @property
    def last(self) -> Task:
        """The attempt that counts."""
        return self.attempts[-1]


def rows_of(execution: Execution, children: Mapping[str, Execution], depth: int = 0) -> Iterator[Row]:
    """Yield the lines of an execution in the order in which its tasks began; a child's follow their sub-workflow."""
    rows: dict[str, Row] = {}
    for task in execution.tasks:
        rows.setdefault(task.reference, Row(task.reference, depth)).attempts.append(task)
    for row in rows.values():
        yield row
        for task in row.attempts:
            child = children.get(task.child_id or "")
            if child is not None:
                yield from rows_of(child, children, depth + 1)
