"""An execution that is followed to its end, and who is told of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from k1nb.conductor import Change, Conductor, Execution, watch
from k1nb.errors import ConductorUnreachable
from k1nb.timings import Timings

OnChange = Callable[[Execution], None]


class Follower(Protocol):
    """Who is told what becomes of an execution."""

    def begun(self, execution_id: str, *, joined: bool) -> None:
        """Hear which execution does the work, and whether it was under way already."""

    def changed(self, change: Change) -> None:
        """Hear of one change of a task, sub-workflows' included, or of the execution itself."""

    def silent(self, error: ConductorUnreachable | None) -> None:
        """Hear that the server has stopped answering, and None once it answers again."""


def follow(
    conductor: Conductor, execution_id: str, timings: Timings, on_change: OnChange | None, follower: Follower | None
) -> Execution:
    """Follow an execution and return it at its end; raises as `Conductor.follow` does.

    `on_change` is told of each change of the execution, `follower` of those of its sub-workflows as well.
    """
    silent = follower.silent if follower is not None else None
    for change in watch(conductor, execution_id, timings=timings, on_silence=silent):
        if on_change is not None and change.depth == 0:
            on_change(change.execution)
        if follower is not None:
            follower.changed(change)
    return change.execution
