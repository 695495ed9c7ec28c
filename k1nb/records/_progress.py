"""How far a run is, for whoever looks on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from k1nb.checks import Check


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a run stands as a cell begins or has ended."""

    cell: int
    """Number of the cell, from 1."""
    cells: int
    done: bool
    """Whether that cell has ended."""
    heading: str
    """The heading that the cell stands under."""
    check: Check | None = None
    """The newest check."""


Progress = Callable[[Moment], None]
"""Called as each cell begins and ends, in the runner's own thread."""
