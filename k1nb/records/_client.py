"""papermill's notebook client, which says what ended a run, and clears up what a signal cuts off."""

from __future__ import annotations

import asyncio
import math
from typing import Any

from jupyter_core.utils import ensure_event_loop
from nbclient.exceptions import DeadKernelError
from papermill.clientwrap import PapermillNotebookClient

from k1nb.errors import RunBroken, Stopped
from k1nb.records._echo import Echo
from k1nb.records._kernel import death, out_of_memory_kills
from k1nb.records._limits import Limits


class Client(PapermillNotebookClient):  # type: ignore[misc] # papermill has no annotations
    """Executes the cells one by one; raises RunBroken where a limit or the kernel's own end breaks that off."""

    def __init__(self, manager: Any, *, limits: Limits, echo: Echo, **options: Any) -> None:
        timeouts: dict[str, Any] = {"timeout_func": limits.timeout, "timeout": math.ceil(limits.run)}
        super().__init__(manager, log_output=echo.wanted, **timeouts, **options)
        self._echo = echo
        self._limits = limits
        self._number = 0
        """Of the cell that was executed last, from 1."""
        self._provisioner: Any = None
        self._memory = out_of_memory_kills()

    def execute(self, **options: Any) -> Any:
        """Start the kernel and execute the notebook."""
        try:
            return super().execute(**options)
        except DeadKernelError:
            raise self._broken(f"after cell {self._number}: {self._death()}") from None
        except (RuntimeError, OSError) as error:  # nbclient says so whatever kept a kernel from starting
            if self._provisioner is not None:
                raise
            if self._limits.left <= 0:
                raise self._broken(f"the run took longer than {self._limits.run:g} s to start its kernel") from None
            raise RunBroken(f"the kernel did not start: {error}", hint="its own words are in kernel.log") from error

    def papermill_execute_cells(self) -> None:
        """Execute the cells; when a signal comes, give up the one that runs without a word of asyncio about it."""
        self._provisioner = self.km.provisioner
        try:
            super().papermill_execute_cells()
            self.km.at_rest = True
        except Stopped:
            _give_up(ensure_event_loop())
            raise

    def execute_cell(self, cell: Any, cell_index: int, **options: Any) -> Any:
        """Execute one cell, unless the run's limit is over."""
        self._number = cell_index + 1
        if self._limits.left <= 0:
            raise self._broken(f"the run took longer than {self._limits.run:g} s, before cell {self._number}")
        try:
            return super().execute_cell(cell, cell_index, **options)
        except DeadKernelError:
            raise self._broken(f"cell {self._number}: {self._death()}") from None

    def log_output_message(self, output: Any) -> None:
        """Pass an output on, masked."""
        self._echo.take(output)

    async def _async_handle_timeout(self, timeout: float, cell: Any = None) -> None:  # noqa: ARG002, ASYNC109 - nbclient's
        raise self._broken(self._limits.exceeded(self._number))

    def _broken(self, reason: str) -> RunBroken:
        return RunBroken(reason, hint="look at its record, then k1nb run --resume RUN")

    def _death(self) -> str:
        process = getattr(self._provisioner, "process", None)
        return death(process.poll() if process else None, self._memory, out_of_memory_kills())


def _give_up(loop: asyncio.AbstractEventLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
