"""papermill's notebook client, which also clears up what a signal cuts off."""

from __future__ import annotations

import asyncio

from jupyter_core.utils import ensure_event_loop
from papermill.clientwrap import PapermillNotebookClient

from k1nb.errors import Stopped


class Client(PapermillNotebookClient):  # type: ignore[misc] # papermill has no annotations
    """Executes the cells one by one."""

    def papermill_execute_cells(self) -> None:
        """Execute the cells; when a signal comes, give up the one that runs without a word of asyncio about it."""
        try:
            super().papermill_execute_cells()
        except Stopped:
            _give_up(ensure_event_loop())
            raise


def _give_up(loop: asyncio.AbstractEventLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
