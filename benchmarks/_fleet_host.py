"""Our worker host with room for a fleet: `python -m benchmarks._fleet_host AT_ONCE`, until SIGTERM.

Its task functions are the shipped ones; each serves so many tasks at once, but for the compiler.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace

from k1nb.config import load
from k1nb.workers import all_tasks, serve

if __name__ == "__main__":
    at_once = int(sys.argv[1])
    functions = [task if task.concurrency == 1 else replace(task, concurrency=at_once) for task in all_tasks()]
    sys.exit(asyncio.run(serve(load(), functions)))
