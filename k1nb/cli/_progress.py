"""Progress of services: a live line for each on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from k1nb.cli import _output

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


@contextmanager
def service_lines() -> Iterator[Callable[[str], None]]:
    """Yield a function that shows a line of progress on stderr, in the place of its service where it has one."""
    if not sys.stderr.isatty():
        yield _output.note
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(finished_text="✓"),
        TextColumn("{task.fields[service]:10}", markup=False),
        TextColumn("{task.description}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True, highlight=False)) as bars:
        yield _Lines(bars)


class _Lines:
    """One line for each service that was heard of, in the order in which that was."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._places: dict[str, TaskID] = {}

    def __call__(self, line: str) -> None:
        """Show what is said of a service in its place; what is said of none goes above."""
        from k1nb.stack import ServiceLine

        if not isinstance(line, ServiceLine):
            self._bars.console.print(line, markup=False)
            return
        if line.service not in self._places:
            self._places[line.service] = self._bars.add_task("", total=1, service=line.service)
        said = line.removeprefix(f"{line.service} ").removesuffix(f" {line.service}")
        self._bars.update(self._places[line.service], description=said, completed=int(line.ready))
