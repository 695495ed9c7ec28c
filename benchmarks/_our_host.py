"""A worker host of ours: `python -m benchmarks._our_host CONCURRENCY TASK_TYPE…`, until SIGTERM.

Its server and its home are the settings'.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from k1nb.config import load
from k1nb.workers import TaskContext, TaskFunction, serve, task


class Given(BaseModel):
    """A number."""

    n: int = 0


def steps(names: Sequence[str], concurrency: int) -> list[TaskFunction[Any, Any]]:
    """Return a task function for each name, each of which does the least that can be told from nothing."""

    async def step(given: Given, context: TaskContext) -> Given:  # noqa: ARG001 - a task takes both
        return Given(n=given.n + 1)

    return [task(name, concurrency=concurrency)(step) for name in names]


if __name__ == "__main__":
    sys.exit(asyncio.run(serve(load(), steps(sys.argv[2:], int(sys.argv[1])))))
