"""A worker host of its own process, to be killed: `python -m tests.workers.victim HOME URL TASK_TYPE [block]`.

Its one task function adds a line to `HOME/runs` and ends as soon as there is a file `HOME/open`; with `block` it holds
up the whole host instead.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from pathlib import Path

from k1nb.workers import TaskContext, TaskFunction, serve, task
from tests.workers.scratch import settings_for
from tests.workers.test_host import Given, Made


def slow(name: str, home: Path) -> TaskFunction[Given, Made]:
    """Return the function."""

    @task(name)
    async def wait(given: Given, context: TaskContext) -> Made:
        with (home / "runs").open("a") as file:
            file.write(f"{context.task.id}\n")
        while not (home / "open").exists():  # noqa: ASYNC110 - a file tells nobody that it is there
            await asyncio.sleep(0.05)
        return Made(text=given.text)

    return wait


def blocking(name: str) -> TaskFunction[Given, Made]:
    """Return a function that never lets the loop go on."""

    @task(name)
    async def block(given: Given, context: TaskContext) -> Made:  # noqa: ARG001 - a task takes both
        threading.Event().wait()
        return Made(text=given.text)

    return block


if __name__ == "__main__":
    home, url, name, *how = sys.argv[1:]
    function, scale = (blocking(name), 0.05) if how else (slow(name, Path(home)), 0.2)
    sys.exit(asyncio.run(serve(settings_for(url, Path(home), timings_scale=scale), [function])))
