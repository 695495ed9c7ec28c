"""How long a run and each of its cells may take."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

_LEAST = 0.01
"""Seconds; nbclient takes zero for no limit."""
_EARLY = 0.1
"""Seconds by which a wait may end before its time: the kernel's sockets are waited for in whole milliseconds."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one run, in seconds; the run's begins to count here."""

    cell: float
    run: float
    began: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> float:
        """What is left of the whole run."""
        return self.began + self.run - time.monotonic()

    def timeout(self, _cell: Any = None) -> float:
        """Return how long a cell that begins now may take: its own limit, or what is left of the run."""
        return max(_LEAST, min(self.cell, self.left))

    def exceeded(self, number: int) -> str:
        """Say which limit the cell of that number has run into."""
        if self.left <= _EARLY:
            return f"the run took longer than {self.run:g} s, in cell {number}"
        return f"cell {number} took longer than {self.cell:g} s"
