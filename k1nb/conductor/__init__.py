"""The workflow server: a typed client, executions, and the definitions it is given."""

from k1nb.conductor._auth import TokenAuth
from k1nb.conductor._bulk_calls import Bulk
from k1nb.conductor._change import DefinitionFacts, change_definitions, definition_checks, observe_definitions
from k1nb.conductor._checks import checks
from k1nb.conductor._client import Conductor
from k1nb.conductor._cron import Cron, zone_of
from k1nb.conductor._definitions import Definitions, load
from k1nb.conductor._diff import Difference, Edit, diff
from k1nb.conductor._event_calls import EventHandler
from k1nb.conductor._executions import Execution, ExecutionStatus, Task, TaskStatus
from k1nb.conductor._export import Exported, export_definitions
from k1nb.conductor._finding import Finding
from k1nb.conductor._forgotten import Repair, find_forgotten, forgotten, repair, running_executions
from k1nb.conductor._gates import Gate, gated_executions, gates_of, lineage, waiting_gates
from k1nb.conductor._intervention import Intervened, Intervention, Verb, intervene, plan_intervention
from k1nb.conductor._lint import lint
from k1nb.conductor._path import longest_path
from k1nb.conductor._queue_calls import LogLine, PollData
from k1nb.conductor._queue_checks import Host, QueueLimits, queue_checks
from k1nb.conductor._queues import Queues, Work, look_at_queues
from k1nb.conductor._reason import innermost
from k1nb.conductor._retention import Pruned, plan_pruning, prune
from k1nb.conductor._rules import RULES, Answer, Rule
from k1nb.conductor._schedule_calls import FailedStart, Schedule
from k1nb.conductor._sync import Applied, apply_definitions, plan_definitions
from k1nb.conductor._task_client import (
    LONGEST_REASON,
    PolledTask,
    ResultStatus,
    TaskClient,
    TaskResult,
    shorten,
    times_put_off,
)
from k1nb.conductor._watching import Change, watch

__all__ = [
    "LONGEST_REASON",
    "RULES",
    "Answer",
    "Applied",
    "Bulk",
    "Change",
    "Conductor",
    "Cron",
    "DefinitionFacts",
    "Definitions",
    "Difference",
    "Edit",
    "EventHandler",
    "Execution",
    "ExecutionStatus",
    "Exported",
    "FailedStart",
    "Finding",
    "Gate",
    "Host",
    "Intervened",
    "Intervention",
    "LogLine",
    "PollData",
    "PolledTask",
    "Pruned",
    "QueueLimits",
    "Queues",
    "Repair",
    "ResultStatus",
    "Rule",
    "Schedule",
    "Task",
    "TaskClient",
    "TaskResult",
    "TaskStatus",
    "TokenAuth",
    "Verb",
    "Work",
    "apply_definitions",
    "change_definitions",
    "checks",
    "definition_checks",
    "diff",
    "export_definitions",
    "find_forgotten",
    "forgotten",
    "gated_executions",
    "gates_of",
    "innermost",
    "intervene",
    "lineage",
    "lint",
    "load",
    "longest_path",
    "look_at_queues",
    "observe_definitions",
    "plan_definitions",
    "plan_intervention",
    "plan_pruning",
    "prune",
    "queue_checks",
    "repair",
    "running_executions",
    "shorten",
    "times_put_off",
    "waiting_gates",
    "watch",
    "zone_of",
]
