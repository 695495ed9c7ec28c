"""The worker host and the task functions.

The host (`serve`, `WorkerHost`) knows nothing of what the functions do; the functions are in the public modules
beside it, marked with `task`. Importing this package imports none of them.
"""

from k1nb.errors import RetryableFailure, TerminalFailure
from k1nb.workers._contract import lint, lint_folder
from k1nb.workers._host import WorkerHost, serve, worker_id
from k1nb.workers._registry import all_tasks, tasks_of
from k1nb.workers._reload import serve_reloading
from k1nb.workers._task import TaskContext, TaskFunction, task

__all__ = [
    "RetryableFailure",
    "TaskContext",
    "TaskFunction",
    "TerminalFailure",
    "WorkerHost",
    "all_tasks",
    "lint",
    "lint_folder",
    "serve",
    "serve_reloading",
    "task",
    "tasks_of",
    "worker_id",
]
