"""A worker host of its own process, to be killed: `python -m tests.workers.victim HOME URL TASK_TYPE`.

Its one task function adds a line to `HOME/runs` and ends as soon as there is a file `HOME/open`.
"""

from __future__ import annotations

import asyncio
import sys
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


if __name__ == "__main__":
    home, url, name = sys.argv[1:]
    sys.exit(asyncio.run(serve(settings_for(url, Path(home), timings_scale=0.2), [slow(name, Path(home))])))
