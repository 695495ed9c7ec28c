"""A worker host of the official Python SDK: `python python_sdk.py URL CONCURRENCY TASK_TYPE…`, until SIGTERM.

Runs in the SDK's own environment; its settings are the SDK's defaults but for the concurrency. The SDK reads the
annotations of a task function as they stand, so they must not be postponed.
"""

import signal
import sys
import threading
from types import FrameType

from conductor.client.automator.task_handler import TaskHandler
from conductor.client.configuration.configuration import Configuration
from conductor.client.worker.worker import Worker


def step(n: int = 0) -> dict[str, int]:
    """Do the least that can be told from nothing."""
    return {"n": int(n) + 1}


def main(url: str, concurrency: int, names: list[str]) -> None:
    """Serve the task types."""
    over = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        over.set()

    workers = [Worker(name, step, thread_count=concurrency) for name in names]
    with TaskHandler(workers, Configuration(server_api_url=url), scan_for_annotated_workers=False) as handler:
        handler.start_processes()
        signal.signal(signal.SIGTERM, end)
        over.wait()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
