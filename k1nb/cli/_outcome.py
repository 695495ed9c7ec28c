"""How the commands that change a device's firmware tell what becomes of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from k1nb.cli import _output

if TYPE_CHECKING:
    from k1nb.conductor import Change
    from k1nb.errors import ConductorUnreachable
    from k1nb.firmware import Grade, Outcome

_INTERRUPTED = 130


class Told:
    """Tells on stderr what becomes of an execution, each change once."""

    def __init__(self) -> None:
        self.execution_id = ""
        self._told: dict[str, tuple[object, ...]] = {}
        self._console = _output.console(stderr=True)

    def begun(self, execution_id: str, *, joined: bool) -> None:
        """Say which execution does the work."""
        self.execution_id = execution_id
        _output.note(f"execution {execution_id} {'is under way already, joined' if joined else 'has begun'}")

    def changed(self, change: Change) -> None:
        """Print a line for a change that reads otherwise than the last one of the same task."""
        from k1nb import show

        subject = change.task or change.execution
        now = subject.status, subject.reason
        if self._told.get(subject.id) != now:
            self._told[subject.id] = now
            show.print_change(self._console, change)

    def silent(self, error: ConductorUnreachable | None) -> None:
        """Say that the server does not answer, or that it does again."""
        silence(error)


def silence(error: ConductorUnreachable | None) -> None:
    """Say on stderr that the server does not answer and is waited for, or that it does again."""
    _output.note(f"{error.message}; waiting for it" if error else "Conductor answers again")


@contextmanager
def telling(what: str) -> Iterator[Told]:
    """Yield who tells of an execution; whoever stops waiting for its end hears that it goes on without this command.

    `what` is the work that it does.
    """
    from k1nb.errors import ConductorUnreachable

    told = Told()
    try:
        yield told
    except KeyboardInterrupt:
        _output.fail(*_left(told, "interrupted", what), _INTERRUPTED)
    except ConductorUnreachable as error:
        if not told.execution_id:
            raise
        message, hint = _left(told, error.message, what)
        raise ConductorUnreachable(message, hint=f"{error.hint}; then {hint}") from error


def _left(told: Told, why: str, what: str) -> tuple[str, str]:
    if not told.execution_id:
        return f"{why} before it is known whether the {what} has begun", "the same command joins it, where it has"
    hint = f"follow it with `k1nb executions follow {told.execution_id}`; the same command joins it again"
    return f"{why}; the {what} goes on at the server as execution {told.execution_id}", hint


def show(outcome: Outcome, grade: Grade, evidence: Iterable[str], execution_id: str | None) -> None:
    """Print how a deployment or a rollback ended, and how that is known."""
    console = _output.console()
    console.print(f"outcome   {outcome}, grade {grade.name}", markup=False)
    for line in evidence:
        console.print(f"          {line}", markup=False, soft_wrap=True)
    if execution_id:
        console.print(f"execution {execution_id}", markup=False)
