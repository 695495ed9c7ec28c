"""Progress of services and runs: live lines on a terminal; elsewhere plain ones for services, none for runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from k1nb.cli import _output

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from k1nb.records import Moment


@contextmanager
def service_lines() -> Iterator[Callable[[str], None]]:
    """Yield a function that shows a line of progress on stderr, in the place of its service where it has one."""
    if not sys.stderr.isatty():
        yield _output.note
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(finished_text="✓"),
        TextColumn("{task.fields[service]:10}", markup=False),
        TextColumn("{task.description}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=_output.console(stderr=True)) as bars:
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


@contextmanager
def run_line() -> Iterator[Callable[[Moment], None] | None]:
    """Yield a function that shows on stderr where a run stands: cell, heading, newest check, seconds so far.

    None where stderr is no terminal.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
        TextColumn("{task.fields[check]}", markup=False, style="dim"),
    )
    with Progress(*columns, console=_output.console(stderr=True), transient=True) as line:
        task = line.add_task("starting the kernel", total=None, check="")

        def show(moment: Moment) -> None:
            check = f"{moment.check.status} {moment.check.name}" if moment.check else ""
            line.update(task, description=f"cell {moment.cell} of {moment.cells}  {moment.heading}", check=check)

        yield show
