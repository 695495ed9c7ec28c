"""The workflow server: a typed client, executions, and the definitions it is given."""

from k1nb.conductor._auth import TokenAuth
from k1nb.conductor._checks import checks
from k1nb.conductor._client import Conductor, PollData
from k1nb.conductor._definitions import Definitions, load
from k1nb.conductor._executions import Execution, ExecutionStatus, Task, TaskStatus
from k1nb.conductor._finding import Finding
from k1nb.conductor._forgotten import Repair, find_forgotten, forgotten, repair, running_executions
from k1nb.conductor._lint import lint
from k1nb.conductor._path import longest_path
from k1nb.conductor._queue_checks import Host, QueueLimits, queue_checks
from k1nb.conductor._queues import Queues, Work, look_at_queues
from k1nb.conductor._sync import Applied, apply_definitions, plan_definitions
from k1nb.conductor._task_client import PolledTask, ResultStatus, TaskClient, TaskResult

__all__ = [
    "Applied",
    "Conductor",
    "Definitions",
    "Execution",
    "ExecutionStatus",
    "Finding",
    "Host",
    "PollData",
    "PolledTask",
    "QueueLimits",
    "Queues",
    "Repair",
    "ResultStatus",
    "Task",
    "TaskClient",
    "TaskResult",
    "TaskStatus",
    "TokenAuth",
    "Work",
    "apply_definitions",
    "checks",
    "find_forgotten",
    "forgotten",
    "lint",
    "load",
    "longest_path",
    "look_at_queues",
    "plan_definitions",
    "queue_checks",
    "repair",
    "running_executions",
]
